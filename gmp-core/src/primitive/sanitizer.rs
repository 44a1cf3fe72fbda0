//! Tools that watch a program's memory while it runs: which of them are in the process, and what they are told.
//!
//! AddressSanitizer and ThreadSanitizer come with the host, if it was compiled so: their functions are weak symbols, which are null
//! otherwise. Valgrind is asked by a sequence of instructions that does nothing elsewhere. This library itself is not instrumented: what
//! happens before what, and whose a stack is, these tools know from here only.
//!
//! Owns: the byte that says whether somebody watches. Always true: where nobody does, each place that tells costs a compare and a branch
//! that is never taken; the first place that is come by finds out.
//!
//! Called by: everything that switches, wakes, locks or unlocks. Never blocks.

#[cfg(all(target_arch = "aarch64", not(any(loom, miri))))]
mod aarch64;
#[cfg(any(loom, miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod none;
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
mod x86_64;

#[cfg(all(target_arch = "aarch64", not(any(loom, miri))))]
use aarch64 as arch;
#[cfg(any(loom, miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
use none as arch;
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
use x86_64 as arch;

use std::ffi::c_void;

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tool {
    Address = 1,
    Thread = 2,
    Valgrind = 4,
}

/// True if some tool watches, or nobody has looked yet.
#[inline(always)]
pub fn watches() -> bool {
    watching::any()
}

/// True if this tool watches.
#[cold]
pub fn is_there(tool: Tool) -> bool {
    watching::which() & tool as u8 != 0
}

#[cfg(not(loom))]
mod watching {
    use super::{arch, Tool};
    use crate::primitive::{AtomicU8, Ordering::Relaxed};

    const UNKNOWN: u8 = 128;
    static TOOLS: AtomicU8 = AtomicU8::new(UNKNOWN);

    #[inline(always)]
    pub fn any() -> bool {
        TOOLS.load(Relaxed) != 0
    }

    pub fn which() -> u8 {
        let known = TOOLS.load(Relaxed);
        if known != UNKNOWN {
            return known;
        }
        let address = if arch::start_switch() != 0 { Tool::Address as u8 } else { 0 };
        let thread = if arch::create_fiber() != 0 { Tool::Thread as u8 } else { 0 };
        let valgrind = if arch::ask(super::RUNNING, [0; 5]) != 0 { Tool::Valgrind as u8 } else { 0 };
        TOOLS.store(address | thread | valgrind, Relaxed);
        address | thread | valgrind
    }
}

#[cfg(loom)]
mod watching {
    pub fn any() -> bool {
        false
    }

    pub fn which() -> u8 {
        0
    }
}

/// What was done so far happens before what follows an [`acquired`] of the same address.
#[inline(always)]
pub fn released<T>(at: *const T) {
    if watches() {
        release(at as *mut c_void);
    }
}

/// See [`released`].
#[inline(always)]
pub fn acquired<T>(at: *const T) {
    if watches() {
        acquire(at as *mut c_void);
    }
}

#[cold]
#[inline(never)]
fn release(at: *mut c_void) {
    if is_there(Tool::Thread) {
        // SAFETY: ThreadSanitizer's; the address is a name.
        unsafe { function::<unsafe extern "C" fn(*mut c_void)>(arch::release())(at) };
    }
}

#[cold]
#[inline(never)]
fn acquire(at: *mut c_void) {
    if is_there(Tool::Thread) {
        // SAFETY: as above.
        unsafe { function::<unsafe extern "C" fn(*mut c_void)>(arch::acquire())(at) };
    }
}

/// A fiber of ThreadSanitizer's: what it takes for a thread.
pub type Fiber = *mut c_void;

/// The one that the calling thread is on.
///
/// # Safety
/// [`Tool::Thread`] is there; so for all functions about fibers.
pub unsafe fn current_fiber() -> Fiber {
    // SAFETY: the caller's promise.
    unsafe { function::<unsafe extern "C" fn() -> Fiber>(arch::current_fiber())() }
}

/// A new one.
///
/// # Safety
/// See [`current_fiber`].
pub unsafe fn create_fiber() -> Fiber {
    // SAFETY: the caller's promise.
    unsafe { function::<unsafe extern "C" fn(u32) -> Fiber>(arch::create_fiber())(0) }
}

/// From here on the thread is on this one; what the last one did happened before.
///
/// # Safety
/// See [`current_fiber`]; nobody else is on it.
pub unsafe fn switch_to_fiber(fiber: Fiber) {
    // SAFETY: the caller's promise.
    unsafe { function::<unsafe extern "C" fn(Fiber, u32)>(arch::switch_to_fiber())(fiber, 0) }
}

/// Gives one up.
///
/// # Safety
/// See [`current_fiber`]; nobody is on it.
pub unsafe fn destroy_fiber(fiber: Fiber) {
    // SAFETY: the caller's promise.
    unsafe { function::<unsafe extern "C" fn(Fiber)>(arch::destroy_fiber())(fiber) }
}

/// AddressSanitizer: the thread is about to go to the stack from `low` to `top`. `save` keeps what belongs to this one; null: it is left for
/// good.
///
/// # Safety
/// [`Tool::Address`] is there; the switch follows.
pub unsafe fn start_switch(save: *mut *mut c_void, low: usize, top: usize) {
    type Start = unsafe extern "C" fn(*mut *mut c_void, *const c_void, usize);
    // SAFETY: the caller's promise.
    unsafe { function::<Start>(arch::start_switch())(save, low as *const c_void, top - low) }
}

/// AddressSanitizer: the thread has arrived.
///
/// # Safety
/// [`Tool::Address`] is there; `saved` is what [`start_switch`] kept of this stack, null at its first use.
pub unsafe fn finish_switch(saved: *mut c_void) {
    type Finish = unsafe extern "C" fn(*mut c_void, *mut *const c_void, *mut usize);
    let nobody = std::ptr::null_mut();
    // SAFETY: the caller's promise.
    unsafe { function::<Finish>(arch::finish_switch())(saved, nobody, std::ptr::null_mut()) }
}

/// AddressSanitizer: the frames in this part of a stack are gone, though they have not returned.
///
/// # Safety
/// The memory is a stack of ours, and no frame of instrumented code is in it.
pub unsafe fn forget_frames(low: usize, top: usize) {
    if is_there(Tool::Address) {
        type Unpoison = unsafe extern "C" fn(*const c_void, usize);
        // SAFETY: AddressSanitizer's; the caller's promise.
        unsafe { function::<Unpoison>(arch::unpoison())(low as *const c_void, top - low) };
    }
}

/// Valgrind: this part of a stack may be written again, and holds nothing.
pub fn make_undefined(low: usize, top: usize) {
    if is_there(Tool::Valgrind) {
        arch::ask(MAKE_UNDEFINED, [low, top - low, 0, 0, 0]);
    }
}

/// Valgrind: this is a stack.
pub fn register_stack(low: usize, top: usize) {
    if is_there(Tool::Valgrind) {
        arch::ask(STACK_REGISTER, [low, top, 0, 0, 0]);
    }
}

/// Client requests, by their numbers in `valgrind.h` and `memcheck.h`.
#[cfg(not(loom))]
const RUNNING: usize = 0x1001;
const STACK_REGISTER: usize = 0x1501;
const MAKE_UNDEFINED: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16 | 1;

/// # Safety
/// `address` is that of a function of type `F`.
unsafe fn function<F: Copy>(address: usize) -> F {
    debug_assert!(address != 0 && size_of::<F>() == size_of::<usize>());
    // SAFETY: the caller's promise.
    unsafe { std::mem::transmute_copy(&address) }
}
