//! The words by inline assembly, initial-exec model: re-read each time.

use std::arch::{asm, global_asm};

global_asm!(
    ".pushsection .tbss.gmp_machine, \"awT\", @nobits",
    ".p2align 3",
    ".type gmp_machine_word, @object",
    ".size gmp_machine_word, 16",
    ".globl gmp_machine_word",
    ".hidden gmp_machine_word",
    "gmp_machine_word:",
    ".zero 16",
    ".popsection",
);

#[inline(always)]
fn address() -> *mut *mut () {
    let offset: usize;
    let base: usize;
    // SAFETY: computes the address of our own thread-local object; touches no memory but the GOT.
    unsafe {
        asm!(
            "adrp {o}, :gottprel:gmp_machine_word",
            "ldr {o}, [{o}, :gottprel_lo12:gmp_machine_word]",
            "mrs {b}, tpidr_el0",
            o = out(reg) offset,
            b = out(reg) base,
            options(nostack, preserves_flags, readonly)
        );
    }
    (base + offset) as *mut *mut ()
}

/// The word of this thread.
#[inline(always)]
pub fn get() -> *mut () {
    // SAFETY: `address` is our own aligned 8-byte thread-local object. Volatile, so that it is re-read.
    unsafe { address().read_volatile() }
}

/// Sets the word of this thread.
#[inline(always)]
pub fn set(value: *mut ()) {
    // SAFETY: as in `get`; only this thread reads it.
    unsafe { address().write_volatile(value) }
}

/// The second word of this thread: its slot among the foreign threads that have called in.
#[inline]
pub fn slot() -> *mut () {
    // SAFETY: as in `get`, 8 bytes further in the same object.
    unsafe { address().add(1).read_volatile() }
}

/// Sets the second word of this thread.
pub fn set_slot(value: *mut ()) {
    // SAFETY: as in `set`, 8 bytes further in the same object.
    unsafe { address().add(1).write_volatile(value) }
}
