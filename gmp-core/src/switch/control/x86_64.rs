//! MXCSR (low half, without its exception flags) and the x87 control word (high half).

use std::arch::asm;

/// All exceptions masked, round to nearest, extended precision.
pub const DEFAULT: u64 = 0x1f80 | 0x037f << 32;
const FLAGS: u32 = 0x3f;

#[inline(always)]
pub fn get() -> u64 {
    let (mut mxcsr, mut x87) = (0u32, 0u16);
    // SAFETY: stores two control registers into our own variables.
    unsafe {
        asm!("stmxcsr [{m}]", "fnstcw [{x}]", m = in(reg) &mut mxcsr, x = in(reg) &mut x87,
            options(nostack, preserves_flags));
    }
    (mxcsr & !FLAGS) as u64 | (x87 as u64) << 32
}

#[cold]
pub fn set(words: u64) {
    let (mxcsr, x87) = (words as u32, (words >> 32) as u16);
    // SAFETY: loads words that `get` gave or the defaults, so no reserved bit is set.
    unsafe {
        asm!("ldmxcsr [{m}]", "fldcw [{x}]", m = in(reg) &mxcsr, x = in(reg) &x87,
            options(nostack, preserves_flags, readonly));
    }
}
