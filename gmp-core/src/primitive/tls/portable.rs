//! The word as a `thread_local!`, for loom, Miri and architectures without an assembly form. Never inlined,
//! so that the address is computed anew at each use.

use std::cell::Cell;

#[cfg(not(loom))]
thread_local! {
    static WORD: Cell<*mut ()> = const { Cell::new(std::ptr::null_mut()) };
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
