//! The sync objects for Rust: each owns what it guards, and gives it out by guards.
//!
//! Owns: the borrows. What waits and wakes is the plain object of the same noun in the folder above.
//!
//! Always true:
//!  - F1. An object that is borrowed is not moved or freed: so nobody waits in one that is.
//!  - F2. What a guard's destructor gives up it gives up without entering the runtime while a panic passes: entering may move a
//!        task to another thread, and a panic must stay on its own.
//!
//! Nothing is poisoned: a panic while something is locked unlocks it, and who comes next finds it as the panic left it. Nothing
//! is reentrant: who locks what they hold already waits for themselves, until they are cancelled.
//!
//! A guard may be kept across any call, and given to another task or thread, as the lock belongs to nobody in particular.
//!
//! Called by: any task or thread. Blocks: the waits park the task, or block a thread that is no task.

pub mod condvar;
pub mod mutex;
pub mod once;
pub mod rwlock;
pub mod semaphore;
pub mod wait_group;

use super::sema::wake;
use crate::sched::ready;
use crate::task::wait_queue::Claimed;

/// Wakes who was claimed, as [`wake`] does, from a destructor (F2).
pub fn wake_from_drop(claimed: Claimed) {
    if std::thread::panicking() {
        // SAFETY: claimed by the caller.
        return unsafe { ready::finish_all(None, claimed) };
    }
    wake(claimed);
}
