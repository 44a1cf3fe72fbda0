//! The interrupted registers on aarch64.

use std::ffi::c_void;

pub const KNOWN: bool = true;

/// The stack pointer and the instruction pointer.
///
/// # Safety
/// `context` is what the kernel passed to a signal handler.
pub unsafe fn registers(context: *mut c_void) -> (usize, usize) {
    // SAFETY: the caller's promise.
    let context = unsafe { &(*(context as *const libc::ucontext_t)).uc_mcontext };
    (context.sp as usize, context.pc as usize)
}
