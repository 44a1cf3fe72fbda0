//! The words as a `thread_local!`, for loom, Miri and architectures without an assembly form. Never inlined,
//! so that the address is computed anew at each use.

use std::cell::Cell;

#[cfg(not(loom))]
thread_local! {
    static WORD: Cell<*mut ()> = const { Cell::new(std::ptr::null_mut()) };
    static SLOT: Cell<*mut ()> = const { Cell::new(std::ptr::null_mut()) };
}
#[cfg(loom)]
loom::thread_local! {
    static WORD: Cell<*mut ()> = Cell::new(std::ptr::null_mut());
}

/// The word of this thread.
#[inline(never)]
pub fn get() -> *mut () {
    WORD.with(Cell::get)
}

/// Sets the word of this thread.
#[inline(never)]
pub fn set(value: *mut ()) {
    WORD.with(|w| w.set(value));
}

/// The second word of this thread: its slot among the foreign threads that have called in.
#[cfg(not(loom))]
#[inline(never)]
pub fn slot() -> *mut () {
    SLOT.with(Cell::get)
}

/// Sets the second word of this thread.
#[cfg(not(loom))]
#[inline(never)]
pub fn set_slot(value: *mut ()) {
    SLOT.with(|w| w.set(value));
}
