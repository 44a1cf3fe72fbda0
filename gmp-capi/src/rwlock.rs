//! Reader-writer locks.
//!
//! Owns: the C shape of `gmp_core::sync::rwlock::RwLock`. Blocks: `gmp_rwlock_rdlock`, `gmp_rwlock_wrlock`.

use crate::boundary::code;
use crate::code::GMP_EINVAL;
use crate::time::gmp_time_t;
use gmp_core::sync::rwlock::RwLock;
use std::ffi::c_int;

/// A reader-writer lock: many readers (2^30) or one writer. All-zero is unlocked and ready to use: no init, no destroy. It
/// must not be moved or copied while in use. While a writer waits, new readers wait behind it; when a writer leaves, all
/// readers that wait go before the next writer. So neither starves, and a reader that locks again waits for ever if a writer
/// came in between. It belongs to nobody: whoever likes may unlock it. Its memory may be freed by whoever was in last.
/// Tasks and threads may use one together.
#[repr(C)]
pub struct gmp_rwlock {
    /// The library's business.
    pub opaque: [u64; 4],
}

/// See struct gmp_rwlock.
pub type gmp_rwlock_t = gmp_rwlock;

const _: () =
    assert!(size_of::<gmp_rwlock>() == size_of::<RwLock>() && align_of::<gmp_rwlock>() == align_of::<RwLock>());

/// Locks it for reading, together with other readers.
///
/// @param l         The lock.
/// @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          GMP_OK or a code; with a code it was not locked.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EAGAIN: a writer is in or waits, and GMP_NOWAIT was given; or there are 2^30 readers. GMP_ETIMEDOUT: the
///          deadline passed. GMP_ECANCELED: the task is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `l` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_rwlock_rdlock(l: *mut gmp_rwlock_t, deadline: gmp_time_t) -> c_int {
    if l.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's lock, which lives while somebody waits.
    code(unsafe { (*l.cast::<RwLock>()).read(deadline) })
}

/// Locks it for writing, alone.
///
/// @param l         The lock.
/// @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          GMP_OK or a code; with a code it was not locked.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EAGAIN: somebody is in, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the
///          task is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `l` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_rwlock_wrlock(l: *mut gmp_rwlock_t, deadline: gmp_time_t) -> c_int {
    if l.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's lock, which lives while somebody waits.
    code(unsafe { (*l.cast::<RwLock>()).write(deadline) })
}

/// A reader leaves. The last one lets the writer in that has waited longest.
///
/// @param l  The lock. It is not touched any more once others can come in.
/// @return   GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EMISUSE: no reader is in; it is unchanged. GMP_EINVAL: `l` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_rwlock_rdunlock(l: *mut gmp_rwlock_t) -> c_int {
    if l.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's lock; it is not touched after the step that leaves it.
    code(unsafe { (*l.cast::<RwLock>()).read_unlock() })
}

/// The writer leaves. All readers that wait come in, or else the writer that has waited longest.
///
/// @param l  The lock. It is not touched any more once others can come in.
/// @return   GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EMISUSE: no writer is in; it is unchanged. GMP_EINVAL: `l` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_rwlock_wrunlock(l: *mut gmp_rwlock_t) -> c_int {
    if l.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: as above.
    code(unsafe { (*l.cast::<RwLock>()).write_unlock() })
}
