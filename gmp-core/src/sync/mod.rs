//! Sync objects: plain memory, all-zero is ready to use, for tasks and foreign threads in any mix.
//!
//! The one wait queue under all of them is `task/wait_queue.rs`; `sema.rs` is what their waits and wakes have in common.
//! Each object is a word and a queue. One bit of the word locks the queue, so that giving the object up and giving the
//! lock up is one atomic step: after it the object's memory may be freed.

pub mod cond;
pub mod locking;
pub mod mutex;
#[cfg(not(loom))]
pub mod once;
pub mod rwlock;
#[cfg(not(loom))]
pub mod safe;
pub mod sema;
pub mod semaphore;
pub mod wait_group;
pub mod waiting;
