//! The clock of tasks: the system's, or in a seeded runtime one that the scheduler moves.
//!
//! Owns: the virtual time, and the count of calls that stands for time where only patience is measured.
//! Always true: without a seed both are 0, and all here is the system's clock. There is one seeded runtime a process at a
//! time (`global.rs`), so these are statics: whoever asks for the time may have no runtime at hand.
//!
//! Called by: whatever compares deadlines of tasks. The monitor, notes and futexes use `sys::clock`: they sleep really.

use crate::primitive::{AtomicI64, Ordering::*};
use crate::sys::clock;

/// Where virtual time begins: the same in every run, and far from 0, which is no deadline.
pub const BIRTH: i64 = 1_000_000_000_000;
/// What one call of the runtime counts for where patience is measured, in ns.
const CALL: i64 = 1_000;

/// 0: time is real.
static VIRTUAL: AtomicI64 = AtomicI64::new(0);
/// 0: patience is measured in real time.
static CALLS: AtomicI64 = AtomicI64::new(0);

/// Now, for deadlines and timers.
#[inline]
pub fn now() -> i64 {
    match VIRTUAL.load(Relaxed) {
        0 => clock::now(),
        now => now,
    }
}

/// Now, for how long a task has been patient: what it leads to must not depend on real time in a seeded runtime.
pub fn patience() -> i64 {
    match CALLS.load(Relaxed) {
        0 => clock::now(),
        now => now,
    }
}

/// The moment of the system's clock that a deadline of [`now`]'s stands for, if nothing moves the virtual time meanwhile. Those
/// that mean "do not wait" and "for ever" stay.
pub fn real(deadline: i64) -> i64 {
    match VIRTUAL.load(Relaxed) {
        _ if deadline == 0 || deadline == i64::MAX => deadline,
        0 => deadline,
        now => clock::now().saturating_add(deadline.saturating_sub(now)),
    }
}

/// A seeded runtime starts.
pub fn begin(time: bool) {
    CALLS.store(CALL, Relaxed);
    VIRTUAL.store(if time { BIRTH } else { 0 }, Relaxed);
}

/// It ends, or was left behind by a fork.
pub fn end() {
    CALLS.store(0, Relaxed);
    VIRTUAL.store(0, Relaxed);
}

/// By who has the one processor: a call was made.
pub fn called() {
    CALLS.store(CALLS.load(Relaxed) + CALL, Relaxed);
}

/// By who has the one processor: it is `when` now. Never goes back.
pub fn advance(when: i64) {
    VIRTUAL.store(VIRTUAL.load(Relaxed).max(when), Relaxed);
}
