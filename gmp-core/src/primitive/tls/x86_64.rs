//! The word by inline assembly, initial-exec model: two instructions, no call, re-read each time.

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

/// The word of this thread.
#[inline(always)]
pub fn get() -> *mut () {
    let value: *mut ();
    // SAFETY: reads our own 8-byte thread-local object. Not `pure`, so that the compiler repeats it after
    // every call that may have moved us to another thread.
    unsafe {
        asm!(
            "mov {v}, qword ptr [rip + gmp_machine_word@GOTTPOFF]",
            "mov {v}, qword ptr fs:[{v}]",
            v = out(reg) value,
            options(nostack, preserves_flags, readonly)
        );
    }
    value
}

/// Sets the word of this thread.
#[inline(always)]
pub fn set(value: *mut ()) {
    // SAFETY: writes our own 8-byte thread-local object; only this thread reads it.
    unsafe {
        asm!(
            "mov {t}, qword ptr [rip + gmp_machine_word@GOTTPOFF]",
            "mov qword ptr fs:[{t}], {v}",
            t = out(reg) _,
            v = in(reg) value,
            options(nostack, preserves_flags)
        );
    }
}
