//! The clock of tasks in a model: the one that the model sets.

pub use crate::sys::clock::now;

pub fn patience() -> i64 {
    now()
}

/// When a deadline has passed the model explores (`sys::futex`).
pub fn real(deadline: i64) -> i64 {
    deadline
}
