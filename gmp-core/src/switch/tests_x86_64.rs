//! What only assembly can see: registers and control words, whichever backend switches.

use super::tests::{Pair, Stack};
use super::*;
use std::arch::{asm, naked_asm};

/// Fills every callee-saved register with its own value counted up from `seed`, calls `f(a, b, c)`, and returns
/// the number of registers that came back changed.
#[unsafe(naked)]
unsafe extern "C" fn changed_by(f: usize, a: usize, b: usize, c: usize, seed: usize) -> usize {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push r8",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "lea rbp, [r8 + 1]",
        "lea rbx, [r8 + 2]",
        "lea r12, [r8 + 3]",
        "lea r13, [r8 + 4]",
        "lea r14, [r8 + 5]",
        "lea r15, [r8 + 6]",
        "call rax",
        "pop r8",
        "xor eax, eax",
        "lea rcx, [r8 + 1]",
        "xor edx, edx",
        "cmp rbp, rcx",
        "setne dl",
        "add eax, edx",
        "inc rcx",
        "cmp rbx, rcx",
        "setne dl",
        "add eax, edx",
        "inc rcx",
        "cmp r12, rcx",
        "setne dl",
        "add eax, edx",
        "inc rcx",
        "cmp r13, rcx",
        "setne dl",
        "add eax, edx",
        "inc rcx",
        "cmp r14, rcx",
        "setne dl",
        "add eax, edx",
        "inc rcx",
        "cmp r15, rcx",
        "setne dl",
        "add eax, edx",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

unsafe extern "C" fn switch_c(save: *mut Sp, to: Sp, arg: usize) -> usize {
    // SAFETY: the same contract.
    unsafe { switch(save, to, arg) }
}

#[test]
fn callee_saved_registers_belong_to_the_context() {
    unsafe extern "C" fn other(arg: usize) -> ! {
        let pair = arg as *const Pair;
        let mut changed = 0;
        for round in 0.. {
            // SAFETY: the test waits in its switch, and `switch_c` takes these.
            unsafe {
                let (save, to) = ((*pair).other.as_ptr() as usize, (*pair).test.get());
                changed += changed_by(switch_c as *const () as usize, save, to, changed, 0x1234_5678_0000 + round);
            }
        }
        unreachable!()
    }
    let mut stack = Stack::new();
    let pair = Pair::new(&mut stack, other);
    for round in 0..100 {
        // SAFETY: `other` is parked or fresh, and `switch_c` takes these.
        unsafe {
            let (save, to) = (pair.test.as_ptr() as usize, pair.other.get());
            assert_eq!(changed_by(switch_c as *const () as usize, save, to, &raw const pair as usize, round << 40), 0);
        }
    }
    assert_eq!(pair.go(0), 0);
}

#[test]
fn exit_restores_the_callee_saved_registers() {
    unsafe extern "C-unwind" fn scramble_and_exit(frame: *mut c_void) -> *mut c_void {
        // SAFETY: the frame of the call that runs us. `changed_by` never comes back, so that its values stay.
        unsafe { changed_by(exit_c as *const () as usize, *frame.cast::<Sp>(), 0, 0, 0xdead_0000) };
        unreachable!()
    }
    unsafe extern "C-unwind" fn exit_c(frame: Sp) -> ! {
        // SAFETY: the same contract.
        unsafe { exit_to(frame) }
    }
    unsafe extern "C" fn call_c(frame: *mut Sp) {
        // SAFETY: the function reads `frame`, which the call has written.
        assert_eq!(unsafe { call(scramble_and_exit, frame.cast(), frame) }.how, EXITED);
    }
    if !CAN_EXIT {
        return;
    }
    let mut frame: Sp = 0;
    // SAFETY: `call_c` takes the address of a frame.
    let changed = unsafe { changed_by(call_c as *const () as usize, &raw mut frame as usize, 0, 0, 77 << 32) };
    assert_eq!(changed, 0);
}

fn control_words() -> (u32, u16) {
    let (mut mxcsr, mut x87) = (0u32, 0u16);
    // SAFETY: writes the two locals.
    unsafe { asm!("stmxcsr [{m}]", "fnstcw [{x}]", m = in(reg) &mut mxcsr, x = in(reg) &mut x87) };
    (mxcsr & 0xffc0, x87)
}

fn set_control_words((mxcsr, x87): (u32, u16)) {
    // SAFETY: values with all exceptions masked; each context sets its own and the tests put them back.
    unsafe { asm!("ldmxcsr [{m}]", "fldcw [{x}]", m = in(reg) &mxcsr, x = in(reg) &x87) };
}

/// All exceptions masked: nearest; towards zero; upwards with flush to zero.
const DEFAULT: (u32, u16) = (0x1f80, 0x037f);
const TO_ZERO: (u32, u16) = (0x7f80, 0x0f7f);
const UPWARDS: (u32, u16) = (0xdf80, 0x0b7f);

#[test]
fn floating_point_control_words_belong_to_the_context() {
    unsafe extern "C" fn other(arg: usize) -> ! {
        let pair = arg as *const Pair;
        let mut right = control_words() == DEFAULT;
        set_control_words(UPWARDS);
        loop {
            // SAFETY: the test waits in `go`.
            unsafe { Pair::back(pair, right as usize) };
            right = control_words() == UPWARDS;
        }
    }
    let mut stack = Stack::new();
    let pair = Pair::new(&mut stack, other);
    set_control_words(TO_ZERO);
    let mut seen = vec![pair.first()];
    let mut mine = vec![control_words()];
    for _ in 0..3 {
        seen.push(pair.go(0));
        mine.push(control_words());
    }
    set_control_words(DEFAULT);
    assert_eq!(seen[1..], [1; 3]);
    assert_eq!(mine, [TO_ZERO; 4]);
}
