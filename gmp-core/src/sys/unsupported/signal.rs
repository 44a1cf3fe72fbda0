//! Signals that somebody asked for: nobody can.

use super::{Errno, NO};

/// Signals have numbers below this.
pub const MOST: usize = 65;

/// None can be asked for.
pub fn is_catchable(_: i32) -> bool {
    false
}

/// Refused.
pub fn catch(_: i32) -> Result<(), Errno> {
    Err(NO)
}

/// None was caught.
pub fn release(_: i32) {}

/// There is nothing to begin.
pub fn begin_afresh() {}

/// None came.
pub fn take(_: i32) -> u32 {
    0
}

/// It never rings.
pub fn bell() -> u32 {
    0
}

/// Nobody waits.
pub fn ring() {}

/// Gives up the CPU once.
pub fn wait(_: u32) {
    crate::primitive::yield_thread();
}

/// The mask stays.
pub fn accept_only(_: u64) {}
