//! No hint.

/// See the module above.
pub fn prefetch(_address: usize) {}
