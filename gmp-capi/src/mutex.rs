//! Mutexes.
//!
//! Owns: the C shape of `gmp_core::sync::mutex::Mutex`. Blocks: `gmp_mutex_lock`.

use crate::boundary::code;
use crate::code::{GMP_EAGAIN, GMP_EINVAL, GMP_OK};
use crate::time::gmp_time_t;
use gmp_core::primitive::sanitizer::watches;
use gmp_core::sync::mutex::Mutex;
use gmp_core::sync::sema::{asked, checkpoint};
use std::ffi::c_int;

/// A mutex. All-zero is unlocked and ready to use: no init, no destroy. It must not be moved or copied while in use. It
/// belongs to nobody: a task or thread may unlock what another has locked, and locking it twice waits for ever. Its memory
/// may be freed by whoever locked and unlocked it last, although an unlock before that may still be returning. A task that
/// comes may go before those that wait, until one has waited for 1 ms: that one is next. Tasks and threads may use one
/// together.
#[repr(C)]
pub struct gmp_mutex {
    /// The library's business.
    pub opaque: [u64; 2],
}

/// See struct gmp_mutex.
pub type gmp_mutex_t = gmp_mutex;

const _: () = assert!(size_of::<gmp_mutex>() == size_of::<Mutex>() && align_of::<gmp_mutex>() == align_of::<Mutex>());

/// Locks the mutex.
///
/// @param m         The mutex.
/// @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          GMP_OK or a code; with a code the mutex was not locked.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EAGAIN: it is held, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the task
///          is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `m` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_mutex_lock(m: *mut gmp_mutex_t, deadline: gmp_time_t) -> c_int {
    if m.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's mutex, which lives while somebody waits.
    let m = unsafe { &*m.cast::<Mutex>() };
    if watches() {
        return lock_watched(m, deadline);
    }
    if !m.try_lock() {
        return lock_slowly(m, deadline);
    }
    if m.took() {
        return locked_and_asked(m);
    }
    GMP_OK
}

#[cold]
#[inline(never)]
extern "C" fn locked_and_asked(m: &Mutex) -> c_int {
    asked(m);
    GMP_OK
}

/// Of its own, so that its frame and the many codes stand nowhere near the short way.
#[cold]
#[inline(never)]
extern "C" fn lock_watched(m: &Mutex, deadline: gmp_time_t) -> c_int {
    code(m.lock_watched(deadline))
}

#[cold]
#[inline(never)]
extern "C" fn lock_slowly(m: &Mutex, deadline: gmp_time_t) -> c_int {
    code(m.lock_slowly(deadline))
}

/// Locks the mutex if nobody holds it.
///
/// @param m  The mutex.
/// @return   GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EAGAIN: it is held. GMP_EINVAL: `m` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_mutex_trylock(m: *mut gmp_mutex_t) -> c_int {
    if m.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's mutex.
    let m = unsafe { &*m.cast::<Mutex>() };
    if m.try_lock_told() {
        m.took();
        return GMP_OK;
    }
    // Who tries in a loop comes by nowhere else.
    checkpoint();
    GMP_EAGAIN
}

/// Unlocks the mutex, and wakes who is next if somebody waits.
///
/// @param m  The mutex. It is not touched any more once somebody else can lock it.
/// @return   GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EMISUSE: nobody holds it; it is unchanged. GMP_EINVAL: `m` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_mutex_unlock(m: *mut gmp_mutex_t) -> c_int {
    if m.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's mutex; it is not touched after it was given up.
    let m = unsafe { &*m.cast::<Mutex>() };
    // Where a tool watches, the slow way tells it.
    if !watches() && m.try_release() {
        return GMP_OK;
    }
    unlock_slowly(m)
}

#[cold]
#[inline(never)]
extern "C" fn unlock_slowly(m: &Mutex) -> c_int {
    code(m.unlock_slowly())
}
