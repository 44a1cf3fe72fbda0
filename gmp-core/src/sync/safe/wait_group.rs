//! The wait group, shared by whoever has a handle, and what counts in it.
//!
//! Owns: the count that a [`Working`] stands for. See `mod.rs` for what is true of all.

use super::wake_from_drop;
use crate::base::error::Result;
use crate::sync::wait_group::WaitGroup as Plain;
use crate::time::FOREVER;
use std::sync::Arc;

/// Waits until all who work are done. Clones are handles of the same group. (§22.11–22.15)
///
/// Who works has a [`Working`], by which it counts; count before the work is started, not in it.
///
/// # Example
/// ```
/// use gmp_core::{spawn, WaitGroup};
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use std::sync::Arc;
///
/// let (group, sum) = (WaitGroup::new(), Arc::new(AtomicU32::new(0)));
/// for n in 1..=10 {
///     let (working, sum) = (group.working()?, sum.clone());
///     drop(spawn(move || {
///         sum.fetch_add(n, Relaxed);
///         drop(working);
///     })?);
/// }
/// group.wait()?;
/// assert_eq!(sum.load(Relaxed), 55);
/// # Ok::<(), gmp_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct WaitGroup(Arc<Plain>);

impl WaitGroup {
    /// Nobody works.
    pub fn new() -> WaitGroup {
        WaitGroup::default()
    }

    /// Counts one more until the answer is dropped.
    ///
    /// Called by: any task or thread. Blocks: nothing.
    ///
    /// # Errors
    /// [`Error::Misuse`](crate::Error::Misuse): there would be more than 2^61 or so.
    pub fn working(&self) -> Result<Working> {
        // Counting up makes no count zero, so nobody is to be woken.
        let _none = self.0.add(1)?;
        Ok(Working(self.0.clone()))
    }

    /// Waits until nobody works; at once if that is so.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task.
    ///
    /// # Errors
    /// [`Error::Canceled`](crate::Error::Canceled): the task was cancelled, and would have had to wait.
    pub fn wait(&self) -> Result<()> {
        self.wait_until(FOREVER)
    }

    /// The same, waiting until `deadline` at most: a time of [`time::now`](crate::time::now).
    ///
    /// # Errors
    /// As [`WaitGroup::wait`]; [`Error::TimedOut`](crate::Error::TimedOut), [`Error::Again`](crate::Error::Again) for
    /// [`time::NOWAIT`](crate::time::NOWAIT); [`Error::NoMemory`](crate::Error::NoMemory): no room for the deadline.
    ///
    /// # Example
    /// ```
    /// use gmp_core::{time, Error, WaitGroup};
    ///
    /// let group = WaitGroup::new();
    /// let working = group.working()?;
    /// assert_eq!(group.wait_until(time::NOWAIT), Err(Error::Again));
    /// drop(working);
    /// assert_eq!(group.wait_until(time::NOWAIT), Ok(()));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait_until(&self, deadline: i64) -> Result<()> {
        self.0.wait(deadline)
    }
}

/// Counts as one in a [`WaitGroup`] until it is dropped, by a panic too.
#[derive(Debug)]
#[must_use = "it counts no more at once otherwise"]
pub struct Working(Arc<Plain>);

impl Drop for Working {
    fn drop(&mut self) {
        let counted = self.0.add(-1).map(wake_from_drop);
        debug_assert!(counted.is_ok(), "it counts");
    }
}
