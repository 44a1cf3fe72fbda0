//! FPCR.

use std::arch::asm;

/// Round to nearest, nothing trapped, no flush to zero.
pub const DEFAULT: u64 = 0;

#[inline(always)]
pub fn get() -> u64 {
    let words: u64;
    // SAFETY: reads a control register.
    unsafe { asm!("mrs {}, fpcr", out(reg) words, options(nostack, nomem, preserves_flags)) };
    words
}

#[cold]
pub fn set(words: u64) {
    // SAFETY: writes what `get` gave or the default.
    unsafe { asm!("msr fpcr, {}", in(reg) words, options(nostack, nomem, preserves_flags)) };
}
