//! The condition: those who wait, in the order of their tickets, each with a mutex in hand before and after (§22.16–22.17).
//!
//! Owns: 16 bytes: a lock, and the wait queue, whose order is that of the tickets.
//!
//! Always true:
//!  - C1. A waiter is in the queue before its mutex is free: whoever changes something under the mutex finds it there.
//!  - C2. Whoever waits for a task is committed to the queue when its registers are saved. The steps are: lock the
//!        condition, queue, give the mutex up, arm, unlock the condition, wake whoever the mutex had for us. Until it is
//!        armed the waiter cannot go on, so the mutex, which it locks again, is there when it is given up. Until the
//!        condition is unlocked nobody claims the waiter, nor can it leave, so its stack and the condition are there.
//!  - C3. Unlocking is the last touch of the condition: a waiter that was woken may free it.
//!
//! Model: `model/cond.rs`, breaking switch `CondUnlockFirst`.
//!
//! Called by: any task or thread. Blocks: `wait` parks the task, or blocks a thread that is no task.

use super::mutex::Mutex;
use super::sema::{again, inside, wake};
use crate::base::error::{Error, Result};
use crate::base::lock::Lock;
#[cfg(loom)]
use crate::model::Break;
use crate::sched::wait::{self, Enlisted, Object};
use crate::task::wait_queue::{Claimed, Node, WaitQueue};
use crate::task::waiter::Waiter;
use crate::task::Reason;
use std::cell::{Cell, UnsafeCell};
use std::ptr::null;

/// See the module.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Cond {
    lock: Lock,
    queue: WaitQueue,
}

impl Cond {
    /// Gives `mutex` up and waits for a signal; holds the mutex again whatever the answer is. An answer that needs no
    /// wait (`may_wait`) is given with the mutex kept. `Misuse`, and no change, when nobody holds the mutex.
    pub fn wait(&self, mutex: &Mutex, deadline: i64) -> Result<()> {
        if !mutex.is_held() {
            return Err(Error::Misuse);
        }
        inside(|i| {
            wait::may_wait(i, deadline)?;
            let node = UnsafeCell::new(Node::new(null(), 0, 0));
            let ticket = Ticket { cond: self, mutex, given_up: Cell::new(false), node };
            // SAFETY: inside if a task.
            let result = unsafe { wait::wait(i, Reason::Cond, deadline, &ticket, |_| ()) };
            if ticket.given_up.get() {
                // SAFETY: after the wait, anew.
                unsafe { mutex.lock_again(again(i)) };
            }
            result.map(drop)
        })
    }

    /// Wakes the oldest ticket.
    pub fn signal(&self) {
        self.wake(|queue, claimed| {
            if let Some(node) = queue.claim() {
                claimed.push(node);
            }
        })
    }

    /// Wakes all who wait.
    pub fn broadcast(&self) {
        self.wake(|queue, claimed| queue.claim_all(|node| claimed.push(node)))
    }

    #[inline(always)]
    fn wake(&self, claim: impl FnOnce(&WaitQueue, &mut Claimed)) {
        // C1: with the mutex held now, or since the change, whoever waits for the change is seen.
        if self.queue.is_empty() {
            return;
        }
        let mut claimed = Claimed::none();
        self.lock.lock();
        claim(&self.queue, &mut claimed);
        self.lock.unlock();
        wake(claimed);
    }
}

struct Ticket<'a> {
    cond: &'a Cond,
    mutex: &'a Mutex,
    given_up: Cell<bool>,
    node: UnsafeCell<Node>,
}

// SAFETY: armed with the condition locked; between that and its unlock only what C2 names is touched.
unsafe impl Object for Ticket<'_> {
    fn address(&self) -> usize {
        &raw const *self.cond as usize
    }

    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted {
        let cond = self.cond;
        // SAFETY: not in the queue yet, so nobody else's.
        let node = unsafe {
            *self.node.get() = Node::new(waiter, 0, 0);
            &*self.node.get()
        };
        #[cfg(loom)]
        if Break::CondUnlockFirst.is_on() {
            self.mutex.unlock_for(waiter)();
        }
        cond.lock.lock();
        cond.queue.push(node);
        self.given_up.set(true);
        let wake_next = self.mutex.unlock_for(waiter);
        let armed = waiter.arm();
        if !armed {
            cond.queue.remove(node);
        }
        cond.lock.unlock();
        wake_next();
        if armed {
            Enlisted::Waits
        } else {
            Enlisted::Expired
        }
    }

    unsafe fn leave(&self, _waiter: &Waiter) {
        self.cond.lock.lock();
        // SAFETY: in the queue, under its lock.
        self.cond.queue.remove(unsafe { &*self.node.get() });
        self.cond.lock.unlock();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sched::wait::NOWAIT;

    #[test]
    fn wait_needs_the_mutex_and_keeps_it_when_there_is_no_wait() {
        let (c, m) = (Cond::default(), Mutex::default());
        assert_eq!(c.wait(&m, NOWAIT), Err(Error::Misuse));
        assert!(m.try_lock());
        assert_eq!(c.wait(&m, NOWAIT), Err(Error::Again));
        assert_eq!(c.wait(&m, 1), Err(Error::TimedOut));
        assert!(m.is_held());
        c.signal();
        c.broadcast();
        assert_eq!(std::mem::size_of::<Cond>(), 16);
    }
}
