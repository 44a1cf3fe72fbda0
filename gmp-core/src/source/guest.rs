//! Guests of a descriptor's record: threads that are no tasks, which wait for the descriptor in the kernel by themselves.
//!
//! Owns: the list, and how a guest is reached. Always true: a guest lies on its thread's stack and stays in the list until its thread
//! has taken it out; all here but [`Guest::is_gone`] is done with the record's lock held.
//! Blocks: nothing.

use crate::primitive::{AtomicPtr, Cell, Ordering::*};
use std::ptr::{null, null_mut};

/// One of them.
#[derive(Debug)]
pub struct Guest {
    next: Cell<*const Guest>,
    bell: i32,
    gone: Cell<bool>,
}

impl Guest {
    /// `bell`: what ends its wait; -1: it has none, and looks now and then by itself.
    pub fn new(bell: i32) -> Guest {
        Guest { next: Cell::new(null()), bell, gone: Cell::new(false) }
    }

    /// True if it was told that the descriptor is gone. After it has left.
    pub fn is_gone(&self) -> bool {
        self.gone.get()
    }
}

/// All of one record.
#[repr(transparent)]
#[derive(Debug)]
pub struct Guests(AtomicPtr<Guest>);

impl Guests {
    pub fn new() -> Guests {
        Guests(AtomicPtr::new(null_mut()))
    }

    /// Lets one in.
    pub fn push(&self, guest: &Guest) {
        guest.next.set(self.0.load(Relaxed));
        self.0.store(guest as *const Guest as *mut Guest, Relaxed);
    }

    /// Lets one out.
    pub fn remove(&self, guest: &Guest) {
        let first = self.0.load(Relaxed) as *const Guest;
        if std::ptr::eq(first, guest) {
            return self.0.store(guest.next.get() as *mut Guest, Relaxed);
        }
        let mut at = first;
        // SAFETY: guests in the list are valid.
        while let Some(other) = unsafe { at.as_ref() } {
            if std::ptr::eq(other.next.get(), guest) {
                other.next.set(guest.next.get());
            }
            at = other.next.get();
        }
    }

    /// Has all of them look up; `gone`: the descriptor is closed.
    pub fn ring(&self, gone: bool) {
        let mut at = self.0.load(Relaxed) as *const Guest;
        // SAFETY: as above.
        while let Some(guest) = unsafe { at.as_ref() } {
            if gone {
                guest.gone.set(true);
            }
            if guest.bell >= 0 {
                crate::sys::poll::ring(guest.bell);
            }
            at = guest.next.get();
        }
    }
}
