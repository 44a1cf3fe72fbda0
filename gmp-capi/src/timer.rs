//! Timers.
//!
//! Owns: the C shape of `gmp_core::timer::Timer`. Blocks: nothing.

use crate::boundary::number;
use crate::chan::gmp_chan_t;
use crate::code::{GMP_EINVAL, GMP_OK};
use crate::task::{entry_of, gmp_fn_t};
use gmp_core::timer::Timer;
use gmp_core::{global, Result};
use std::ffi::{c_int, c_void};
use std::mem::{forget, ManuallyDrop, MaybeUninit};
use std::ptr::{null_mut, NonNull};

/// A timer: it runs a function as a task, or sends the time that was due into a channel, once or again and again. Every timer
/// is given back by one gmp_timer_free. Tasks and threads may use one together.
///
/// A pending timer keeps nothing running: gmp_wait_idle and gmp_shutdown do not wait for it, and gmp_shutdown stops it
/// (gmp_timer_reset sets it again after the next start). In a fork's child a timer of the parent's answers GMP_EFORKED; it never
/// fires there, and gmp_timer_free leaves its memory.
pub struct gmp_timer {
    _private: [u8; 0],
}

/// See struct gmp_timer.
pub type gmp_timer_t = gmp_timer;

/// The caller's timer, which stays the caller's.
unsafe fn timer(at: *const gmp_timer_t) -> Option<ManuallyDrop<Timer>> {
    // SAFETY: the caller's timer, or null; it is not given back here.
    NonNull::new(at as *mut c_void).map(|raw| ManuallyDrop::new(unsafe { Timer::from_raw(raw) }))
}

/// Sets a new timer and gives it out.
unsafe fn start(made: Result<Timer>, ns: i64, timer_out: *mut *mut gmp_timer_t) -> c_int {
    let timer = match made {
        Ok(timer) => timer,
        Err(e) => return e.code(),
    };
    let out = timer_out.cast::<MaybeUninit<*mut gmp_timer_t>>();
    // Written before it may fire: its function may use the timer, and free it. So after the reset it is not touched.
    // SAFETY: the caller's place, which need not have a value yet.
    let before = unsafe { out.replace(MaybeUninit::new(timer.as_raw().as_ptr().cast())) };
    match global::with(|i, s| timer.reset(i, s, ns)) {
        Ok(_) => {
            forget(timer);
            GMP_OK
        }
        Err(e) => {
            // SAFETY: as above; it has not fired.
            unsafe { out.write(before) };
            e.code()
        }
    }
}

/// Makes a timer that starts fn(arg) as a detached task of its own, once in `ns` nanoseconds.
///
/// @param ns         When, from now; for 0 and less at once.
/// @param fn         What the task runs. It may use the timer, and free it. When the timer is set again it runs again, maybe
///                   while the run before goes on.
/// @param arg        Its argument.
/// @param timer_out  The timer is written here on success, before `fn` may run.
/// @return           GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `fn` or `timer_out` is NULL. GMP_ENOMEM. GMP_ESTOPPED: after gmp_shutdown has begun. GMP_EAGAIN: the
///          runtime had to be started, and the system gives no thread. (When there is no memory for the task at its time, it
///          starts as soon as there is.)
/// @since   0.1
#[no_mangle]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), unsafe(naked))]
pub unsafe extern "C" fn gmp_timer_func(
    ns: i64,
    r#fn: gmp_fn_t,
    arg: *mut c_void,
    timer_out: *mut *mut gmp_timer_t,
) -> c_int {
    sited!(func_from, ns, r#fn, arg, timer_out)
}

unsafe extern "C" fn func_from(
    ns: i64,
    f: gmp_fn_t,
    arg: *mut c_void,
    timer_out: *mut *mut gmp_timer_t,
    site: usize,
) -> c_int {
    let (Some(entry), false) = (entry_of(f), timer_out.is_null()) else { return GMP_EINVAL };
    // SAFETY: the caller's function, argument and place.
    unsafe { start(Timer::func(entry, arg, site), ns, timer_out) }
}

/// Makes a timer that sends one value into its channel (gmp_timer_channel) in `ns` nanoseconds: a gmp_time_t, the time when
/// it was due, however late it is received.
///
/// @param ns         When, from now; for 0 and less at once.
/// @param timer_out  The timer is written here on success.
/// @return           GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `timer_out` is NULL. GMP_ENOMEM. GMP_ESTOPPED: after gmp_shutdown. GMP_EAGAIN: as gmp_timer_func.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_timer_chan(ns: i64, timer_out: *mut *mut gmp_timer_t) -> c_int {
    if timer_out.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's place.
    unsafe { start(Timer::channel(), ns, timer_out) }
}

/// Makes a timer that sends into its channel every `period_ns` nanoseconds until it is stopped: each time the time when it
/// was due. Times stay in step with the start. The channel keeps one value: while nobody receives it, further ones are left
/// out.
///
/// @param period_ns  The time from one value to the next, above 0.
/// @param timer_out  The timer is written here on success.
/// @return           GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: the period is 0 or less, or `timer_out` is NULL. GMP_ENOMEM, GMP_ESTOPPED, GMP_EAGAIN: as
///          gmp_timer_chan.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ticker_new(period_ns: i64, timer_out: *mut *mut gmp_timer_t) -> c_int {
    if timer_out.is_null() || period_ns <= 0 {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's place.
    unsafe { start(Timer::ticker(), period_ns, timer_out) }
}

/// The channel of a timer: of gmp_time_t, to be received from. It looks unbuffered. Nobody can send into it or close it
/// (GMP_EMISUSE).
///
/// @param timer  The timer.
/// @return       The channel, borrowed: it lasts as long as the timer, longer with a gmp_chan_ref. NULL for a timer that runs
///               a function, and for NULL.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_timer_channel(timer: *mut gmp_timer_t) -> *mut gmp_chan_t {
    // SAFETY: the caller's timer.
    match unsafe { self::timer(timer) } {
        Some(timer) => timer.chan().map_or(null_mut(), |chan| chan.as_ptr() as *mut gmp_chan_t),
        None => null_mut(),
    }
}

/// Stops a timer. It does not close the channel, and does not wait for a function that runs.
///
/// @param timer  The timer.
/// @return       1: it will not fire, or it had, and its value was not received and never will be. 0: neither: it was
///               stopped before, its value was received, or its function was started. Or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `timer` is NULL. GMP_EFORKED: a timer of a fork's parent.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_timer_stop(timer: *mut gmp_timer_t) -> c_int {
    // SAFETY: the caller's timer.
    match unsafe { self::timer(timer) } {
        Some(timer) => number(timer.is_here().map(|()| i32::from(timer.stop()))),
        None => GMP_EINVAL,
    }
}

/// Sets a timer anew, whatever its state: it fires in `ns` nanoseconds; a ticker every `ns` nanoseconds. No value of the
/// setting before is received any more.
///
/// @param timer  The timer.
/// @param ns     When, from now; for 0 and less at once.
/// @return       What gmp_timer_stop would have answered, or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `timer` is NULL, or a ticker's `ns` is 0 or less; nothing has changed. GMP_ESTOPPED: as gmp_timer_func
///          and gmp_timer_chan; nothing has changed. GMP_EAGAIN: as gmp_timer_func. GMP_ENOMEM: the timer is stopped.
///          GMP_EFORKED: a timer of a fork's parent.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_timer_reset(timer: *mut gmp_timer_t, ns: i64) -> c_int {
    // SAFETY: the caller's timer.
    match unsafe { self::timer(timer) } {
        Some(timer) if timer.takes(ns) => {
            match timer.is_here().and_then(|()| global::with(|i, s| timer.reset(i, s, ns))) {
                Ok(prevented) => c_int::from(prevented),
                Err(e) => e.code(),
            }
        }
        _ => GMP_EINVAL,
    }
}

/// Stops a timer and gives it back. A function that was started goes on; it may be the caller. Who waits for the channel
/// stays, and its memory goes with the last of them.
///
/// @param timer  The timer; NULL is fine.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_timer_free(timer: *mut gmp_timer_t) {
    // SAFETY: the caller's timer, given back.
    drop(unsafe { self::timer(timer) }.map(ManuallyDrop::into_inner));
}
