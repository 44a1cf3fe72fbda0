//! Weak symbols by the global offset table, and Valgrind's magic sequence, on aarch64.

use std::arch::asm;

/// What the loader, or the linker, has put in for a symbol that need not be there.
macro_rules! weak {
    ($symbol:literal) => {{
        let address: usize;
        // SAFETY: reads an entry of our own table, which does not change.
        unsafe {
            asm!(
                concat!(".weak ", $symbol),
                concat!("adrp {a}, :got:", $symbol),
                concat!("ldr {a}, [{a}, :got_lo12:", $symbol, "]"),
                a = out(reg) address,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        address
    }};
}

/// Asks Valgrind; 0 where there is none.
pub fn ask(request: usize, arguments: [usize; 5]) -> usize {
    let block = [request, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]];
    let answer;
    // SAFETY: the rotations add up to whole turns, and the last instruction changes nothing: nothing happens but under Valgrind, which reads
    // the block and sets the answer.
    unsafe {
        asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            inout("x3") 0usize => answer,
            in("x4") &block,
            out("x12") _,
            options(nostack)
        );
    }
    answer
}

pub fn current_fiber() -> usize {
    weak!("__tsan_get_current_fiber")
}

pub fn create_fiber() -> usize {
    weak!("__tsan_create_fiber")
}

pub fn switch_to_fiber() -> usize {
    weak!("__tsan_switch_to_fiber")
}

pub fn destroy_fiber() -> usize {
    weak!("__tsan_destroy_fiber")
}

pub fn release() -> usize {
    weak!("__tsan_release")
}

pub fn acquire() -> usize {
    weak!("__tsan_acquire")
}

pub fn start_switch() -> usize {
    weak!("__sanitizer_start_switch_fiber")
}

pub fn finish_switch() -> usize {
    weak!("__sanitizer_finish_switch_fiber")
}

pub fn unpoison() -> usize {
    weak!("__asan_unpoison_memory_region")
}
