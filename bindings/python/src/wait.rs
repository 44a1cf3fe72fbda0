//! How a call of this package waits: in a task it parks the task, elsewhere it blocks the thread with the GIL released,
//! and the main thread goes on answering signals.
//!
//! Owns: the waiter, which lies on the waiting call's stack, and the list of waiters of a task that has not ended.
//!
//! Always true:
//!  - W1. Who unlinks a waiter under its list's guard (the GIL; for native tasks their own lock) is the one who signals
//!    it, exactly once. A waiter that gives up unlinks itself; if it is too late, it waits for the signal on its way.
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
use crate::task::Task;
use crate::{abi, shim};
use pyo3::ffi;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long the main thread waits between two looks for signals.
const SLICE_NS: i64 = 50_000_000;

/// One waiting call. Not moved while linked or waited on.
pub struct Waiter {
    signal: abi::WaitGroup,
    next: *mut Waiter,
    /// The pointer that points here, or null when in no list.
    link: *mut *mut Waiter,
    /// Unlinked by the one who signals it.
    claimed: bool,
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
            guard,
        }
    }

    /// Wakes a waiting call before its event has come.
    ///
    /// # Safety
    /// The GIL is held and the waiter's call is still waiting.
    pub unsafe fn interrupt(waiter: *mut Waiter) {
        // SAFETY: as the caller promises; the record of a native task lives while its Task is being joined.
        unsafe {
            let guard = (*waiter).guard;
            if if guard.is_null() { (*waiter).claim() } else { (*guard).claim(waiter) } {
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

    /// Waits for a signal that is certain to come soon: the waiter was claimed. Works with or without the GIL.
    pub fn wait_claimed(&mut self) {
        // SAFETY: the claimer signals without waiting for anything that this caller holds.
        unsafe { abi::gmp_wg_wait(&mut self.signal, abi::FOREVER) };
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
/// # Safety
/// The GIL is held; the waiter is armed. On any other result than `Signaled` the caller unlinks it.
pub unsafe fn wait(waiter: *mut Waiter, deadline: i64) -> Wake {
    // SAFETY: the GIL is held throughout, but for the part between detach and attach.
    unsafe {
        let signal = &raw mut (*waiter).signal;
        let task = shim::shim_current() as *mut Task;
        if !task.is_null() {
            (*task).parked = waiter;
            let code = abi::gmp_wg_wait(signal, deadline);
            (*task).parked = ptr::null_mut();
            return if exit_requested(task) { Wake::Raised } else { decode(code) };
        }
        match shim::shim_caller() {
            shim::CALLER_THREAD if shim::shim_closing() != 0 => {
                errors::STOPPED.raise(c"the interpreter is exiting: no task runs any more");
                Wake::Raised
            }
            shim::CALLER_THREAD if is_main_thread() => wait_on_main(signal, deadline),
            shim::CALLER_THREAD => decode(detached(|| abi::gmp_wg_wait(signal, deadline))),
            _ => {
                may_enter();
                Wake::Raised
            }
        }
    }
}

/// Sleeps without a waiter: threads only.
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

/// Whether TaskExit waited for this task; then it is now set.
///
/// # Safety
/// The GIL is held and `task` is the caller's own.
#[inline(always)]
pub unsafe fn exit_requested(task: *mut Task) -> bool {
    // SAFETY: the running task's object lives; its fields are guarded by the GIL.
    unsafe {
        if (*task).head.exit == 0 {
            return false;
        }
        (*task).head.exit = 0;
        ffi::PyErr_SetNone(errors::TASK_EXIT.get());
        true
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
        abi::ETIMEDOUT => Wake::TimedOut,
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
