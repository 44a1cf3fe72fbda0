//! The readers-writer lock around a value.
//!
//! Owns: the value, and the two guards that borrow it. See `mod.rs` for what is true of all, poisoning among it.

use super::wake_from_drop;
use crate::base::error::Result;
use crate::primitive::UnsafeCell;
use crate::sync::rwlock::RwLock as Plain;
use crate::time::FOREVER;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A value that one has for writing, or any number for reading.
///
/// A writer who waits goes before readers who come later, and readers who wait go before the next writer (§22): so a task that
/// reads already and locks for reading again may wait for ever. Nothing is poisoned.
///
/// # Example
/// ```
/// let limits = gmp_core::RwLock::new((1, 10));
/// assert_eq!(limits.read()?.1, 10);
/// limits.write()?.1 = 20;
/// let (one, other) = (limits.read()?, limits.read()?);
/// assert_eq!(*one, *other);
/// # Ok::<(), gmp_core::Error>(())
/// ```
pub struct RwLock<T: ?Sized> {
    plain: Plain,
    value: UnsafeCell<T>,
}

// SAFETY: readers share the value, writers have it alone, wherever they are.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
// SAFETY: moved with the value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}

impl<T> RwLock<T> {
    /// Unlocked. Also for a `static`.
    pub const fn new(value: T) -> RwLock<T> {
        // SAFETY: all-zero is an unlocked lock.
        RwLock { plain: unsafe { std::mem::zeroed() }, value: UnsafeCell::new(value) }
    }

    /// The value; nobody has it locked.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks it for reading, and waits while a writer has it or waits.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task.
    ///
    /// # Errors
    /// [`Error::Canceled`](crate::Error::Canceled): the task was cancelled, and would have had to wait;
    /// [`Error::Again`](crate::Error::Again): a billion readers have it.
    #[inline]
    pub fn read(&self) -> Result<ReadGuard<'_, T>> {
        self.read_until(FOREVER)
    }

    /// The same, waiting until `deadline` at most: a time of [`time::now`](crate::time::now).
    ///
    /// # Errors
    /// As [`RwLock::read`]; [`Error::TimedOut`](crate::Error::TimedOut); [`Error::NoMemory`](crate::Error::NoMemory): no room
    /// for the deadline.
    #[inline]
    pub fn read_until(&self, deadline: i64) -> Result<ReadGuard<'_, T>> {
        self.plain.read(deadline)?;
        Ok(ReadGuard { lock: self, value: PhantomData })
    }

    /// The same without a wait.
    #[inline]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.plain.try_read().then(|| ReadGuard { lock: self, value: PhantomData })
    }

    /// Locks it for writing, and waits while anybody has it.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task.
    ///
    /// # Errors
    /// [`Error::Canceled`](crate::Error::Canceled): the task was cancelled, and would have had to wait.
    #[inline]
    pub fn write(&self) -> Result<WriteGuard<'_, T>> {
        self.write_until(FOREVER)
    }

    /// The same, waiting until `deadline` at most: a time of [`time::now`](crate::time::now).
    ///
    /// # Errors
    /// As [`RwLock::write`]; [`Error::TimedOut`](crate::Error::TimedOut); [`Error::NoMemory`](crate::Error::NoMemory): no room
    /// for the deadline.
    ///
    /// # Example
    /// ```
    /// use gmp_core::{time, Error, RwLock};
    ///
    /// let l = RwLock::new(1);
    /// let _reading = l.read()?;
    /// assert_eq!(l.write_until(time::after(1_000)).err(), Some(Error::TimedOut));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn write_until(&self, deadline: i64) -> Result<WriteGuard<'_, T>> {
        self.plain.write(deadline)?;
        Ok(WriteGuard { lock: self, value: PhantomData })
    }

    /// The same without a wait.
    #[inline]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.plain.try_write().then(|| WriteGuard { lock: self, value: PhantomData })
    }

    /// The value; nobody has it locked.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// An [`RwLock`] that is locked for reading; unlocked when this is dropped.
#[must_use = "it is unlocked at once otherwise"]
pub struct ReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    value: PhantomData<&'a T>,
}

/// An [`RwLock`] that is locked for writing; unlocked when this is dropped. It can be given to another task or thread if the
/// value can.
#[must_use = "it is unlocked at once otherwise"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    // Shared between threads it is a `&T`, and moved to one a `&mut T`.
    value: PhantomData<&'a mut T>,
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: while we read nobody writes.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: ours alone.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: ours alone, and `self` is borrowed by one.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let unlocked = self.lock.plain.leave_reading().map(wake_from_drop);
        debug_assert!(unlocked.is_ok(), "a guard's lock is locked");
    }
}

impl<T: ?Sized> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let unlocked = self.lock.plain.leave_writing().map(wake_from_drop);
        debug_assert!(unlocked.is_ok(), "a guard's lock is locked");
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> RwLock<T> {
        RwLock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RwLock");
        match self.try_read() {
            Some(value) => shown.field("value", &&*value).finish(),
            None => shown.finish_non_exhaustive(),
        }
    }
}
