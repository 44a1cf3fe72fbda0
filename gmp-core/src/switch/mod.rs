//! The context switch: one thread of execution leaves a stack and another goes on, on its own.
//!
//! Owns: what a parked stack looks like. Everything above knows a parked context only as an [`Sp`].
//! Always true, for every backend:
//!  - S1. `switch` stores the caller's [`Sp`] in `*save` at the latest when the destination runs, and reads
//!    nothing of the source afterwards: what the destination does next may make the source run elsewhere.
//!  - S2. Callee-saved registers and the floating-point control words (rounding, masks, flush to zero) belong to
//!    the context. A fresh context starts with the ABI's defaults, whatever the machine ran before. Flags that a
//!    task sets in a [`call`] run in place stay set for the caller, as after any function.
//!  - S3. Nothing unwinds past [`call`] except a forced unwind (`pthread_exit`, `pthread_cancel`), and nothing at
//!    all past the root of a context.
//!
//! Called by: `sched` for tasks and machines. Blocks: nothing.
//! Only one call site of `switch` should exist, in a function that is not inlined: the return predictor then
//! guesses right whichever context goes on.
//!
//! Backends, one file each with the same names: `x86_64`, `aarch64`; `fcontext` (the `context` crate, which
//! is Boost.Context) for every other architecture, and for these two with the feature `switch-context`; `thread`
//! (an OS thread a context) for Miri and with the feature `switch-thread`. `fcontext` brings
//! the global symbols `jump_fcontext`, `make_fcontext` and `ontop_fcontext`: a program that links our static library
//! *and* Boost.Context must use another backend. The shared library exports none of them.

#[cfg(not(any(miri, feature = "switch-thread", feature = "switch-context")))]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod landing;
#[cfg(any(
    miri,
    feature = "switch-thread",
    feature = "switch-context",
    not(any(target_arch = "x86_64", target_arch = "aarch64"))
))]
mod unwinding;

#[cfg(not(any(miri, feature = "switch-thread", feature = "switch-context")))]
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod backend;

#[cfg(not(any(miri, feature = "switch-thread", feature = "switch-context")))]
#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod backend;

#[cfg(not(any(miri, feature = "switch-thread")))]
#[cfg(any(feature = "switch-context", not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "fcontext.rs"]
mod backend;

#[cfg(any(miri, feature = "switch-thread"))]
#[path = "thread.rs"]
mod backend;

#[cfg(test)]
mod tests;
#[cfg(all(test, target_arch = "x86_64", not(miri)))]
mod tests_x86_64;

pub mod control;
pub mod trace;

/// Whether [`exit_to`] jumps. Where it is false, `exit_to` unwinds the frames instead, by a panic of its own: their
/// destructors run, and a frame that must not unwind (Rust's `extern "C"`, C++'s `noexcept`) aborts the process.
pub use backend::CAN_EXIT;
/// Whether the code of a context runs on the memory given to [`init`]. Where it is false, the address of a local
/// says nothing about the stack that is left.
pub use backend::USES_STACK;
use std::any::Any;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// A saved stack pointer (or what a backend has in its place). 0: none.
pub type Sp = usize;

/// A task's function. It may be foreign, and may let an exception out.
pub type Function = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

/// How a [`call`] ended. Two words, so that it travels in registers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// [`RETURNED`], [`THREW`] or [`EXITED`].
    pub how: usize,
    /// What the function returned. Means nothing in the other cases.
    pub value: *mut c_void,
}

/// The function returned.
pub const RETURNED: usize = 0;
/// An exception left the function; it has been destroyed.
pub const THREW: usize = 1;
/// [`exit_to`] abandoned the function.
pub const EXITED: usize = 2;

/// Builds the first frame on a fresh stack: the first switch to it calls `entry(arg)` with the `arg` of that switch.
///
/// # Safety
/// `limit..top` is writable memory of the caller's, at least 4 KiB, and lives as long as the context is used.
pub unsafe fn init(top: *mut u8, limit: *mut u8, entry: unsafe extern "C" fn(usize) -> !) -> Sp {
    // SAFETY: the same contract.
    unsafe { backend::init(top, limit, entry) }
}

/// Saves the caller in `*save` and continues at `to`: there `switch` returns `arg`, or the entry gets it.
/// Returns when another context switches back, with the `arg` of that switch.
///
/// # Safety
/// `to` came from [`init`] or from a `switch` that saved it, has not been continued since, and its stack is
/// alive. No borrow of anything that belongs to this thread (its machine, its thread-locals) is held across.
#[inline(always)]
pub unsafe fn switch(save: *mut Sp, to: Sp, arg: usize) -> usize {
    // SAFETY: the same contract.
    unsafe { backend::switch(save, to, arg) }
}

/// Runs `f(arg)` on the current stack as a task's function, and stops whatever leaves it.
///
/// Stores in `*frame`, before `f` runs, the place for [`exit_to`]. An exception (C++, Rust, any that uses the
/// platform's unwinder) that `f` lets out is destroyed here.
///
/// # Safety
/// `f` may be called with `arg`; `frame` may be written.
#[inline(always)]
pub unsafe fn call(f: Function, arg: *mut c_void, frame: *mut Sp) -> Ended {
    // SAFETY: the same contract.
    unsafe { backend::call(f, arg, frame) }
}

/// Long jump: abandons every frame above the [`call`] whose `*frame` this is; that call returns [`EXITED`].
/// No destructor runs in the frames abandoned (but see [`CAN_EXIT`]).
///
/// # Safety
/// The call is still running, on this stack, and nobody needs the frames above it.
#[inline(always)]
pub unsafe fn exit_to(frame: Sp) -> ! {
    // SAFETY: the same contract.
    unsafe { backend::exit_to(frame) }
}

/// Frees what a panic carried. Its destructor may panic in turn; that payload is leaked rather than followed for ever.
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
