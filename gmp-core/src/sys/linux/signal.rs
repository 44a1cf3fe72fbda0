//! Signals that somebody asked for: a handler that counts them, and hands on.
//!
//! Owns: the handler, for each signal what was installed before it, and how often the signal came since somebody asked.
//!
//! Always true:
//!  - N1. No signal has our handler but between `catch` and `release`. Who installs a handler later has the last word: `release` takes ours
//!        away only if it is on top; else it stays where it was put, and counts for nobody.
//!  - N2. A handler that was there before is called too, with the same arguments, and decides SA_RESTART, SA_ONSTACK, SA_NODEFER and the
//!        mask. The default action, and being ignored, are replaced: that is what was asked for.
//!  - N3. The handler takes no lock and no memory, and keeps `errno`. Records of what was there are never freed: one that has begun reads them.
//!  - N4. A fork's child has the handlers and nobody who listens: the first signal that comes there gives it back what was there before,
//!        and is treated so.
//!  - N5. Two handlers that hand on to each other end: only where ours was put on top of one that may know of it, and by the thread's number.
//!
//! Called by: `io/signal.rs`, one call at a time (`catch`, `release`, `begin_afresh`), and the thread that hands on (`take`, `wait`); the
//! kernel. Blocks: `wait`.

use super::{errno, futex};
use crate::primitive::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering::*};
use crate::sys::Errno;
use libc::{c_int, sigaction, siginfo_t};
use std::alloc::{alloc, Layout};
use std::ffi::c_void;
use std::ptr::null_mut;

/// Signals have numbers below this.
pub const MOST: usize = 65;

struct Slot {
    /// Came so often since it was last taken.
    count: AtomicU32,
    previous: AtomicPtr<sigaction>,
    /// N5: what was there before the first, where ours was put on top of one that may know of it.
    oldest: AtomicPtr<sigaction>,
    /// Ours was put in its place and not taken away by us.
    placed: AtomicBool,
    /// N5. 0: it never could come round; -1: it can; else the thread that hands on.
    round: AtomicI32,
}

#[allow(clippy::declare_interior_mutable_const, reason = "what an array is filled with")]
const EMPTY: Slot = Slot {
    count: AtomicU32::new(0),
    previous: AtomicPtr::new(null_mut()),
    oldest: AtomicPtr::new(null_mut()),
    placed: AtomicBool::new(false),
    round: AtomicI32::new(0),
};

static SLOTS: [Slot; MOST] = [EMPTY; MOST];
/// Changes whenever there is something to look at.
static BELL: AtomicU32 = AtomicU32::new(0);
/// The process that the handlers count for.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// True if the signal can be asked for: there is one of this number, it can be caught, and it is not what a fault of the running code raises.
pub fn is_catchable(signal: i32) -> bool {
    const FAULTS: [c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];
    let is_there = (1..32).contains(&signal) || (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&signal);
    is_there
        && (signal as usize) < MOST
        && signal != libc::SIGKILL
        && signal != libc::SIGSTOP
        && !FAULTS.contains(&signal)
}

/// Has the signal counted from now on. Puts our handler on top again where another has come over it.
pub fn catch(signal: i32) -> Result<(), Errno> {
    let slot = &SLOTS[signal as usize];
    errno::keep(|| {
        let there = current(signal)?;
        if is_ours(&there) {
            return Ok(());
        }
        let has_handler = there.sa_sigaction != libc::SIG_DFL && there.sa_sigaction != libc::SIG_IGN;
        let may_know = has_handler && slot.placed.load(Relaxed);
        if may_know && slot.oldest.load(Relaxed).is_null() {
            slot.oldest.store(slot.previous.load(Relaxed), Release);
        }
        remember(slot, &there)?;
        let mut ours = there;
        ours.sa_sigaction = handler as *const () as usize;
        let kept = libc::SA_RESTART | libc::SA_ONSTACK | libc::SA_NODEFER;
        let flags = if has_handler { there.sa_flags & kept } else { libc::SA_RESTART | libc::SA_ONSTACK };
        // Who lets the kernel forget its ended children does so still.
        let children = libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT;
        let forgets = signal == libc::SIGCHLD && there.sa_sigaction == libc::SIG_IGN;
        ours.sa_flags =
            libc::SA_SIGINFO | flags | there.sa_flags & children | if forgets { libc::SA_NOCLDWAIT } else { 0 };
        if may_know {
            slot.round.store(-1, Relaxed);
        }
        exchange(signal, &ours)?;
        slot.placed.store(true, Relaxed);
        Ok(())
    })
}

/// Gives the signal back what was there before.
pub fn release(signal: i32) {
    let slot = &SLOTS[signal as usize];
    errno::keep(|| {
        let previous = slot.previous.load(Acquire);
        if previous.is_null() || !current(signal).is_ok_and(|there| is_ours(&there)) {
            return;
        }
        // SAFETY: records are never freed.
        let Ok(was) = exchange(signal, unsafe { &*previous }) else { return };
        if is_ours(&was) {
            slot.placed.store(false, Relaxed);
        } else {
            // Somebody came in between the look and the exchange: theirs it is.
            let _cannot_fail = exchange(signal, &was);
        }
    })
}

/// The handlers count for this process from now on. In a fork's child: nothing of the parent's is left (N4).
pub fn begin_afresh() {
    for signal in 1..MOST as i32 {
        SLOTS[signal as usize].count.store(0, Relaxed);
        release(signal);
    }
    PROCESS.store(super::process::id(), Release);
}

/// How often the signal came since this was asked last.
pub fn take(signal: i32) -> u32 {
    SLOTS[signal as usize].count.swap(0, Acquire)
}

/// What [`wait`] waits to change. Read it first, then look at the rest.
pub fn bell() -> u32 {
    BELL.load(Acquire)
}

/// Wakes who waits. From a handler too.
pub fn ring() {
    BELL.fetch_add(1, AcqRel);
    futex::wake(&BELL, 1);
}

/// Sleeps until it was rung since `bell` was read.
pub fn wait(bell: u32) {
    futex::wait(&BELL, bell, None);
}

/// The calling thread takes these signals, a bit for each, if no other does, and no others.
pub fn accept_only(signals: u64) {
    // SAFETY: a set of the caller's, filled before it is used.
    errno::keep(|| unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&mut set);
        for signal in (1..MOST as i32).filter(|signal| signals & 1 << (signal - 1) != 0) {
            libc::sigdelset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &set, null_mut());
    })
}

fn is_ours(action: &sigaction) -> bool {
    action.sa_sigaction == handler as *const () as usize
}

fn current(signal: i32) -> Result<sigaction, Errno> {
    set(signal, std::ptr::null())
}

/// Sets the action; what was there.
fn exchange(signal: i32, action: &sigaction) -> Result<sigaction, Errno> {
    set(signal, action)
}

fn set(signal: i32, action: *const sigaction) -> Result<sigaction, Errno> {
    let mut was = std::mem::MaybeUninit::uninit();
    // SAFETY: null or a valid action; `was` is written on success, and read only then.
    unsafe {
        match libc::sigaction(signal, action, was.as_mut_ptr()) {
            0 => Ok(was.assume_init()),
            _ => Err(Errno::last()),
        }
    }
}

/// Keeps what is there. Asking for a signal over and over takes no more memory for it.
fn remember(slot: &Slot, there: &sigaction) -> Result<(), Errno> {
    let kept = slot.previous.load(Acquire);
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
        slot.previous.store(record, Release);
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
    let slot = &SLOTS[signal as usize % MOST];
    // SAFETY: the calling thread's errno; the kernel, or who hands on to us, passes what a handler gets.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        if super::process::id() != PROCESS.load(Acquire) {
            in_a_child(slot, signal, info, context);
        } else if came_round(slot) {
            hand_on(&slot.oldest, signal, info, context);
        } else {
            slot.count.fetch_add(1, Release);
            ring();
            hand_on(&slot.previous, signal, info, context);
            if slot.round.load(Relaxed) > 0 {
                slot.round.store(-1, Relaxed);
            }
        }
        *errno = before;
    }
}

/// N5. It is counted when it comes first. (Who left a handler by a long jump loses one signal.)
fn came_round(slot: &Slot) -> bool {
    match slot.round.load(Relaxed) {
        0 => false,
        seen => {
            let me = super::thread::current_tid();
            slot.round.store(if seen == me { -1 } else { me }, Relaxed);
            seen == me
        }
    }
}

/// N4.
///
/// # Safety
/// The arguments are those of a signal handler.
unsafe fn in_a_child(slot: &Slot, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: records are never freed.
    let Some(action) = (unsafe { slot.previous.load(Acquire).as_ref() }) else { return };
    if current(signal).is_ok_and(|there| is_ours(&there)) {
        let _cannot_fail = exchange(signal, action);
        if action.sa_sigaction == libc::SIG_DFL {
            // Blocked until the handler has returned.
            // SAFETY: a signal to the calling thread.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), super::thread::current_tid(), signal) };
            return;
        }
    }
    // SAFETY: the caller's promise.
    unsafe { hand_on(&slot.previous, signal, info, context) };
}

/// Calls what was there before.
///
/// # Safety
/// The arguments are those of a signal handler.
unsafe fn hand_on(to: &AtomicPtr<sigaction>, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let kept = to.load(Acquire);
    // SAFETY: records are never freed.
    let Some(previous) = (unsafe { kept.as_ref() }) else { return };
    let address = previous.sa_sigaction;
    if address == libc::SIG_DFL || address == libc::SIG_IGN {
        return;
    }
    if previous.sa_flags & libc::SA_RESETHAND != 0
        && to.compare_exchange(kept, default_action(), AcqRel, Acquire).is_err()
    {
        return;
    }
    // SAFETY: the action says which of the two types its handler has.
    unsafe {
        if previous.sa_flags & libc::SA_SIGINFO != 0 {
            let f: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = std::mem::transmute(address);
            f(signal, info, context);
        } else {
            let f: unsafe extern "C" fn(c_int) = std::mem::transmute(address);
            f(signal);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_or_must_not_be_caught_is_known() {
        for signal in [libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR1, libc::SIGPIPE, libc::SIGRTMIN(), libc::SIGRTMAX()] {
            assert!(is_catchable(signal), "{signal}");
        }
        for signal in [i32::MIN, -1, 0, libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGFPE, 32, 65, i32::MAX] {
            assert!(!is_catchable(signal), "{signal}");
        }
    }
}
