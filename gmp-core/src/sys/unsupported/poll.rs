//! Readiness on a system that nobody has ported to: there is no queue.

use super::{Errno, NO};
use libc::c_int;

/// What one look brings at most.
pub const BATCH: usize = 1;

/// Never happens.
#[derive(Clone, Copy)]
pub struct Event;

impl Event {
    /// None yet.
    pub const NONE: Event = Event;

    /// Of nothing.
    pub fn token(&self) -> u64 {
        0
    }

    /// No.
    pub fn reads(&self) -> bool {
        false
    }

    /// No.
    pub fn writes(&self) -> bool {
        false
    }

    /// No.
    pub fn is_special(&self) -> bool {
        false
    }
}

/// Refused.
pub fn create() -> Result<c_int, Errno> {
    Err(NO)
}

/// Refused.
pub fn bell() -> Result<c_int, Errno> {
    Err(NO)
}

/// Nobody hears it.
pub fn ring(_: c_int) {}

/// Refused.
pub fn add(_: c_int, _: c_int, _: u64) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn add_bell(_: c_int, _: c_int, _: u64) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn again(_: c_int, _: c_int, _: u64) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn delete(_: c_int, _: c_int) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn wait(_: c_int, _: &mut [Event; BATCH], _: Option<i64>) -> Result<usize, Errno> {
    Err(NO)
}
