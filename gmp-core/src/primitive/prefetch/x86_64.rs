//! `prefetcht0`.

/// See the module above.
#[inline(always)]
pub fn prefetch(address: usize) {
    // SAFETY: a hint; it neither faults nor reads.
    unsafe { std::arch::asm!("prefetcht0 [{a}]", a = in(reg) address, options(nostack, preserves_flags, readonly)) };
}
