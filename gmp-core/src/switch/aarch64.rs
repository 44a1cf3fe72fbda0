//! aarch64: the switch, the first frame, and the frame that stops exceptions.
//!
//! A parked context, as [`switch`] leaves it (the stack grows down; one word is 8 bytes):
//!
//! ```text
//!               fresh, from `init`              parked, inside `switch`
//!  sp + 176     top (16-aligned)                the caller's frame
//!  sp + 168     root + 4                        x30, into the caller of `switch`
//!  sp + 160     x29   0: frame chains end       x29
//!  sp +  88…    x28…x20   0                     x28…x20
//!  sp +  80     x19   entry                     x19
//!  sp +  16…    d15…d8    0                     d15…d8
//!  sp +   8     not used                        not used
//!  sp           FPCR                            FPCR
//! ```
//!
//! Owns: that layout, and the same one with another lowest word for [`call`].
//! Always true: at each instruction here the unwind information is exact, for the frame that `sp` is in at that
//! instruction; both sides of a switch look alike, so one description holds across it. A fresh context unwinds to
//! `root` and ends there (`x30` undefined).
//! Reasons that are easy to lose:
//!  - the switch is left by `ret`, which pairs with the caller's `bl` in the return predictor;
//!  - `bti c` opens what is called through a pointer, `bti j` what is jumped to (both are hints: older cores pass
//!    over them); `root` is reached by `ret`, which needs none. Return addresses are not signed: a fresh frame could
//!    only be signed where signing is on, and Boost leaves it out too;
//!  - `root + 4`: unwinders look a return address up at the instruction before it, which must still be in `root`;
//!  - FPCR is written only when it differs: writing it can drain the pipeline (so does the C library's `fesetenv`).

use super::landing::{landed, personality};
use super::{Ended, Function, Sp, EXITED, RETURNED, THREW};
use std::arch::naked_asm;
use std::ffi::c_void;

/// See [`super::CAN_EXIT`].
pub const CAN_EXIT: bool = true;
/// See [`super::USES_STACK`].
pub const USES_STACK: bool = true;
/// See [`super::trace`].
pub const CAN_TRACE: bool = true;

/// The words a fresh or parked context keeps on its stack, and three of their places.
const FRAME: usize = 22;
const X19: usize = 10;
const X30: usize = 21;

/// See [`super::init`].
pub unsafe fn init(top: *mut u8, limit: *mut u8, entry: unsafe extern "C" fn(usize) -> !) -> Sp {
    let top = top as usize & !15;
    let sp = top - FRAME * 8;
    debug_assert!(sp >= limit as usize);
    // FPCR 0 is the ABI's default: round to nearest, no traps, no flush to zero.
    let mut frame = [0; FRAME];
    frame[X19] = entry as *const () as usize;
    frame[X30] = root as *const () as usize + 4;
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
/// (The floating-point registers are not described: no unwinding needs them.)
#[unsafe(naked)]
unsafe extern "C" fn above_frame(sp: Sp, f: unsafe extern "C" fn(*mut c_void), arg: *mut c_void) {
    naked_asm!(
        ".cfi_startproc",
        // bti c
        "hint #34",
        "stp x19, x30, [sp, #-16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x19, -16",
        ".cfi_offset x30, -8",
        "mov x19, x0",
        "mov x0, x2",
        // The picture of a parked context, from x19 on.
        ".cfi_remember_state",
        ".cfi_def_cfa x19, 176",
        ".cfi_offset x19, -96",
        ".cfi_offset x20, -88",
        ".cfi_offset x21, -80",
        ".cfi_offset x22, -72",
        ".cfi_offset x23, -64",
        ".cfi_offset x24, -56",
        ".cfi_offset x25, -48",
        ".cfi_offset x26, -40",
        ".cfi_offset x27, -32",
        ".cfi_offset x28, -24",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "blr x1",
        ".cfi_restore_state",
        "ldp x19, x30, [sp], #16",
        ".cfi_same_value x19",
        ".cfi_same_value x30",
        ".cfi_def_cfa_offset 0",
        "ret",
        ".cfi_endproc",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn switch_frames(save: *mut Sp, to: Sp, arg: usize) -> usize {
    naked_asm!(
        ".cfi_startproc",
        // bti c
        "hint #34",
        "sub sp, sp, #176",
        ".cfi_def_cfa_offset 176",
        "stp d8, d9, [sp, #16]",
        "stp d10, d11, [sp, #32]",
        "stp d12, d13, [sp, #48]",
        "stp d14, d15, [sp, #64]",
        "stp x19, x20, [sp, #80]",
        "stp x21, x22, [sp, #96]",
        "stp x23, x24, [sp, #112]",
        "stp x25, x26, [sp, #128]",
        "stp x27, x28, [sp, #144]",
        "stp x29, x30, [sp, #160]",
        ".cfi_offset d8, -160",
        ".cfi_offset d9, -152",
        ".cfi_offset d10, -144",
        ".cfi_offset d11, -136",
        ".cfi_offset d12, -128",
        ".cfi_offset d13, -120",
        ".cfi_offset d14, -112",
        ".cfi_offset d15, -104",
        ".cfi_offset x19, -96",
        ".cfi_offset x20, -88",
        ".cfi_offset x21, -80",
        ".cfi_offset x22, -72",
        ".cfi_offset x23, -64",
        ".cfi_offset x24, -56",
        ".cfi_offset x25, -48",
        ".cfi_offset x26, -40",
        ".cfi_offset x27, -32",
        ".cfi_offset x28, -24",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "mrs x9, fpcr",
        "str x9, [sp]",
        "mov x10, sp",
        "str x10, [x0]",
        // Here the stacks change; the description above holds for the other one too.
        "mov sp, x1",
        "ldr x10, [sp]",
        "cmp x9, x10",
        "b.eq 2f",
        "msr fpcr, x10",
        "2:",
        "mov x0, x2",
        "ldp d8, d9, [sp, #16]",
        "ldp d10, d11, [sp, #32]",
        "ldp d12, d13, [sp, #48]",
        "ldp d14, d15, [sp, #64]",
        "ldp x19, x20, [sp, #80]",
        "ldp x21, x22, [sp, #96]",
        "ldp x23, x24, [sp, #112]",
        "ldp x25, x26, [sp, #128]",
        "ldp x27, x28, [sp, #144]",
        "ldp x29, x30, [sp, #160]",
        ".cfi_same_value d8",
        ".cfi_same_value d9",
        ".cfi_same_value d10",
        ".cfi_same_value d11",
        ".cfi_same_value d12",
        ".cfi_same_value d13",
        ".cfi_same_value d14",
        ".cfi_same_value d15",
        ".cfi_same_value x19",
        ".cfi_same_value x20",
        ".cfi_same_value x21",
        ".cfi_same_value x22",
        ".cfi_same_value x23",
        ".cfi_same_value x24",
        ".cfi_same_value x25",
        ".cfi_same_value x26",
        ".cfi_same_value x27",
        ".cfi_same_value x28",
        ".cfi_same_value x29",
        ".cfi_same_value x30",
        "add sp, sp, #176",
        ".cfi_def_cfa_offset 0",
        "ret",
        ".cfi_endproc",
    )
}

/// Where a fresh context starts: the first switch to it returns here, with `entry` in x19 and `arg` in x0.
#[unsafe(naked)]
unsafe extern "C" fn root() {
    naked_asm!(
        ".cfi_startproc",
        // The outermost frame: nothing called it.
        ".cfi_undefined x30",
        // The instruction before the address that `init` stores.
        "nop",
        "blr x19",
        "brk #1",
        ".cfi_endproc",
    )
}

/// The stack during `f`: as in the picture, and lowest `f` itself. The saved registers are for `exit_frame` and
/// for unwinders; where `f` returns or throws, the registers are right already (but for x29 and x30, which this
/// frame uses).
#[unsafe(naked)]
unsafe extern "C-unwind" fn call_frame(f: Function, arg: *mut c_void, frame: *mut Sp) -> Ended {
    naked_asm!(
        ".cfi_startproc",
        // The "language data" is the landing pad itself: the personality has nothing else to learn.
        ".hidden {personality}",
        ".cfi_personality 0x1b, {personality}",
        ".cfi_lsda 0x1b, .Lgmp_call_landing",
        "hint #34",
        "sub sp, sp, #176",
        ".cfi_def_cfa_offset 176",
        "stp d8, d9, [sp, #16]",
        "stp d10, d11, [sp, #32]",
        "stp d12, d13, [sp, #48]",
        "stp d14, d15, [sp, #64]",
        "stp x19, x20, [sp, #80]",
        "stp x21, x22, [sp, #96]",
        "stp x23, x24, [sp, #112]",
        "stp x25, x26, [sp, #128]",
        "stp x27, x28, [sp, #144]",
        "stp x29, x30, [sp, #160]",
        ".cfi_offset d8, -160",
        ".cfi_offset d9, -152",
        ".cfi_offset d10, -144",
        ".cfi_offset d11, -136",
        ".cfi_offset d12, -128",
        ".cfi_offset d13, -120",
        ".cfi_offset d14, -112",
        ".cfi_offset d15, -104",
        ".cfi_offset x19, -96",
        ".cfi_offset x20, -88",
        ".cfi_offset x21, -80",
        ".cfi_offset x22, -72",
        ".cfi_offset x23, -64",
        ".cfi_offset x24, -56",
        ".cfi_offset x25, -48",
        ".cfi_offset x26, -40",
        ".cfi_offset x27, -32",
        ".cfi_offset x28, -24",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        // A link in the chain of frame records.
        "add x29, sp, #160",
        "str x0, [sp]",
        "mov x9, sp",
        "str x9, [x2]",
        "mov x9, x0",
        "mov x0, x1",
        "blr x9",
        "mov x1, x0",
        "mov x0, #{returned}",
        ".cfi_remember_state",
        "ldp x29, x30, [sp, #160]",
        ".cfi_same_value d8",
        ".cfi_same_value d9",
        ".cfi_same_value d10",
        ".cfi_same_value d11",
        ".cfi_same_value d12",
        ".cfi_same_value d13",
        ".cfi_same_value d14",
        ".cfi_same_value d15",
        ".cfi_same_value x19",
        ".cfi_same_value x20",
        ".cfi_same_value x21",
        ".cfi_same_value x22",
        ".cfi_same_value x23",
        ".cfi_same_value x24",
        ".cfi_same_value x25",
        ".cfi_same_value x26",
        ".cfi_same_value x27",
        ".cfi_same_value x28",
        ".cfi_same_value x29",
        ".cfi_same_value x30",
        "add sp, sp, #176",
        ".cfi_def_cfa_offset 0",
        "ret",
        // The unwinder jumps here with the exception in x0, and with sp and the callee-saved registers as they were
        // at the call of `f`.
        ".Lgmp_call_landing:",
        ".cfi_restore_state",
        // bti j
        "hint #36",
        "ldr x1, [sp]",
        "bl {landed}",
        "mov x1, x0",
        "mov x0, #{threw}",
        "ldp x29, x30, [sp, #160]",
        ".cfi_same_value d8",
        ".cfi_same_value d9",
        ".cfi_same_value d10",
        ".cfi_same_value d11",
        ".cfi_same_value d12",
        ".cfi_same_value d13",
        ".cfi_same_value d14",
        ".cfi_same_value d15",
        ".cfi_same_value x19",
        ".cfi_same_value x20",
        ".cfi_same_value x21",
        ".cfi_same_value x22",
        ".cfi_same_value x23",
        ".cfi_same_value x24",
        ".cfi_same_value x25",
        ".cfi_same_value x26",
        ".cfi_same_value x27",
        ".cfi_same_value x28",
        ".cfi_same_value x29",
        ".cfi_same_value x30",
        "add sp, sp, #176",
        ".cfi_def_cfa_offset 0",
        "ret",
        ".cfi_endproc",
        personality = sym personality,
        landed = sym landed,
        returned = const RETURNED,
        threw = const THREW,
    )
}

#[unsafe(naked)]
unsafe extern "C" fn exit_frame(frame: Sp) -> ! {
    naked_asm!(
        ".cfi_startproc",
        "hint #34",
        "mov sp, x0",
        // From here this is the `call_frame` that ends.
        ".cfi_def_cfa_offset 176",
        ".cfi_offset d8, -160",
        ".cfi_offset d9, -152",
        ".cfi_offset d10, -144",
        ".cfi_offset d11, -136",
        ".cfi_offset d12, -128",
        ".cfi_offset d13, -120",
        ".cfi_offset d14, -112",
        ".cfi_offset d15, -104",
        ".cfi_offset x19, -96",
        ".cfi_offset x20, -88",
        ".cfi_offset x21, -80",
        ".cfi_offset x22, -72",
        ".cfi_offset x23, -64",
        ".cfi_offset x24, -56",
        ".cfi_offset x25, -48",
        ".cfi_offset x26, -40",
        ".cfi_offset x27, -32",
        ".cfi_offset x28, -24",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "ldp d8, d9, [sp, #16]",
        "ldp d10, d11, [sp, #32]",
        "ldp d12, d13, [sp, #48]",
        "ldp d14, d15, [sp, #64]",
        "ldp x19, x20, [sp, #80]",
        "ldp x21, x22, [sp, #96]",
        "ldp x23, x24, [sp, #112]",
        "ldp x25, x26, [sp, #128]",
        "ldp x27, x28, [sp, #144]",
        "ldp x29, x30, [sp, #160]",
        ".cfi_same_value d8",
        ".cfi_same_value d9",
        ".cfi_same_value d10",
        ".cfi_same_value d11",
        ".cfi_same_value d12",
        ".cfi_same_value d13",
        ".cfi_same_value d14",
        ".cfi_same_value d15",
        ".cfi_same_value x19",
        ".cfi_same_value x20",
        ".cfi_same_value x21",
        ".cfi_same_value x22",
        ".cfi_same_value x23",
        ".cfi_same_value x24",
        ".cfi_same_value x25",
        ".cfi_same_value x26",
        ".cfi_same_value x27",
        ".cfi_same_value x28",
        ".cfi_same_value x29",
        ".cfi_same_value x30",
        "add sp, sp, #176",
        ".cfi_def_cfa_offset 0",
        "mov x1, xzr",
        "mov x0, #{exited}",
        "ret",
        ".cfi_endproc",
        exited = const EXITED,
    )
}
