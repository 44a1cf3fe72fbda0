//! The word by inline assembly, initial-exec model: re-read each time.

use std::arch::{asm, global_asm};

global_asm!(
    ".pushsection .tbss.gmp_machine, \"awT\", @nobits",
    ".p2align 3",
    ".type gmp_machine_word, @object",
    ".size gmp_machine_word, 8",
    ".globl gmp_machine_word",
    ".hidden gmp_machine_word",
    "gmp_machine_word:",
    ".zero 8",
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
