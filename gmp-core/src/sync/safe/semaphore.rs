//! The semaphore, whose permits give themselves back.
//!
//! Owns: the permit. See `mod.rs` for what is true of all.

use super::wake_from_drop;
use crate::base::error::Result;
use crate::sync::semaphore::Semaphore as Plain;
use crate::time::FOREVER;

/// A number of permits, and those who wait for some, served in turn: who wants few does not overtake who wants many. (§22)
///
/// # Example
/// ```
/// use gmp_core::{spawn, yield_now, Semaphore};
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use std::sync::Arc;
///
/// // Twenty tasks, of which three at a time do it.
/// let shared = Arc::new((Semaphore::new(3), AtomicU32::new(0)));
/// let tasks: Vec<_> = (0..20)
///     .map(|_| {
///         let shared = shared.clone();
///         spawn(move || {
///             let _permit = shared.0.acquire(1)?;
///             assert!(shared.1.fetch_add(1, Relaxed) < 3);
///             yield_now();
///             shared.1.fetch_sub(1, Relaxed);
///             Ok::<(), gmp_core::Error>(())
///         })
///     })
///     .collect::<Result<_, _>>()?;
/// for task in tasks {
///     task.join()??;
/// }
/// # Ok::<(), gmp_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Semaphore(Plain);

impl Semaphore {
    /// With `permits` to be had.
    pub fn new(permits: u32) -> Semaphore {
        let made = Plain::default();
        let none = made.give(permits);
        debug_assert!(none.is_ok_and(|claimed| claimed.is_empty()), "nobody waits for it yet");
        Semaphore(made)
    }

    /// Takes `n` permits, and waits until there are as many.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task.
    ///
    /// # Errors
    /// [`Error::Canceled`](crate::Error::Canceled): the task was cancelled, and would have had to wait.
    #[inline]
    pub fn acquire(&self, n: u32) -> Result<Permit<'_>> {
        self.acquire_until(n, FOREVER)
    }

    /// The same, waiting until `deadline` at most: a time of [`time::now`](crate::time::now).
    ///
    /// # Errors
    /// As [`Semaphore::acquire`]; [`Error::TimedOut`](crate::Error::TimedOut); [`Error::NoMemory`](crate::Error::NoMemory): no
    /// room for the deadline.
    #[inline]
    pub fn acquire_until(&self, n: u32, deadline: i64) -> Result<Permit<'_>> {
        self.0.acquire(n, deadline)?;
        Ok(Permit { semaphore: self, n })
    }

    /// The same without a wait; None: there are not as many, or others wait.
    #[inline]
    pub fn try_acquire(&self, n: u32) -> Option<Permit<'_>> {
        self.0.try_acquire(n).then(|| Permit { semaphore: self, n })
    }

    /// Adds `n` permits, beside those that guards give back.
    ///
    /// Called by: any task or thread. Blocks: nothing.
    ///
    /// # Errors
    /// [`Error::Misuse`](crate::Error::Misuse), and no change: there would be more than `u32::MAX`.
    ///
    /// # Example
    /// A task says to a thread that it is ready: the permit is used up, not given back.
    /// ```
    /// use gmp_core::{spawn, Semaphore};
    /// use std::sync::Arc;
    ///
    /// let ready = Arc::new(Semaphore::new(0));
    /// let says = ready.clone();
    /// let task = spawn(move || says.release(1))?;
    /// ready.acquire(1)?.forget();
    /// task.join()??;
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    #[inline]
    pub fn release(&self, n: u32) -> Result<()> {
        self.0.release(n)
    }
}

/// Permits of a [`Semaphore`], given back when this is dropped.
#[derive(Debug)]
#[must_use = "they are given back at once otherwise"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    n: u32,
}

impl Permit<'_> {
    /// How many.
    pub fn count(&self) -> u32 {
        self.n
    }

    /// Uses them up: they are not given back.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        // An error: more were released meanwhile than there is room for. Those who did it were not told; nobody waits then.
        let _given = self.semaphore.0.give(self.n).map(wake_from_drop);
    }
}
