//! x86-64: the switch, the first frame, and the frame that stops exceptions.
//!
//! A parked context, as [`switch`] leaves it (the stack grows down; one word is 8 bytes):
//!
//! ```text
//!              fresh, from `init`               parked, inside `switch`
//!  sp + 64     top (16-aligned)                 the caller's frame
//!  sp + 56     root + 1                         return address, into the caller of `switch`
//!  sp + 48     rbp   0: frame chains end        rbp
//!  sp + 40     rbx   entry                      rbx
//!  sp + 32     r12   0                          r12
//!  sp + 24     r13   0                          r13
//!  sp + 16     r14   0                          r14
//!  sp +  8     r15   0                          r15
//!  sp          x87 control word, MXCSR          x87 control word, MXCSR (MXCSR at sp, x87 at sp + 4)
//! ```
//!
//! Owns: that layout, and the same one with another lowest word for [`call`].
//! Always true: at each instruction here the unwind information is exact, for the frame that `rsp` is in at
//! that instruction; both sides of a switch look alike, so one description holds across it. A fresh context
//! unwinds to `root` and ends there (`rip` undefined).
//! Reasons that are easy to lose:
//!  - the switch is a `call` left by `ret`: a `jmp` leaves the return predictor one entry off, which costs 10 ns
//!    a switch, ten times the instructions it saves;
//!  - `endbr64` opens what is called or landed on through a pointer; `root` is reached by `ret`, which needs none;
//!  - `root + 1`: unwinders look a return address up at the byte before it, which must still be in `root`.
//!
//! Tried and dropped: loading the control words only when they differ (slower than loading them).

use super::landing::{landed, personality};
use super::{Ended, Function, Sp, EXITED, THREW};
use std::arch::naked_asm;
use std::ffi::c_void;

/// See [`super::CAN_EXIT`].
pub const CAN_EXIT: bool = true;
/// See [`super::USES_STACK`].
pub const USES_STACK: bool = true;
/// See [`super::trace`].
pub const CAN_TRACE: bool = true;

/// The words a fresh or parked context keeps on its stack.
const FRAME: usize = 8;

/// What the ABI gives a new process: all exceptions masked, round to nearest, extended precision.
const MXCSR: usize = 0x1f80;
const X87: usize = 0x037f;

/// See [`super::init`].
pub unsafe fn init(top: *mut u8, limit: *mut u8, entry: unsafe extern "C" fn(usize) -> !) -> Sp {
    let top = top as usize & !15;
    let sp = top - FRAME * 8;
    debug_assert!(sp >= limit as usize);
    let frame: [usize; FRAME] = [MXCSR | X87 << 32, 0, 0, 0, 0, entry as usize, 0, root as *const () as usize + 1];
    // SAFETY: the caller owns limit..top, and the frame lies in it, 16-aligned.
    unsafe { (sp as *mut [usize; FRAME]).write(frame) };
    sp
}

/// See [`super::switch`].
#[inline(always)]
pub unsafe fn switch(save: *mut Sp, to: Sp, arg: usize) -> usize {
    // SAFETY: the same contract.
    unsafe { switch_frames(save, to, arg) }
}

/// See [`super::call`].
#[inline(always)]
pub unsafe fn call(f: Function, arg: *mut c_void, frame: *mut Sp) -> Ended {
    // SAFETY: the same contract.
    unsafe { call_frame(f, arg, frame) }
}

/// See [`super::exit_to`].
#[inline(always)]
pub unsafe fn exit_to(frame: Sp) -> ! {
    // SAFETY: the same contract.
    unsafe { exit_frame(frame) }
}

/// See [`super::trace`].
#[inline(always)]
pub unsafe fn call_above(sp: Sp, f: unsafe extern "C" fn(*mut c_void), arg: *mut c_void) {
    // SAFETY: the same contract.
    unsafe { above_frame(sp, f, arg) }
}

/// Calls `f(arg)`, whose caller is, to an unwinder, not our caller but the parked context: the switch that it is in.
#[unsafe(naked)]
unsafe extern "C" fn above_frame(sp: Sp, f: unsafe extern "C" fn(*mut c_void), arg: *mut c_void) {
    naked_asm!(
        ".cfi_startproc",
        "endbr64",
        "push rbx",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbx, -16",
        "mov rbx, rdi",
        "mov rdi, rdx",
        // The picture of a parked context, from rbx on.
        ".cfi_remember_state",
        ".cfi_def_cfa rbx, 64",
        ".cfi_offset rbp, -16",
        ".cfi_offset rbx, -24",
        ".cfi_offset r12, -32",
        ".cfi_offset r13, -40",
        ".cfi_offset r14, -48",
        ".cfi_offset r15, -56",
        "call rsi",
        ".cfi_restore_state",
        "pop rbx",
        ".cfi_same_value rbx",
        ".cfi_def_cfa_offset 8",
        "ret",
        ".cfi_endproc",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn switch_frames(save: *mut Sp, to: Sp, arg: usize) -> usize {
    naked_asm!(
        ".cfi_startproc",
        "endbr64",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "push rbx",
        ".cfi_def_cfa_offset 24",
        ".cfi_offset rbx, -24",
        "push r12",
        ".cfi_def_cfa_offset 32",
        ".cfi_offset r12, -32",
        "push r13",
        ".cfi_def_cfa_offset 40",
        ".cfi_offset r13, -40",
        "push r14",
        ".cfi_def_cfa_offset 48",
        ".cfi_offset r14, -48",
        "push r15",
        ".cfi_def_cfa_offset 56",
        ".cfi_offset r15, -56",
        "sub rsp, 8",
        ".cfi_def_cfa_offset 64",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rdi], rsp",
        // Here the stacks change; the description above holds for the other one too.
        "mov rsp, rsi",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "mov rax, rdx",
        "add rsp, 8",
        ".cfi_def_cfa_offset 56",
        "pop r15",
        ".cfi_same_value r15",
        ".cfi_def_cfa_offset 48",
        "pop r14",
        ".cfi_same_value r14",
        ".cfi_def_cfa_offset 40",
        "pop r13",
        ".cfi_same_value r13",
        ".cfi_def_cfa_offset 32",
        "pop r12",
        ".cfi_same_value r12",
        ".cfi_def_cfa_offset 24",
        "pop rbx",
        ".cfi_same_value rbx",
        ".cfi_def_cfa_offset 16",
        "pop rbp",
        ".cfi_same_value rbp",
        ".cfi_def_cfa_offset 8",
        "ret",
        ".cfi_endproc",
    )
}

/// Where a fresh context starts: the first switch to it returns here, with `entry` in rbx and `arg` in rax.
#[unsafe(naked)]
unsafe extern "C" fn root() {
    naked_asm!(
        ".cfi_startproc",
        // The outermost frame: nothing called it.
        ".cfi_undefined rip",
        // The byte before the address that `init` stores.
        "nop",
        "mov rdi, rax",
        "call rbx",
        "ud2",
        ".cfi_endproc",
    )
}

/// The stack during `f`: return address, rbp, rbx, r12 to r15 as in the picture, and lowest `f` itself, which
/// also aligns the stack. The saved registers are for `exit_frame` and for unwinders; where `f` returns or
/// throws, the registers are right already.
#[unsafe(naked)]
unsafe extern "C-unwind" fn call_frame(f: Function, arg: *mut c_void, frame: *mut Sp) -> Ended {
    naked_asm!(
        ".cfi_startproc",
        // The "language data" is the landing pad itself: the personality has nothing else to learn.
        ".hidden {personality}",
        ".cfi_personality 0x1b, {personality}",
        ".cfi_lsda 0x1b, .Lgmp_call_landing",
        "endbr64",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "push rbx",
        ".cfi_def_cfa_offset 24",
        ".cfi_offset rbx, -24",
        "push r12",
        ".cfi_def_cfa_offset 32",
        ".cfi_offset r12, -32",
        "push r13",
        ".cfi_def_cfa_offset 40",
        ".cfi_offset r13, -40",
        "push r14",
        ".cfi_def_cfa_offset 48",
        ".cfi_offset r14, -48",
        "push r15",
        ".cfi_def_cfa_offset 56",
        ".cfi_offset r15, -56",
        "push rdi",
        ".cfi_def_cfa_offset 64",
        "mov [rdx], rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "mov rdx, rax",
        // RETURNED
        "xor eax, eax",
        ".cfi_remember_state",
        "add rsp, 56",
        ".cfi_same_value rbp",
        ".cfi_same_value rbx",
        ".cfi_same_value r12",
        ".cfi_same_value r13",
        ".cfi_same_value r14",
        ".cfi_same_value r15",
        ".cfi_def_cfa_offset 8",
        "ret",
        // The unwinder jumps here with the exception in rax, and with rsp and the callee-saved registers as they
        // were at the call of `f`.
        ".Lgmp_call_landing:",
        ".cfi_restore_state",
        "endbr64",
        "mov rdi, rax",
        "mov rsi, [rsp]",
        "call {landed}",
        "mov rdx, rax",
        "mov eax, {threw}",
        "add rsp, 56",
        ".cfi_same_value rbp",
        ".cfi_same_value rbx",
        ".cfi_same_value r12",
        ".cfi_same_value r13",
        ".cfi_same_value r14",
        ".cfi_same_value r15",
        ".cfi_def_cfa_offset 8",
        "ret",
        ".cfi_endproc",
        personality = sym personality,
        landed = sym landed,
        threw = const THREW,
    )
}

#[unsafe(naked)]
unsafe extern "C" fn exit_frame(frame: Sp) -> ! {
    naked_asm!(
        ".cfi_startproc",
        "endbr64",
        "lea rsp, [rdi + 8]",
        // From here this is the `call_frame` that ends.
        ".cfi_def_cfa_offset 56",
        ".cfi_offset rbp, -16",
        ".cfi_offset rbx, -24",
        ".cfi_offset r12, -32",
        ".cfi_offset r13, -40",
        ".cfi_offset r14, -48",
        ".cfi_offset r15, -56",
        "pop r15",
        ".cfi_same_value r15",
        ".cfi_def_cfa_offset 48",
        "pop r14",
        ".cfi_same_value r14",
        ".cfi_def_cfa_offset 40",
        "pop r13",
        ".cfi_same_value r13",
        ".cfi_def_cfa_offset 32",
        "pop r12",
        ".cfi_same_value r12",
        ".cfi_def_cfa_offset 24",
        "pop rbx",
        ".cfi_same_value rbx",
        ".cfi_def_cfa_offset 16",
        "pop rbp",
        ".cfi_same_value rbp",
        ".cfi_def_cfa_offset 8",
        "xor edx, edx",
        "mov eax, {exited}",
        "ret",
        ".cfi_endproc",
        exited = const EXITED,
    )
}
