//! Memory faults of the process: a SIGSEGV handler that looks, and hands on.
//!
//! Owns: the handler, what was installed before it, and whether it is in its place.
//!
//! Always true:
//!  - V1. Nothing is installed but between `install` and `remove`. Who installs a handler later has the last word: ours is never put
//!        on top of it. `remove` takes ours away if it is on top; else it stays, because who came later may hand on to it, and hands on itself.
//!  - V2. Every fault is handed on to what was there before, with the same arguments, its mask and its flags. What had no handler has none:
//!        the default action is set and the handler returns, so that the fault repeats where it happened.
//!  - V3. Nothing here takes a lock or memory once a fault has come. `errno` stays.
//!  - V4. Two handlers that hand on to each other end: `marks.rs`.
//!
//! Not kept of V2: who was to run on the interrupted stack runs on the alternate one where the thread has one. On a stack without room it
//! could not have run.
//!
//! Called by: start and stop, one at a time (`install`, `remove`); the kernel.

#[cfg(target_arch = "aarch64")]
#[path = "fault/aarch64.rs"]
mod arch;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "fault/none.rs"]
mod arch;
#[cfg(target_arch = "x86_64")]
#[path = "fault/x86_64.rs"]
mod arch;
mod marks;

use super::errno;
use crate::primitive::{AtomicBool, AtomicPtr, Ordering::*};
use crate::sys::Errno;
use libc::{sigaction, siginfo_t, SIGSEGV};
use std::alloc::{alloc, Layout};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

pub use super::module::{module_of, Module};

/// What happened where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The address that was accessed.
    pub address: usize,
    /// The stack pointer then.
    pub sp: usize,
    /// The instruction.
    pub pc: usize,
}

/// Looks at a fault, and says so if it is what it looks for. Runs in a signal handler: no lock, no memory, no panic.
pub type Reporter = fn(&Fault) -> bool;

static REPORTER: AtomicPtr<()> = AtomicPtr::new(null_mut());
/// What was there before; null: ours was never in its place. The record stays when the handler goes: one that has begun reads it.
static PREVIOUS: AtomicPtr<sigaction> = AtomicPtr::new(null_mut());
/// Ours was put in its place and not taken away by us.
static PLACED: AtomicBool = AtomicBool::new(false);

/// Has every fault looked at by `report`. Nothing happens where ours is in its place already, or lies below a handler that came later.
/// One call at a time, `remove` included.
pub fn install(report: Reporter) -> Result<(), Errno> {
    if !arch::KNOWN {
        return Err(Errno(libc::ENOTSUP));
    }
    super::module::prepare();
    REPORTER.store(report as *mut (), Release);
    errno::keep(|| {
        let there = current()?;
        let is_default = there.sa_sigaction == libc::SIG_DFL || there.sa_sigaction == libc::SIG_IGN;
        if is_ours(&there) || PLACED.load(Relaxed) && !is_default {
            PLACED.store(true, Relaxed);
            return Ok(());
        }
        remember(&there)?;
        // What the one before wants blocked is blocked while ours calls it.
        let mut ours = there;
        ours.sa_sigaction = handler as *const () as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | there.sa_flags & libc::SA_RESTART;
        exchange(&ours)?;
        PLACED.store(true, Relaxed);
        Ok(())
    })
}

/// Takes the handler away if it is the one that the kernel calls.
pub fn remove() {
    errno::keep(|| {
        let previous = PREVIOUS.load(Acquire);
        if previous.is_null() || !current().is_ok_and(|there| is_ours(&there)) {
            return;
        }
        // SAFETY: records are never freed.
        let Ok(was) = exchange(unsafe { &*previous }) else { return };
        if is_ours(&was) {
            PLACED.store(false, Relaxed);
        } else {
            // Somebody came in between the look and the exchange: theirs it is.
            let _cannot_fail = exchange(&was);
        }
    })
}

/// Writes to standard error at once. For handlers.
pub fn say(text: &[u8]) {
    // SAFETY: reads the slice.
    errno::keep(|| unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr() as *const c_void, text.len()) });
}

fn is_ours(action: &sigaction) -> bool {
    action.sa_sigaction == handler as *const () as usize
}

fn current() -> Result<sigaction, Errno> {
    let mut now = std::mem::MaybeUninit::uninit();
    // SAFETY: asks only; written on success, and read only then.
    unsafe {
        match libc::sigaction(SIGSEGV, std::ptr::null(), now.as_mut_ptr()) {
            0 => Ok(now.assume_init()),
            _ => Err(Errno::last()),
        }
    }
}

/// Sets the action; what was there.
fn exchange(action: &sigaction) -> Result<sigaction, Errno> {
    let mut was = std::mem::MaybeUninit::uninit();
    // SAFETY: a valid action; `was` is written on success, and read only then.
    unsafe {
        match libc::sigaction(SIGSEGV, action, was.as_mut_ptr()) {
            0 => Ok(was.assume_init()),
            _ => Err(Errno::last()),
        }
    }
}

/// Keeps what is there for the handler to hand on to. Starting and stopping over and over takes no more memory for it.
fn remember(there: &sigaction) -> Result<(), Errno> {
    let kept = PREVIOUS.load(Acquire);
    // SAFETY: records are never freed nor changed.
    if !kept.is_null() && same(unsafe { &*kept }, there) {
        return Ok(());
    }
    // SAFETY: `sigaction` is not zero-sized; written before it is seen.
    unsafe {
        let record = alloc(Layout::new::<sigaction>()) as *mut sigaction;
        if record.is_null() {
            return Err(Errno(libc::ENOMEM));
        }
        record.write(*there);
        PREVIOUS.store(record, Release);
    }
    Ok(())
}

fn same(a: &sigaction, b: &sigaction) -> bool {
    // SAFETY: signal sets are asked only.
    let blocks = |action: &sigaction, signal| unsafe { libc::sigismember(&action.sa_mask, signal) };
    a.sa_sigaction == b.sa_sigaction
        && a.sa_flags == b.sa_flags
        && (1..libc::SIGRTMAX()).all(|signal| blocks(a, signal) == blocks(b, signal))
}

unsafe extern "C" fn handler(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel, or a handler that hands on to us, passes what SA_SIGINFO says.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let (sp, pc) = arch::registers(context);
        // Else it was sent by somebody, and does not come again by itself.
        let repeats = (*info).si_code > 0;
        let raised = !repeats && is_raised(info);
        let address = match (repeats, raised) {
            (true, _) => (*info).si_addr() as usize,
            (false, true) => sp.wrapping_sub(BELOW),
            (false, false) => 0,
        };
        let fault = Fault { address, sp, pc };
        let here = marks::Here::new(context as usize, &fault, repeats);
        if marks::goes_round(&here) {
            // What happened first repeats when its handlers have returned.
            by_default(signal, repeats || marks::first_repeats());
        } else if raised && is_on_alternate(context, sp) {
            postpone(signal, context);
        } else {
            let told = (repeats || raised) && report(&fault);
            let repeats = repeats || told;
            marks::begin(&here);
            hand_on(signal, info, context, repeats);
            // Who changed where the thread goes on has mended it.
            marks::end(told && arch::registers(context) == (sp, pc));
        }
        *errno = before;
    }
}

/// How far below its stack pointer a function may write, and more than a call takes.
const BELOW: usize = 128;

/// True if the thread sent the signal to itself, or another of the process did.
///
/// # Safety
/// `info` is a signal handler's.
unsafe fn is_raised(info: *const siginfo_t) -> bool {
    // SAFETY: a sent signal has a sender.
    unsafe { (*info).si_code == libc::SI_TKILL && (*info).si_pid() == libc::getpid() }
}

/// True if the interrupted code is a handler itself, on the thread's alternate stack.
///
/// # Safety
/// `context` is a signal handler's.
unsafe fn is_on_alternate(context: *const c_void, sp: usize) -> bool {
    // SAFETY: the kernel's record of the interrupted thread.
    let stack = unsafe { &(*(context as *const libc::ucontext_t)).uc_stack };
    stack.ss_flags & libc::SS_DISABLE == 0 && sp.wrapping_sub(stack.ss_sp as usize) < stack.ss_size
}

/// A handler that came later has put us in its place and raises the signal (Python's faulthandler): what for is known when it has returned.
/// The signal comes again then, where the fault was. If that was an overflow the stack pointer says so.
///
/// # Safety
/// `context` is a signal handler's.
unsafe fn postpone(signal: c_int, context: *mut c_void) {
    // SAFETY: the kernel's record of the interrupted thread, which it takes the mask from.
    unsafe {
        libc::sigaddset(&mut (*(context as *mut libc::ucontext_t)).uc_sigmask, signal);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), super::thread::current_tid(), signal);
    }
}

fn report(fault: &Fault) -> bool {
    let reporter = REPORTER.load(Acquire);
    // SAFETY: stored by `install` from this type, before the handler was in its place.
    let reporter = unsafe { std::mem::transmute::<*mut (), Option<Reporter>>(reporter) };
    reporter.is_some_and(|report| report(fault))
}

/// Calls what was there before.
///
/// # Safety
/// The arguments are those of a signal handler.
unsafe fn hand_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void, repeats: bool) {
    let kept = PREVIOUS.load(Acquire);
    // SAFETY: set before the handler was in its place; records are never freed.
    let previous = unsafe { &*kept };
    match previous.sa_sigaction {
        libc::SIG_DFL => by_default(signal, repeats),
        // The kernel lets nobody ignore a fault.
        libc::SIG_IGN if repeats => by_default(signal, repeats),
        libc::SIG_IGN => {}
        address => {
            if previous.sa_flags & libc::SA_RESETHAND != 0 && !once_only(kept) {
                return by_default(signal, repeats);
            }
            // SAFETY: the action says which of the two types its handler has.
            unsafe {
                let unblocked = previous.sa_flags & libc::SA_NODEFER != 0 && unblock(signal, previous, context);
                if previous.sa_flags & libc::SA_SIGINFO != 0 {
                    let f: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = std::mem::transmute(address);
                    f(signal, info, context);
                } else {
                    let f: unsafe extern "C" fn(c_int) = std::mem::transmute(address);
                    f(signal);
                }
                if unblocked {
                    mask(libc::SIG_BLOCK, signal);
                }
            }
        }
    }
}

/// A handler for one time: from now on there is the default action. False if somebody was quicker.
fn once_only(kept: *mut sigaction) -> bool {
    static DEFAULT: AtomicPtr<sigaction> = AtomicPtr::new(null_mut());
    let mut default = DEFAULT.load(Acquire);
    if default.is_null() {
        default = default_action();
        DEFAULT.store(default, Release);
    }
    PREVIOUS.compare_exchange(kept, default, AcqRel, Acquire).is_ok()
}

/// A record of the default action, made without memory.
fn default_action() -> *mut sigaction {
    struct Record(std::cell::UnsafeCell<sigaction>);
    // SAFETY: never written; only its address and its zeros are used.
    unsafe impl Sync for Record {}
    // SAFETY: all zero is an action: SIG_DFL, no flags, nothing blocked.
    static RECORD: Record = Record(std::cell::UnsafeCell::new(unsafe { std::mem::zeroed() }));
    RECORD.0.get()
}

/// Unblocks the signal for a handler that wants it so, unless it was blocked before the fault or the handler blocks it itself.
///
/// # Safety
/// `context` is a signal handler's.
unsafe fn unblock(signal: c_int, previous: &sigaction, context: *mut c_void) -> bool {
    // SAFETY: the kernel's record of the interrupted thread.
    let wanted = unsafe {
        let before = &(*(context as *const libc::ucontext_t)).uc_sigmask;
        libc::sigismember(before, signal) == 0 && libc::sigismember(&previous.sa_mask, signal) == 0
    };
    if wanted {
        mask(libc::SIG_UNBLOCK, signal);
    }
    wanted
}

fn mask(how: c_int, signal: c_int) {
    // SAFETY: a set of one signal, and the calling thread's own mask.
    unsafe {
        let mut set = std::mem::MaybeUninit::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(how, set.as_ptr(), null_mut());
    }
}

/// Has the default action happen: to a fault when it repeats, to a signal that was sent by sending it again.
fn by_default(signal: c_int, repeats: bool) {
    // SAFETY: a valid action; a signal to the calling thread, which is blocked until its handlers have returned.
    unsafe {
        libc::sigaction(signal, default_action(), null_mut());
        if !repeats {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), super::thread::current_tid(), signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_record_is_compared_by_what_counts() {
        // SAFETY: all zero is an action, and `sigaddset` changes a set of the test's own.
        let (plain, mut other): (sigaction, sigaction) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        assert!(same(&plain, &other));
        // SAFETY: as above.
        unsafe { libc::sigaddset(&mut other.sa_mask, libc::SIGUSR1) };
        assert!(!same(&plain, &other));
    }

    #[test]
    fn the_place_of_a_function_of_ours_is_in_a_module() {
        super::super::module::prepare();
        let address = is_ours as *const () as usize;
        if let Some(module) = module_of(address) {
            assert!(module.offset > 0 && module.offset < address);
        }
        assert!(module_of(8).is_none());
    }
}
