//! The interrupted registers on x86-64.

use std::ffi::c_void;

pub const KNOWN: bool = true;

/// The stack pointer and the instruction pointer.
///
/// # Safety
/// `context` is what the kernel passed to a signal handler.
pub unsafe fn registers(context: *mut c_void) -> (usize, usize) {
    // SAFETY: the caller's promise.
    let registers = unsafe { &(*(context as *const libc::ucontext_t)).uc_mcontext.gregs };
    (registers[libc::REG_RSP as usize] as usize, registers[libc::REG_RIP as usize] as usize)
}
