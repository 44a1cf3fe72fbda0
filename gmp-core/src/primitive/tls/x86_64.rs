//! The words by inline assembly, initial-exec model: two instructions, no call, re-read each time.

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

/// The second word of this thread: its slot among the foreign threads that have called in.
#[inline]
pub fn slot() -> *mut () {
    let value: *mut ();
    // SAFETY: as in `get`, 8 bytes further in the same object.
    unsafe {
        asm!(
            "mov {v}, qword ptr [rip + gmp_machine_word@GOTTPOFF]",
            "mov {v}, qword ptr fs:[{v} + 8]",
            v = out(reg) value,
            options(nostack, preserves_flags, readonly)
        );
    }
    value
}

/// Sets the second word of this thread.
pub fn set_slot(value: *mut ()) {
    // SAFETY: as in `set`, 8 bytes further in the same object.
    unsafe {
        asm!(
            "mov {t}, qword ptr [rip + gmp_machine_word@GOTTPOFF]",
            "mov qword ptr fs:[{t} + 8], {v}",
            t = out(reg) _,
            v = in(reg) value,
            options(nostack, preserves_flags)
        );
    }
}
