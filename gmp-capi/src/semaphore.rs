//! Semaphores.
//!
//! Owns: the C shape of `gmp_core::sync::semaphore::Semaphore`. Blocks: `gmp_sem_acquire`.

use crate::boundary::code;
use crate::code::GMP_EINVAL;
use crate::time::gmp_time_t;
use gmp_core::sync::semaphore::Semaphore;
use std::ffi::c_int;

/// A counting semaphore. All-zero holds 0 and is ready to use: no init, no destroy; gmp_sem_release fills it. It must not
/// be moved or copied while in use. Requests are served in turn: a small one does not overtake a large one that waits. Its
/// memory may be freed when nobody waits, although the release that served the last may still be returning. Tasks and
/// threads may use one together.
#[repr(C)]
pub struct gmp_sem {
    /// The library's business.
    pub opaque: [u64; 2],
}

/// See struct gmp_sem.
pub type gmp_sem_t = gmp_sem;

const _: () =
    assert!(size_of::<gmp_sem>() == size_of::<Semaphore>() && align_of::<gmp_sem>() == align_of::<Semaphore>());

/// Takes `n` from the count, all at once; waits while it is smaller, or others wait. 0 is there at once.
///
/// @param s         The semaphore.
/// @param n         How much to take.
/// @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          GMP_OK or a code; with a code nothing was taken.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EAGAIN: the count is too small or others wait, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline
///          passed. GMP_ECANCELED: the task is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `s` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_sem_acquire(s: *mut gmp_sem_t, n: u32, deadline: gmp_time_t) -> c_int {
    if s.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's semaphore, which lives while somebody waits.
    code(unsafe { (*s.cast::<Semaphore>()).acquire(n, deadline) })
}

/// Adds `n` to the count; wakes all that can go on.
///
/// @param s  The semaphore.
/// @param n  How much to add.
/// @return   GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EMISUSE: the count would become greater than UINT32_MAX; it is unchanged. GMP_EINVAL: `s` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_sem_release(s: *mut gmp_sem_t, n: u32) -> c_int {
    if s.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's semaphore; it is not touched after the step that adds.
    code(unsafe { (*s.cast::<Semaphore>()).release(n) })
}
