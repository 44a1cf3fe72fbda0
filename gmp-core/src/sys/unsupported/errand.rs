//! Threads that nobody waits for: none can be made.

use super::thread::Entry;
use super::{Errno, NO};
use std::ffi::{c_void, CStr};

/// Refused.
pub fn start(_: Entry, _: *mut c_void) -> Result<(), Errno> {
    Err(NO)
}

/// It keeps the one it has.
pub fn name(_: &CStr) {}
