//! Conditions.
//!
//! Owns: the C shape of `gmp_core::sync::cond::Cond`. Blocks: `gmp_cond_wait`.

use crate::boundary::code;
use crate::code::{GMP_EINVAL, GMP_OK};
use crate::mutex::gmp_mutex_t;
use crate::time::gmp_time_t;
use gmp_core::sync::cond::Cond;
use gmp_core::sync::mutex::Mutex;
use std::ffi::c_int;

/// A condition: those who wait for something that is guarded by a mutex. All-zero is ready to use: no init, no destroy. It
/// must not be moved or copied while in use. A wait ends by a signal, a broadcast, its deadline or cancellation, never
/// for no reason. Its memory may be freed when nobody waits, although the wake of the last one may still be returning.
/// Tasks and threads may use one together.
#[repr(C)]
pub struct gmp_cond {
    /// The library's business.
    pub opaque: [u64; 2],
}

/// See struct gmp_cond.
pub type gmp_cond_t = gmp_cond;

const _: () = assert!(size_of::<gmp_cond>() == size_of::<Cond>() && align_of::<gmp_cond>() == align_of::<Cond>());

/// Unlocks the mutex, waits for a signal or broadcast, and locks the mutex again. What happens once the mutex is free is
/// not missed. The mutex is held again on return whatever the result (the wait for it has no deadline and is not
/// cancelled); GMP_EMISUSE and GMP_EINVAL leave it as it was.
///
/// @param c         The condition.
/// @param m         A mutex that the caller holds.
/// @param deadline  Until when to wait for the signal: a gmp_now() time or GMP_FOREVER.
/// @return          GMP_OK when it was woken, or a code; then no signal was used up.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EMISUSE: nobody holds the mutex; nothing has changed. GMP_EAGAIN: GMP_NOWAIT was given. GMP_ETIMEDOUT: the
///          deadline passed. GMP_ECANCELED: the task is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `c` or `m`
///          is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_cond_wait(c: *mut gmp_cond_t, m: *mut gmp_mutex_t, deadline: gmp_time_t) -> c_int {
    if c.is_null() || m.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's condition and mutex, which live while somebody waits.
    code(unsafe { (*c.cast::<Cond>()).wait(&*m.cast::<Mutex>(), deadline) })
}

/// Wakes the one that has waited longest, if somebody waits. The caller need not hold the mutex.
///
/// @param c  The condition.
/// @return   GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `c` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_cond_signal(c: *mut gmp_cond_t) -> c_int {
    if c.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's condition.
    unsafe { (*c.cast::<Cond>()).signal() };
    GMP_OK
}

/// Wakes all that wait now. The caller need not hold the mutex.
///
/// @param c  The condition.
/// @return   GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `c` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_cond_broadcast(c: *mut gmp_cond_t) -> c_int {
    if c.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's condition.
    unsafe { (*c.cast::<Cond>()).broadcast() };
    GMP_OK
}
