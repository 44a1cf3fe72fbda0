//! The machine of a model: what a task, or the commit of its park, asks of the thread that it runs on.

#[path = "../../machine/owner.rs"]
pub mod owner;

use crate::task::Task;
use std::cell::Cell;

/// See the module.
#[derive(Debug)]
pub struct Machine {
    pub shared: *const (),
    /// Null: it is between two tasks.
    pub current: Cell<*mut Task>,
    pub owner: Unasked,
}

/// Nothing is ever requested of it.
#[derive(Debug)]
pub struct Unasked;

impl Unasked {
    pub fn requested(&self) -> u32 {
        0
    }
}
