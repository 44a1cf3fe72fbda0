//! Time: the clock and deadlines.
//!
//! Owns: the time type. Blocks: nothing.

use gmp_core::time;

/// A moment, in nanoseconds on CLOCK_MONOTONIC. A function that may wait takes one as its deadline: from that moment on
/// it does not wait any longer and answers GMP_ETIMEDOUT. What can be done without waiting is done whatever the
/// deadline. A negative one has passed; GMP_NOWAIT and GMP_FOREVER are special.
pub type gmp_time_t = i64;

// A sum, so that the macro made of it has parentheses around it.
/// The deadline that never waits: the answer is GMP_EAGAIN where the call would have to.
pub const GMP_NOWAIT: gmp_time_t = 1 as gmp_time_t - 1;

/// The deadline that never comes.
pub const GMP_FOREVER: gmp_time_t = i64::MAX;

const _: () = assert!(GMP_NOWAIT == time::NOWAIT && GMP_FOREVER == time::FOREVER);

/// Now.
///
/// @return  Nanoseconds on CLOCK_MONOTONIC; with GMP_CONFIG_VIRTUAL_TIME those of the tasks' time.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_now() -> gmp_time_t {
    time::now()
}

/// The deadline `ns` nanoseconds from now: gmp_now() + ns, without overflow.
///
/// @param ns  Nanoseconds; negative for the past.
/// @return    A deadline. It is never GMP_NOWAIT; GMP_FOREVER for an `ns` beyond the clock's end.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_after_ns(ns: i64) -> gmp_time_t {
    time::after(ns)
}
