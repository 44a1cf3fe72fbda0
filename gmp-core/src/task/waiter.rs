//! A waiter: one task or thread waiting for one thing, perhaps with a deadline.
//!
//! Owns: who ended the wait. It lies on the waiting side's stack.
//!
//! Always true:
//!  - W1. The claim word leaves `WAITING` once: by a waker (`WOKEN`) or by the deadline (`EXPIRED`). The winner
//!        makes the task ready; for a thread the claim word is also what it sleeps on.
//!  - W2. A winner that woke a task touches the waiter before it makes the task ready, never after. A winner that
//!        woke a thread touches nothing after the claim (the futex call gets an address that may be gone, which is
//!        harmless).
//!  - W3. A waker that loses to the deadline leaves `WOKEN` behind as its last touch; a waiter that was taken
//!        out of its object by such a waker without a lock waits for that in `settle`.
//!
//! Model: `model/waiter.rs`, breaking switches `WaiterLoadStore` and (with the join cell) `JoinNoSettle`.

use super::Task;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{spin_hint, AtomicU32, Cell, Ordering::*};

const WAITING: u32 = 0;
const WOKEN: u32 = 1;
const EXPIRED: u32 = 2;

/// See the module.
#[derive(Debug)]
pub struct Waiter {
    claim: AtomicU32,
    /// Where it lies in a timer heap (`u32::MAX`: nowhere). Under that heap's lock.
    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) slot: Cell<u32>,
    /// The next waiter of the same object. Under the object's lock.
    pub(crate) next: Cell<*const Waiter>,
    /// The waiting task; null for a thread.
    task: *const Task,
}

impl Waiter {
    /// For a task, or with null for the calling thread.
    pub fn new(task: *const Task) -> Waiter {
        Waiter { claim: AtomicU32::new(WAITING), slot: Cell::new(u32::MAX), next: Cell::new(std::ptr::null()), task }
    }

    /// The waiting task; null for a thread.
    pub fn task(&self) -> *const Task {
        self.task
    }

    /// A waker's try. True: it won, and must make the task ready or call [`Waiter::notify_thread`].
    ///
    /// # Safety
    /// `this` is valid until the swap (W2, W3).
    #[must_use]
    pub unsafe fn wake(this: *const Waiter) -> bool {
        // SAFETY: the caller's promise. Release publishes what the waker did; Acquire sees the waiter's fields.
        unsafe { (*this).claim.swap(WOKEN, AcqRel) == WAITING }
    }

    /// The deadline's try. True: it won.
    #[must_use]
    pub fn expire(&self) -> bool {
        #[cfg(loom)]
        if Break::WaiterLoadStore.is_on() {
            let won = self.claim.load(Acquire) == WAITING;
            if won {
                self.claim.store(EXPIRED, Release);
            }
            return won;
        }
        self.claim.compare_exchange(WAITING, EXPIRED, AcqRel, Acquire).is_ok()
    }

    /// True once the deadline has won.
    pub fn has_expired(&self) -> bool {
        self.claim.load(Acquire) == EXPIRED
    }

    /// After an expiry, when a waker has taken the waiter out: waits for that waker's last touch (nanoseconds:
    /// it is inside the runtime).
    pub fn settle(&self) {
        #[cfg(loom)]
        if Break::JoinNoSettle.is_on() {
            return;
        }
        while self.claim.load(Acquire) != WOKEN {
            spin_hint();
        }
    }

    /// Wakes the thread that sleeps in [`Waiter::sleep_thread`], after a claim was won.
    ///
    /// # Safety
    /// `this` is the address of a waiter; it need not be valid any more.
    pub unsafe fn notify_thread(this: *const Waiter) {
        // SAFETY: computes an address only.
        let word = unsafe { std::ptr::addr_of!((*this).claim) };
        crate::sys::futex::wake(word, 1);
    }

    /// Blocks this thread until woken or until the deadline. True when woken.
    pub fn sleep_thread(&self, deadline: Option<i64>) -> bool {
        use crate::sys::futex::{wait, Wait};
        while self.claim.load(Acquire) == WAITING {
            if wait(&self.claim, WAITING, deadline) == Wait::TimedOut && self.expire() {
                return false;
            }
        }
        true
    }
}

#[cfg(loom)]
impl Waiter {
    /// Its memory is given back: an access that is not over by now is an error of the protocol, which loom reports.
    ///
    /// # Safety
    /// `this` stays valid; no reference to it is used during the call.
    pub unsafe fn free(this: *mut Waiter) {
        // SAFETY: the caller's promise.
        unsafe {
            (*this).claim.with_mut(|_| ());
            (*this).next.set(std::ptr::null());
        }
    }
}
