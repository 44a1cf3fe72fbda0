//! The condition, for those who hold a [`Mutex`](super::mutex::Mutex).
//!
//! Owns: nothing but the plain condition. See `mod.rs` for what is true of all.

use super::mutex::MutexGuard;
use crate::base::error::Result;
use crate::sync::cond::Cond;
use crate::time::FOREVER;

/// Where one waits, with a mutex in hand, for something to be changed under that mutex.
///
/// A wait gives the mutex up and has it again when it returns, whatever it answers. It returns for a notification only, but
/// what was notified of may have been undone by then: look again, as [`Condvar::wait_while`] does.
///
/// # Example
/// ```
/// use gmp_core::{spawn, Condvar, Mutex};
/// use std::sync::Arc;
///
/// let door = Arc::new((Mutex::new(false), Condvar::new()));
/// let other = door.clone();
/// let opener = spawn(move || {
///     *other.0.lock()? = true;
///     other.1.notify_all();
///     Ok::<(), gmp_core::Error>(())
/// })?;
///
/// let mut open = door.0.lock()?;
/// door.1.wait_while(&mut open, |open| !*open)?;
/// assert!(*open);
/// opener.join()??;
/// # Ok::<(), gmp_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Condvar(Cond);

impl Condvar {
    /// With nobody waiting. Also for a `static`.
    pub const fn new() -> Condvar {
        // SAFETY: all-zero is a condition.
        Condvar(unsafe { std::mem::zeroed() })
    }

    /// Gives the guard's mutex up, waits for a notification, and locks the mutex again.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task.
    ///
    /// # Errors
    /// [`Error::Canceled`](crate::Error::Canceled): the task was cancelled. The mutex is held then too; getting it back is
    /// waited for even so.
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) -> Result<()> {
        self.wait_until(guard, FOREVER)
    }

    /// The same, waiting until `deadline` at most: a time of [`time::now`](crate::time::now).
    ///
    /// # Errors
    /// As [`Condvar::wait`]; [`Error::TimedOut`](crate::Error::TimedOut); [`Error::NoMemory`](crate::Error::NoMemory): no room
    /// for the deadline. The mutex is held then too.
    ///
    /// # Example
    /// ```
    /// use gmp_core::{time, Condvar, Error, Mutex};
    ///
    /// let (m, c) = (Mutex::new(1), Condvar::new());
    /// let mut guard = m.lock()?;
    /// assert_eq!(c.wait_until(&mut guard, time::after(1_000)), Err(Error::TimedOut));
    /// *guard += 1;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait_until<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>, deadline: i64) -> Result<()> {
        self.0.wait(guard.plain(), deadline)
    }

    /// Waits until `blocked` says that it need not: asked first, and after each notification, with the mutex held.
    ///
    /// # Errors
    /// As [`Condvar::wait`].
    pub fn wait_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut blocked: impl FnMut(&mut T) -> bool,
    ) -> Result<()> {
        while blocked(guard) {
            self.wait(guard)?;
        }
        Ok(())
    }

    /// Wakes the one who has waited longest, if anybody waits.
    ///
    /// Called by: any task or thread, with the mutex held or not. Blocks: nothing.
    pub fn notify_one(&self) {
        self.0.signal();
    }

    /// Wakes all who wait.
    ///
    /// Called by: any task or thread, with the mutex held or not. Blocks: nothing.
    pub fn notify_all(&self) {
        self.0.broadcast();
    }
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}
