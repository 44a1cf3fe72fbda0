//! The mutex around a value.
//!
//! Owns: the value, and the guard that borrows it. See `mod.rs` for what is true of all, poisoning among it.

use super::wake_from_drop;
use crate::base::error::Result;
use crate::primitive::UnsafeCell;
use crate::sync::mutex::Mutex as Plain;
use crate::time::FOREVER;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A value that one task or thread has at a time.
///
/// Who has waited for longer than a millisecond is served in turn; before, the lock goes to who comes at the right moment
/// (§22). A panic of the holder unlocks it; nothing is poisoned. A task that waits for it holds no thread.
///
/// # Example
/// ```
/// use gmp_core::{spawn, Mutex};
/// use std::sync::Arc;
///
/// let sum = Arc::new(Mutex::new(0));
/// let tasks: Vec<_> = (1..=10)
///     .map(|n| {
///         let sum = sum.clone();
///         spawn(move || sum.lock().map(|mut sum| *sum += n))
///     })
///     .collect::<Result<_, _>>()?;
/// for task in tasks {
///     task.join()??;
/// }
/// assert_eq!(*sum.lock()?, 55);
/// # Ok::<(), gmp_core::Error>(())
/// ```
pub struct Mutex<T: ?Sized> {
    plain: Plain,
    value: UnsafeCell<T>,
}

// SAFETY: one at a time has the value.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: moved with the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    /// Unlocked. Also for a `static`.
    ///
    /// ```
    /// static NAMES: gmp_core::Mutex<Vec<&str>> = gmp_core::Mutex::new(Vec::new());
    /// NAMES.lock()?.push("one");
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    pub const fn new(value: T) -> Mutex<T> {
        // SAFETY: all-zero is an unlocked mutex.
        Mutex { plain: unsafe { std::mem::zeroed() }, value: UnsafeCell::new(value) }
    }

    /// The value; nobody has it locked.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks it, and waits if need be.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task.
    ///
    /// # Errors
    /// [`Error::Canceled`](crate::Error::Canceled): the task was cancelled, and would have had to wait.
    #[inline]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>> {
        self.lock_until(FOREVER)
    }

    /// The same, waiting until `deadline` at most: a time of [`time::now`](crate::time::now).
    ///
    /// # Errors
    /// As [`Mutex::lock`]; [`Error::TimedOut`](crate::Error::TimedOut); [`Error::NoMemory`](crate::Error::NoMemory): no room
    /// for the deadline.
    ///
    /// # Example
    /// ```
    /// use gmp_core::{time, Error, Mutex};
    ///
    /// let m = Mutex::new(());
    /// let _held = m.lock()?;
    /// assert_eq!(m.lock_until(time::after(1_000)).err(), Some(Error::TimedOut));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn lock_until(&self, deadline: i64) -> Result<MutexGuard<'_, T>> {
        self.plain.lock(deadline)?;
        Ok(MutexGuard { mutex: self, value: PhantomData })
    }

    /// Locks it if nobody has it.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if !self.plain.try_lock_told() {
            return None;
        }
        self.plain.took();
        Some(MutexGuard { mutex: self, value: PhantomData })
    }

    /// The value; nobody has it locked.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// A locked [`Mutex`]; unlocked when this is dropped. It can be given to another task or thread if the value can, and be shared
/// with one if the value can:
/// ```compile_fail,E0277
/// fn shared_with_another_thread<T: Sync>() {}
/// shared_with_another_thread::<gmp_core::MutexGuard<'_, std::cell::Cell<u32>>>();
/// ```
#[must_use = "it is unlocked at once otherwise"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    // Shared between threads it is a `&T`, and moved to one a `&mut T`.
    value: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The lock, for a condition.
    pub(super) fn plain(&self) -> &'a Plain {
        &self.mutex.plain
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: locked by us.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: locked by us, and `self` is borrowed by one.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let plain = &self.mutex.plain;
        let unlocked = if std::thread::panicking() { plain.release().map(wake_from_drop) } else { plain.unlock() };
        debug_assert!(unlocked.is_ok(), "a guard's mutex is locked");
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(value) => shown.field("value", &&*value).finish(),
            None => shown.finish_non_exhaustive(),
        }
    }
}
