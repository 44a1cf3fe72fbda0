//! MXCSR, without its exception flags; the x87 control word follows it.
//!
//! Reading the x87 word (`fnstcw`) costs 6 ns here, more than everything else around a task run in place, so only
//! MXCSR is looked at. `fesetround` and its like change both words together; when MXCSR was changed, the x87 word's
//! rounding is set from it. A change of the x87 word alone (precision control) stays, as after any function call.

use std::arch::asm;

/// All exceptions masked, round to nearest.
pub const DEFAULT: u64 = 0x1f80;
const FLAGS: u32 = 0x3f;
/// Rounding: bits 13–14 of MXCSR, 10–11 of the x87 word.
const ROUNDING: u32 = 3 << 13;

#[inline(always)]
pub fn get() -> u64 {
    let mut mxcsr = 0u32;
    // SAFETY: stores a control register into our own variable.
    unsafe { asm!("stmxcsr [{m}]", m = in(reg) &mut mxcsr, options(nostack, preserves_flags)) };
    (mxcsr & !FLAGS) as u64
}

#[cold]
pub fn set(words: u64) {
    let (mxcsr, mut x87) = (words as u32, 0u16);
    // SAFETY: loads words that `get` gave or the default, so no reserved bit is set.
    unsafe {
        asm!("ldmxcsr [{m}]", "fnstcw [{x}]", m = in(reg) &mxcsr, x = in(reg) &mut x87, options(nostack, preserves_flags));
        x87 = x87 & !((ROUNDING >> 3) as u16) | ((mxcsr & ROUNDING) >> 3) as u16;
        asm!("fldcw [{x}]", x = in(reg) &x87, options(nostack, preserves_flags, readonly));
    }
}
