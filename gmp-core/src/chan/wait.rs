//! Sending and receiving, with waiting: what tasks and threads call.
//!
//! Always true: what can be done without waiting is done first, whatever the deadline; a wait that ends by deadline or
//! cancellation has moved no value.
//! Called by: any task or thread. Blocks: the task, or a thread that is no task.

use super::{Chan, Moved};
use crate::base::error::{Error, Result};
use crate::join::exit_current;
#[cfg(loom)]
use crate::model::Break;
use crate::sched::wait::{self, Enlisted, Object, Outcome};
use crate::sched::{enter, ready, Inside};
use crate::task::wait_queue::{Claimed, Node};
use crate::task::waiter::Waiter;
use crate::task::Reason;
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;

impl Chan {
    /// Sends an element. `Closed`: nothing was sent. For [`wait::NOWAIT`]: `Again`.
    ///
    /// # Safety
    /// The caller has a reference; `value` is readable for an element until the call returns.
    #[inline(always)]
    pub unsafe fn send(&self, value: *const u8, deadline: i64) -> Result<()> {
        if !self.is_plain() {
            return Err(Error::Misuse);
        }
        // SAFETY: the caller's promise.
        unsafe { self.run::<true>(value as *mut u8, deadline) }
    }

    /// Receives an element into `out` (null: throws it away). `Closed`, and zeros, when the channel is closed and drained.
    ///
    /// # Safety
    /// The caller has a reference; `out` is null or writable for an element until the call returns.
    #[inline(always)]
    pub unsafe fn recv(&self, out: *mut u8, deadline: i64) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.run::<false>(out, deadline) }
    }

    #[inline(always)]
    unsafe fn run<const SENDS: bool>(&self, value: *mut u8, deadline: i64) -> Result<()> {
        self.is_here()?;
        let i = enter::enter();
        // SAFETY: the caller's promise.
        let result = unsafe { self.run_from::<SENDS>(i, value, deadline) };
        if i.is_some() {
            exit_current();
        }
        result
    }

    #[inline(always)]
    unsafe fn run_from<const SENDS: bool>(&self, i: Option<Inside>, value: *mut u8, deadline: i64) -> Result<()> {
        let worth = if SENDS { self.can_send() } else { self.can_recv() };
        // Not worth while: it was so at one moment (§19.9). Of a buffered channel when the count was read, of an unbuffered one
        // when the queue was; that it is closed never changes back.
        if worth {
            // SAFETY: the caller's promise.
            match unsafe { self.try_now::<SENDS>(i, value) } {
                Moved::Yes => return Ok(()),
                Moved::Closed => return Err(Error::Closed),
                Moved::No => {}
            }
        }
        wait::may_wait(i, deadline)?;
        // SAFETY: the caller's promise; inside if a task.
        unsafe { self.wait_for::<SENDS>(i, value, deadline) }
    }

    /// One try under the lock, and the wakes that it owes.
    #[inline(always)]
    pub(super) unsafe fn try_now<const SENDS: bool>(&self, i: Option<Inside>, value: *mut u8) -> Moved {
        let mut claimed = Claimed::none();
        self.lock.lock();
        // SAFETY: locked, and the caller's promise.
        let moved = unsafe { self.try_locked::<SENDS>(value, &mut claimed) };
        self.lock.unlock();
        // SAFETY: claimed by us.
        unsafe { ready::finish_all(i, claimed) };
        moved
    }

    /// # Safety
    /// The lock is held; `value` as for send or receive.
    #[inline(always)]
    pub(super) unsafe fn try_locked<const SENDS: bool>(&self, value: *mut u8, claimed: &mut Claimed) -> Moved {
        // SAFETY: the caller's promise.
        unsafe {
            if SENDS {
                self.try_send(value, claimed)
            } else {
                self.try_recv(value, claimed)
            }
        }
    }

    #[inline(never)]
    unsafe fn wait_for<const SENDS: bool>(&self, i: Option<Inside>, value: *mut u8, deadline: i64) -> Result<()> {
        let node = UnsafeCell::new(MaybeUninit::uninit());
        let turn = Turn::<SENDS> { chan: self, value, node, closed: Cell::new(false) };
        let reason = if SENDS { Reason::ChanSend } else { Reason::ChanRecv };
        // SAFETY: inside if a task.
        let ended = unsafe { wait::wait(i, reason, deadline, &turn, |waiter| turn.closed.set(waiter.closed.get())) };
        match ended {
            Ok(Outcome::Done | Outcome::Woken) if turn.closed.get() => Err(Error::Closed),
            Ok(_) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// The number of a signal, to who waits or into the buffer; dropped where that is full. From a thread that is no task.
    #[cfg(not(loom))]
    pub fn put_signal(&self, number: i32) {
        if self.can_send() {
            // SAFETY: an element of a channel for signals is an i32. No room after all: dropped.
            let _moved = unsafe { self.try_now::<true>(None, (&raw const number).cast_mut().cast()) };
        }
    }

    /// Closes the channel, and wakes all who wait. `Misuse` when it is closed already, and for one that users do not close.
    pub fn close(&self) -> Result<()> {
        if !self.is_plain() {
            return Err(Error::Misuse);
        }
        let i = enter::enter();
        let result = self.close_claiming().map(|claimed| {
            // SAFETY: claimed by us.
            unsafe { ready::finish_all(i, claimed) };
        });
        if i.is_some() {
            exit_current();
        }
        result
    }
}

/// One send or receive that waits.
struct Turn<'a, const SENDS: bool> {
    chan: &'a Chan,
    value: *mut u8,
    /// Written when it is put in.
    node: UnsafeCell<MaybeUninit<Node>>,
    closed: Cell<bool>,
}

// SAFETY: armed with the channel's lock held, right before the unlock.
unsafe impl<const SENDS: bool> Object for Turn<'_, SENDS> {
    #[inline(always)]
    fn address(&self) -> usize {
        &raw const *self.chan as usize
    }

    #[inline(always)]
    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted {
        let chan = self.chan;
        let mut claimed = Claimed::none();
        chan.lock.lock();
        #[cfg(loom)]
        let looks = !Break::ChanUnlockedCheck.is_on();
        #[cfg(not(loom))]
        let looks = true;
        // SAFETY: locked; the caller of send or receive keeps its memory.
        let moved = if looks { unsafe { chan.try_locked::<SENDS>(self.value, &mut claimed) } } else { Moved::No };
        if moved != Moved::No {
            self.closed.set(moved == Moved::Closed);
            chan.lock.unlock();
            // SAFETY: claimed by us; in a commit we are inside, else a thread.
            unsafe { ready::finish_all(inside(waiter), claimed) };
            return Enlisted::Done;
        }
        // SAFETY: ours alone until it is in the queue, and there as long as the wait.
        let node: &Node = unsafe { (*self.node.get()).write(Node::new(waiter, self.value as usize, 0)) };
        let queue = if SENDS { &chan.senders } else { &chan.receivers };
        queue.push(node);
        let armed = waiter.arm();
        if !armed {
            queue.remove(node);
        }
        chan.lock.unlock();
        if armed {
            Enlisted::Waits
        } else {
            Enlisted::Expired
        }
    }

    unsafe fn leave(&self, _waiter: &Waiter) {
        // SAFETY: our own node, whose wait has ended.
        unsafe { Chan::leave(self.chan, (*self.node.get()).assume_init_ref(), SENDS) };
    }
}

/// In `enlist`: the machine that runs a task's commit; None for a thread.
#[inline(always)]
pub(super) fn inside(waiter: &Waiter) -> Option<Inside> {
    // SAFETY: a task's `enlist` runs in its park's commit, inside.
    (!waiter.task().is_null()).then(|| unsafe { Inside::current() })
}

/// What a NULL channel answers (§19.1): it is never ready.
pub fn wait_for_ever(deadline: i64) -> Result<()> {
    let i = enter::enter();
    let result = wait::may_wait(i, deadline).and_then(|()| {
        // SAFETY: inside if a task.
        unsafe { wait::wait(i, Reason::ChanRecv, deadline, &Never, |_| ()) }.map(drop)
    });
    if i.is_some() {
        exit_current();
    }
    result
}

/// What never happens.
struct Never;

// SAFETY: there is no object to lock; nothing comes after `arm`.
unsafe impl Object for Never {
    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted {
        if waiter.arm() {
            Enlisted::Waits
        } else {
            Enlisted::Expired
        }
    }

    unsafe fn leave(&self, _waiter: &Waiter) {}
}
