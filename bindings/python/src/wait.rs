//! How a call of this package waits: in a task it parks the task, elsewhere it blocks the thread with the GIL released,
//! and the main thread goes on answering signals.
//!
//! Owns: the waiter, which lies on the waiting call's stack, and the list of waiters of a task that has not ended.
//!
//! Always true:
//!  - W1. Who unlinks a waiter under its list's guard (the GIL; for native tasks their own lock) is the one who signals
//!    it, exactly once. A waiter that gives up unlinks itself; if it is too late, it takes the event that has come.
//!  - W2. A call into the runtime may let other tasks run, whatever it is for (the slice may be over). Between the look
//!    at an event and the push of its waiter there is none.
//!  - W3. Nothing of PyO3 (no guard, no borrow) lives across a wait: PyO3 counts attachments per OS thread.
//!
//! Called with the GIL held, by calls.rs and task.rs. Blocks its caller, nothing else.
//!
//! Tried and dropped: one wait group per task, raised at spawn (two calls into the runtime for every task, joined or
//! not, and no way to wake one joiner at exit without waking the rest too early).

use crate::errors;
use crate::native::Native;
use crate::target::{self, Target};
use crate::{abi, shim};
use pyo3::ffi;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long the main thread waits between two looks for signals.
const SLICE_NS: i64 = 50_000_000;

/// How long the main thread waits for daemon threads once no task runs any more.
const GRACE_NS: i64 = 500_000_000;

/// One waiting call. Not moved while linked or waited on.
pub struct Waiter {
    signal: abi::WaitGroup,
    next: *mut Waiter,
    /// The pointer that points here, or null when in no list.
    link: *mut *mut Waiter,
    /// Unlinked by the one who signals it.
    claimed: bool,
    /// Signaled by `interrupt`, not by its event.
    interrupted: bool,
    /// Whose lock guards its list; null: the GIL.
    guard: *const Native,
}

/// The waiters of one event. Guarded by whatever guards the event.
pub struct Waiters(*mut Waiter);

/// How a wait ended.
#[derive(PartialEq)]
pub enum Wake {
    Signaled,
    TimedOut,
    /// A Python exception is set.
    Raised,
}

impl Waiter {
    pub fn new() -> Self {
        Waiter::guarded_by(ptr::null())
    }

    /// A waiter for a native task's list.
    pub fn guarded_by(guard: *const Native) -> Self {
        Waiter {
            signal: abi::WaitGroup::default(),
            next: ptr::null_mut(),
            link: ptr::null_mut(),
            claimed: false,
            interrupted: false,
            guard,
        }
    }

    /// Wakes a waiting call before its event has come; when it has come, that stands.
    ///
    /// # Safety
    /// The GIL is held and the waiter's call is still waiting.
    pub unsafe fn interrupt(waiter: *mut Waiter) {
        // SAFETY: as the caller promises; the record of a native task lives while its Task is being joined.
        unsafe {
            let guard = (*waiter).guard;
            if if guard.is_null() { (*waiter).claim() } else { (*guard).claim(waiter) } {
                (*waiter).interrupted = true;
                Waiter::signal(waiter);
            }
        }
    }

    /// Takes the waiter out of its list, if it is in one. Under the list's guard.
    pub fn unlink(&mut self) {
        if self.link.is_null() {
            return;
        }
        // SAFETY: link and next point into the list's head or to linked waiters, all of which live while linked; the
        // caller holds the list's guard.
        unsafe {
            *self.link = self.next;
            if !self.next.is_null() {
                (*self.next).link = self.link;
            }
        }
        self.link = ptr::null_mut();
        self.next = ptr::null_mut();
    }

    /// Unlinks the waiter for its signaler: true for the first who asks. Under the list's guard.
    pub fn claim(&mut self) -> bool {
        let first = !self.claimed;
        self.unlink();
        self.claimed = true;
        first
    }

    /// Whether someone has claimed it. Under the list's guard.
    pub fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// Wakes a waiter that the caller has claimed. The waiter may be gone when this returns.
    ///
    /// # Safety
    /// `waiter` was claimed by the caller and not signaled yet.
    pub unsafe fn signal(waiter: *mut Waiter) {
        // SAFETY: the waiter's call does not return before this signal; the runtime touches nothing after it.
        unsafe { abi::gmp_wg_done(&raw mut (*waiter).signal) };
    }

    /// Makes the waiter ready to be waited on; once, before it is linked.
    pub fn arm(&mut self) {
        // SAFETY: the counter is all-zero and known to nobody else.
        unsafe { abi::gmp_wg_add(&mut self.signal, 1) };
    }

    /// Waits for a signal that is certain to come soon: the waiter was claimed. With the GIL held, which a thread lets go
    /// of: the claimer may need it to get there.
    pub fn wait_claimed(&mut self) {
        let signal = &raw mut self.signal;
        // SAFETY: the signal is on its way; the GIL is held, and who is no task may let go of it.
        unsafe {
            if shim::shim_current().is_null() {
                detached(|| abi::gmp_wg_wait(signal, abi::FOREVER));
            } else {
                abi::gmp_wg_wait(signal, abi::FOREVER);
            }
        }
    }
}

impl Waiters {
    pub const fn new() -> Self {
        Waiters(ptr::null_mut())
    }

    /// # Safety
    /// Under the list's guard; `waiter` is armed, in no list, and stays in place until unlinked.
    pub unsafe fn push(&mut self, waiter: *mut Waiter) {
        // SAFETY: see above; the old head is a linked waiter or null.
        unsafe {
            (*waiter).next = self.0;
            (*waiter).link = &mut self.0;
            if !self.0.is_null() {
                (*self.0).link = &raw mut (*waiter).next;
            }
        }
        self.0 = waiter;
    }

    /// Claims every waiter and hands over the chain of them, for `signal_chain`. Under the list's guard.
    pub fn claim_all(&mut self) -> *mut Waiter {
        let first = std::mem::replace(&mut self.0, ptr::null_mut());
        let mut at = first;
        while !at.is_null() {
            // SAFETY: linked waiters live; the guard is held.
            unsafe {
                (*at).link = ptr::null_mut();
                (*at).claimed = true;
                at = (*at).next;
            }
        }
        first
    }
}

/// Signals a chain from `claim_all`; needs no guard.
///
/// # Safety
/// The chain was claimed by the caller and not signaled yet.
pub unsafe fn signal_chain(first: *mut Waiter) {
    let mut at = first;
    while !at.is_null() {
        // SAFETY: a claimed waiter lives until it is signaled, so its successor is read first.
        unsafe {
            let next = (*at).next;
            Waiter::signal(at);
            at = next;
        }
    }
}

/// Waits until `waiter` is signaled or `deadline` passes.
///
/// The event decides: `Signaled` when it came before what would have ended the wait otherwise; else the waiter is
/// unclaimed. Only a signal's handler that raises in the main thread may find it claimed.
///
/// # Safety
/// The GIL is held; the waiter is armed. On any other result than `Signaled` the caller unlinks it.
pub unsafe fn wait(waiter: *mut Waiter, deadline: i64) -> Wake {
    // SAFETY: the GIL is held throughout, but for the part between detach and attach.
    unsafe {
        let signal = &raw mut (*waiter).signal;
        let target = target::current();
        if !target.is_null() {
            if target::take(target) {
                return Wake::Raised;
            }
            (*target).parked = waiter;
        }
        let woke = match shim::shim_caller() {
            shim::CALLER_TASK => decode(abi::gmp_wg_wait(signal, deadline)),
            shim::CALLER_THREAD if is_main_thread() && shim::shim_closing() != 0 => wait_at_the_end(signal, deadline),
            shim::CALLER_THREAD if is_main_thread() => wait_on_main(signal, deadline),
            shim::CALLER_THREAD => decode(detached(|| abi::gmp_wg_wait(signal, deadline))),
            _ => {
                may_enter();
                Wake::Raised
            }
        };
        if !target.is_null() {
            (*target).parked = ptr::null_mut();
            if target::has_pending(target) && !(*waiter).interrupted {
                target::seek(target); // what came too late for this wait
            }
        }
        settle(waiter, target, woke)
    }
}

/// What a wait's end means, now that nothing can happen to the waiter unseen.
unsafe fn settle(waiter: *mut Waiter, target: *mut Target, woke: Wake) -> Wake {
    // SAFETY: the GIL is held, and the waiter is the caller's.
    unsafe {
        if (*waiter).interrupted {
            if woke != Wake::Raised {
                target::take(target);
            }
            // Only now: making the exception may have run code that looks for waiters to claim.
            (*waiter).interrupted = false;
            (*waiter).claimed = false;
            return Wake::Raised;
        }
        if woke == Wake::TimedOut && (*waiter).claimed && (*waiter).guard.is_null() {
            (*waiter).wait_claimed();
            return Wake::Signaled;
        }
        woke
    }
}

/// Sleeps without a waiter: threads outside of scopes only.
///
/// # Safety
/// The GIL is held and the caller is no Python task.
pub unsafe fn sleep(ns: i64) -> Wake {
    // SAFETY: as `wait`.
    unsafe {
        match shim::shim_caller() {
            shim::CALLER_THREAD if is_main_thread() => {
                let end = abi::gmp_after_ns(ns);
                loop {
                    let left = end.saturating_sub(abi::gmp_now());
                    if left <= 0 {
                        return Wake::TimedOut;
                    }
                    detached(|| abi::gmp_sleep(left.min(SLICE_NS)));
                    if ffi::PyErr_CheckSignals() != 0 {
                        return Wake::Raised;
                    }
                }
            }
            shim::CALLER_THREAD => {
                detached(|| abi::gmp_sleep(ns));
                Wake::TimedOut
            }
            _ => {
                may_enter();
                Wake::Raised
            }
        }
    }
}

/// No task runs any more, but other threads do: they are daemons, which wait on as long as there is an interpreter. Only
/// the main thread must come to its end.
unsafe fn wait_at_the_end(signal: *mut abi::WaitGroup, deadline: i64) -> Wake {
    // SAFETY: as `wait`.
    unsafe {
        let end = abi::gmp_after_ns(GRACE_NS).min(deadline);
        let woke = wait_on_main(signal, end);
        if woke == Wake::TimedOut && end != deadline {
            errors::STOPPED.raise(c"the interpreter is exiting: no task runs any more");
            return Wake::Raised;
        }
        woke
    }
}

/// The main thread waits in slices, so that a signal's handler runs soon and its exception ends the wait.
unsafe fn wait_on_main(signal: *mut abi::WaitGroup, deadline: i64) -> Wake {
    // SAFETY: as `wait`.
    unsafe {
        loop {
            let slice = abi::gmp_after_ns(SLICE_NS).min(deadline);
            let woke = decode(detached(|| abi::gmp_wg_wait(signal, slice)));
            if woke != Wake::TimedOut {
                return woke;
            }
            if ffi::PyErr_CheckSignals() != 0 {
                return Wake::Raised;
            }
            if slice == deadline {
                return Wake::TimedOut;
            }
        }
    }
}

/// Runs `f` on a plain thread with the GIL released.
///
/// # Safety
/// The GIL is held and the caller is no task.
pub unsafe fn detached<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: the state is given back to the same thread: plain threads are never moved.
    unsafe {
        let state = shim::shim_detach();
        let result = f();
        shim::shim_attach(state);
        result
    }
}

/// Whether the caller may call what enters the runtime; false with an exception set otherwise.
///
/// A native task that called back into Python may not: it holds the GIL with its machine's thread state, and may come
/// out of the runtime on another thread.
///
/// # Safety
/// The GIL is held.
pub unsafe fn may_enter() -> bool {
    // SAFETY: the GIL is held.
    unsafe {
        if !shim::shim_current().is_null() {
            return true;
        }
        match shim::shim_caller() {
            shim::CALLER_NATIVE_TASK => {
                errors::MISUSE.raise(c"a native task that calls into Python cannot start tasks or wait there");
                false
            }
            shim::CALLER_HOOK => {
                errors::MISUSE.raise(c"a finalizer that runs after its task was cut off cannot wait");
                false
            }
            _ => true,
        }
    }
}

/// # Safety
/// The GIL is held.
unsafe fn decode(code: c_int) -> Wake {
    match code {
        0 => Wake::Signaled,
        abi::ETIMEDOUT | abi::EAGAIN => Wake::TimedOut,
        _ => {
            // SAFETY: the GIL is held.
            unsafe { errors::raise_code(code) };
            Wake::Raised
        }
    }
}

static MAIN_THREAD: AtomicU64 = AtomicU64::new(0);

/// Remembers which thread handles signals.
pub fn set_main_thread(ident: u64) {
    MAIN_THREAD.store(ident, Ordering::Relaxed);
}

pub fn is_main_thread() -> bool {
    // SAFETY: asks the OS who is calling; no precondition.
    unsafe { ffi::PyThread_get_thread_ident() as u64 == MAIN_THREAD.load(Ordering::Relaxed) }
}
