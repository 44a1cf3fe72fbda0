//! What is done once: a function, or the making of a value.
//!
//! Owns: the value of a cell. See `mod.rs` for what is true of all.
//! Always true: the value of a cell is written by the one run of its once, and not changed after; who finds the once done sees
//! it.

use crate::base::error::{Error, Result};
use crate::primitive::UnsafeCell;
use crate::sync::once::Once as Plain;
use std::fmt;

/// A function that runs in one call of all; the others wait until it has ended. (§22.18)
///
/// # Example
/// ```
/// static SET_UP: gmp_core::Once = gmp_core::Once::new();
///
/// let mut runs = 0;
/// SET_UP.call(|| runs += 1)?;
/// SET_UP.call(|| runs += 1)?;
/// assert_eq!(runs, 1);
/// # Ok::<(), gmp_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Once(Plain);

impl Once {
    /// Not run yet. Also for a `static`.
    pub const fn new() -> Once {
        // SAFETY: all-zero is a once that has not run.
        Once(unsafe { std::mem::zeroed() })
    }

    /// Calls `f` if this is the first call; else waits until the first call's function has ended. However it ended, by a panic
    /// too (which goes on in that call), it has run.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task, while another call's function runs.
    ///
    /// # Errors
    /// [`Error::Deadlock`]: called from within that function; [`Error::Canceled`]: the task was cancelled, and would have had
    /// to wait; [`Error::NoMemory`]: `f` was not called, and the next call is the first.
    #[inline]
    pub fn call(&self, f: impl FnOnce()) -> Result<()> {
        self.0.call(f)
    }

    /// True once the function has ended; what it did is visible then.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

impl Default for Once {
    fn default() -> Once {
        Once::new()
    }
}

/// A value that is made by the first who asks for it, and stays.
///
/// # Example
/// ```
/// static PRIMES: gmp_core::OnceCell<Vec<u32>> = gmp_core::OnceCell::new();
///
/// assert!(PRIMES.get().is_none());
/// let primes = PRIMES.get_or_init(|| (2..20).filter(|n| (2..*n).all(|d| n % d != 0)).collect())?;
/// assert_eq!(primes.len(), 8);
/// assert!(std::ptr::eq(primes, PRIMES.get_or_init(Vec::new)?));
/// # Ok::<(), gmp_core::Error>(())
/// ```
pub struct OnceCell<T> {
    once: Once,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: made on one thread, then shared.
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}
// SAFETY: moved with the value.
unsafe impl<T: Send> Send for OnceCell<T> {}

impl<T> OnceCell<T> {
    /// Empty. Also for a `static`.
    pub const fn new() -> OnceCell<T> {
        OnceCell { once: Once::new(), value: UnsafeCell::new(None) }
    }

    /// The value, if it has been made.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if !self.once.is_done() {
            return None;
        }
        // SAFETY: done, so nobody writes any more.
        unsafe { (*self.value.get()).as_ref() }
    }

    /// The value, made by `f` if this is the first call; else waits until the first call has made it.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task, while another call's `f` runs.
    ///
    /// # Errors
    /// As [`Once::call`]; [`Error::Panicked`]: the first call's `f` ended without a value, and the cell stays empty.
    #[inline]
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> Result<&T> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        self.once.call(|| {
            let value = f();
            // SAFETY: the one run, and nobody looks before it has ended.
            unsafe { *self.value.get() = Some(value) };
        })?;
        self.get().ok_or(Error::Panicked)
    }

    /// The value, if it has been made.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> OnceCell<T> {
        OnceCell::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}
