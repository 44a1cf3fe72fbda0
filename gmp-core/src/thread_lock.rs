//! A task's lock on the thread that it runs on.
//!
//! Owns: the calls and the guard over `sched/bound.rs`. Called by: tasks. Blocks: the task, where it moves to a thread that
//! nobody else is pinned to.

use crate::base::error::{Error, Result};
use crate::sched::{bound, enter};
use std::marker::PhantomData;

/// Locks the calling task to its thread once more; how often it is locked now.
///
/// # Errors
/// [`Error::Permission`] outside a task; [`Error::NoMemory`]; [`Error::Again`]: others are pinned to the thread, and no other can be
/// had; [`Error::Misuse`]: locked 2³¹ − 1 times.
pub fn lock() -> Result<u32> {
    let i = enter::enter().ok_or(Error::Permission)?;
    let result = bound::lock(i);
    crate::join::exit_current();
    result
}

/// Unlocks once; how often the task is still locked.
///
/// # Errors
/// [`Error::Permission`] outside a task; [`Error::Misuse`] when it is not locked.
pub fn unlock() -> Result<u32> {
    let m = enter::task_machine();
    // SAFETY: this thread's machine, whose current task is the caller.
    unsafe { m.as_ref().map_or(Err(Error::Permission), |m| bound::unlock(m, &*m.current.get())) }
}

/// A lock of the task on its thread, unlocked when dropped.
#[derive(Debug)]
#[must_use = "dropping it unlocks"]
pub struct ThreadLock(PhantomData<*const ()>);

impl Drop for ThreadLock {
    fn drop(&mut self) {
        // Not refused: the guard stays on the task that locked.
        let _ = unlock();
    }
}

/// Locks the calling task to its thread while the guard lives, as Go's `LockOSThread`: the task goes on on this thread only, and no
/// other task does. Locks nest. A task that ends locked ends the thread.
///
/// # Errors
/// As [`lock`].
///
/// # Example
/// ```
/// let task = gmp_core::spawn(|| {
///     let _lock = gmp_core::lock_thread()?;
///     let before = std::thread::current().id();
///     gmp_core::yield_now();
///     assert_eq!(before, std::thread::current().id());
///     Ok::<(), gmp_core::Error>(())
/// })?;
/// task.join()??;
/// # Ok::<(), gmp_core::Error>(())
/// ```
pub fn lock_thread() -> Result<ThreadLock> {
    lock().map(|_| ThreadLock(PhantomData))
}
