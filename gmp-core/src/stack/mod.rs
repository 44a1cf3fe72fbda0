//! Stacks of tasks: where they lie, who has them, what guards them.
//!
//! A *slot* is one stack with its guard; a *chunk* is 64 MiB of address space (or several, side by side) cut
//! into slots of one class; the *depot* owns all chunks of a runtime; a *cache* belongs to a processor.
//!
//! ```text
//! task <── Cache (processor, no lock) <──batches── Depot (runtime, a lock a class) <──chunks── sys::mem
//! ```
//!
//! Owns: [`Stack`], the right to use one slot.
//!
//! Always true:
//!  - T1. A slot is at exactly one place: with a task or a machine, in a cache, or in the depot.
//!  - T2. Every slot that leaves the depot has a guard.
//!  - T3. Whoever keeps a slot outside the depot holds a *credit* for it (see `depot`), so that a task that was
//!    promised a stack finds one.
//!
//! Nothing here blocks a task. Nothing here aborts when memory is short.

mod cache;
mod chunks;
mod class;
mod depot;
mod guard;
mod lists;

#[cfg(test)]
mod tests;

pub use self::cache::Cache;
pub use self::chunks::Place;
pub use self::class::Class;
pub use self::depot::Depot;

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// One slot, owned: the address of its low end, with the class in the low bits. It is given back to the depot
/// (or a cache) explicitly; one that is dropped is lost until shutdown, which debug builds refuse.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Stack(NonNull<u8>);

/// Slots begin at multiples of 64 KiB at least, so the class fits below.
const CLASS_MASK: usize = 7;
/// Steps of [`Stack::colour`].
const COLOURS: usize = 16;

// SAFETY: a slot belongs to nobody's thread; owning the value is owning the memory.
unsafe impl Send for Stack {}
// SAFETY: a shared reference gives addresses only.
unsafe impl Sync for Stack {}

impl Stack {
    /// `low` is the low end of a guarded slot of `class`, and becomes the new value's own.
    fn new(low: usize, class: Class) -> Stack {
        debug_assert!(low.is_multiple_of(Class::Small.slot()) && low != 0);
        let at = std::ptr::with_exposed_provenance_mut(low | class as usize);
        Stack(NonNull::new(at).expect("a slot is never at address zero"))
    }

    fn low(&self) -> *mut u8 {
        self.0.as_ptr().map_addr(|at| at & !CLASS_MASK)
    }

    /// The size class of the slot.
    #[inline]
    pub fn class(&self) -> Class {
        Class::from_index(self.0.as_ptr() as usize & CLASS_MASK)
    }

    /// The exclusive end of the stack, where its first frame goes: a multiple of the page size.
    #[inline]
    pub fn top(&self) -> *mut u8 {
        self.low().wrapping_add(self.class().slot())
    }

    /// The lowest usable byte; below it is the guard.
    #[inline]
    pub fn limit(&self) -> *mut u8 {
        self.low().wrapping_add(self.class().guard())
    }

    /// Bytes (a multiple of 64, below 1 KiB) by which to lower the first frame, different from slot to slot:
    /// without it the hottest lines of all stacks share a few sets of the first-level cache.
    #[inline]
    pub fn colour(&self) -> usize {
        (self.0.as_ptr() as usize / self.class().slot()) % COLOURS * 64
    }

    /// The slot as one word, never 0, for a task record. Whoever has the word owns the slot.
    #[inline]
    pub fn into_raw(self) -> usize {
        ManuallyDrop::new(self).0.as_ptr().expose_provenance()
    }

    /// The slot again.
    ///
    /// # Safety
    /// `raw` came from [`Stack::into_raw`], and is used for this once.
    #[inline]
    pub unsafe fn from_raw(raw: usize) -> Stack {
        // SAFETY: the caller's promise; such words are never 0.
        unsafe { Stack(NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(raw))) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        debug_assert!(std::thread::panicking(), "a stack is given back, never dropped");
    }
}
