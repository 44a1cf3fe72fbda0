//! Child processes: none is known.

use super::{Errno, NO};

/// Refused.
pub fn try_wait(_: i32) -> Result<Option<i32>, Errno> {
    Err(NO)
}

/// None.
pub fn open(_: i32) -> Result<Option<i32>, Errno> {
    Ok(None)
}
