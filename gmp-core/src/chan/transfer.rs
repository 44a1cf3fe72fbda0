//! Moving values: what a send and a receive can do without waiting (§19.1), with the channel's lock held.
//!
//! Owns: the order of looking: a send finds the channel closed, then a waiting receiver, then room; a receive finds a value in
//! the buffer (and lets the oldest waiting sender's follow it in), then a waiting sender, then the channel closed.
//! Always true: a value that moved has moved once: out of the sender's memory when the send is complete, into the
//! receiver's before it is woken.

use super::{Chan, Kind};
use crate::primitive::Ordering::{Acquire, Relaxed};
use crate::task::wait_queue::{Claimed, Node};
use crate::task::waiter::Waiter;
use std::mem::MaybeUninit;

/// What a try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The value moved.
    Yes,
    /// The channel is closed: nothing sent; or nothing left to receive, and the destination zeroed.
    Closed,
    /// It would have to wait.
    No,
}

/// Where a timer's channel finds its timer. Behind the one place of its buffer, under the lock.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Called with the lock held: puts a value that is due into the buffer.
    pub look: unsafe fn(timer: *const ()),
    pub timer: *const (),
}

impl Chan {
    /// Whether a send could do without waiting, as far as one sees without the lock.
    #[inline(always)]
    pub fn can_send(&self) -> bool {
        !self.receivers.is_empty() || self.count.load(Acquire) < self.capacity || self.closed.load(Relaxed)
    }

    /// The same of a receive.
    #[inline(always)]
    pub fn can_recv(&self) -> bool {
        let there = self.count.load(Acquire) > 0 || !self.senders.is_empty() || self.closed.load(Relaxed);
        there || self.kind == Kind::Timer
    }

    /// With the lock held: sends if that needs no waiting. A receiver that got the value is to be woken.
    ///
    /// # Safety
    /// The lock is held; `value` is readable for an element.
    #[inline(always)]
    pub(super) unsafe fn try_send(&self, value: *const u8, claimed: &mut Claimed) -> Moved {
        if self.closed.load(Relaxed) {
            return Moved::Closed;
        }
        if !self.receivers.is_empty() {
            if let Some(node) = self.receivers.claim() {
                // SAFETY: claimed by us: the receiver's memory is there until it is woken.
                unsafe { self.copy(node.value.get() as *mut u8, value) };
                tell(node, claimed);
                return Moved::Yes;
            }
        }
        let count = self.count.load(Relaxed);
        if count < self.capacity {
            // SAFETY: a free place of the buffer.
            unsafe { self.copy(self.place(self.wrap(self.head.get() + count)), value) };
            self.count.store(count + 1, Relaxed);
            return Moved::Yes;
        }
        Moved::No
    }

    /// With the lock held: receives if that needs no waiting. A sender whose value moved is to be woken.
    ///
    /// # Safety
    /// The lock is held; `out` is writable for an element, or null.
    #[inline(always)]
    pub(super) unsafe fn try_recv(&self, out: *mut u8, claimed: &mut Claimed) -> Moved {
        if self.kind == Kind::Timer {
            self.look_at_timer();
        }
        let count = self.count.load(Relaxed);
        if count > 0 {
            let head = self.head.get();
            let place = self.place(head);
            // SAFETY: the oldest value of the buffer.
            unsafe { self.copy(out, place) };
            self.head.set(self.wrap(head + 1));
            if !self.senders.is_empty() {
                if let Some(node) = self.senders.claim() {
                    // The buffer was full (C2): the place just freed is the tail.
                    // SAFETY: claimed by us: the sender's memory is there until it is woken.
                    unsafe { self.copy(place, node.value.get() as *const u8) };
                    tell(node, claimed);
                    return Moved::Yes;
                }
            }
            self.count.store(count - 1, Relaxed);
            return Moved::Yes;
        }
        if !self.senders.is_empty() {
            if let Some(node) = self.senders.claim() {
                // SAFETY: as above.
                unsafe { self.copy(out, node.value.get() as *const u8) };
                tell(node, claimed);
                return Moved::Yes;
            }
        }
        if self.closed.load(Relaxed) {
            // SAFETY: the caller's promise.
            unsafe { self.zero(out) };
            return Moved::Closed;
        }
        Moved::No
    }

    /// With the lock held, a timer's: puts `value` where a receiver finds it. False: the one before is still there.
    ///
    /// # Safety
    /// The lock is held.
    pub unsafe fn offer(&self, value: i64, claimed: &mut Claimed) -> bool {
        // SAFETY: an element of a timer's channel is an i64.
        unsafe { self.try_send((&raw const value).cast(), claimed) == Moved::Yes }
    }

    /// With the lock held, a timer's: takes back what nobody has received. True: there was something.
    pub fn take_back(&self) -> bool {
        self.count.swap(0, Relaxed) > 0
    }

    /// With the lock held, a timer's: what receives look at from now on.
    ///
    /// # Safety
    /// The lock is held, or nobody else knows the channel. `source.timer` is valid until another source is set.
    pub unsafe fn set_source(&self, source: Option<Source>) {
        // SAFETY: this kind of channel has room for it.
        unsafe { self.place(self.capacity).cast::<Option<Source>>().write(source) };
    }

    /// A receive finds what is due, although no machine has come to fire the timer yet (§23.8). While others wait, they are
    /// first, and have the machine to wait for.
    #[cold]
    fn look_at_timer(&self) {
        if !self.receivers.is_empty() {
            return;
        }
        // SAFETY: a timer's: it has a source, valid until another is set.
        unsafe {
            if let Some(source) = *self.place(self.capacity).cast::<Option<Source>>() {
                (source.look)(source.timer);
            }
        }
    }

    /// The lock, for a timer, whose state it guards too.
    pub fn lock_for_timer(&self) {
        self.lock.lock();
    }

    /// Ends [`Chan::lock_for_timer`].
    pub fn unlock_for_timer(&self) {
        self.lock.unlock();
    }

    #[inline(always)]
    fn wrap(&self, at: usize) -> usize {
        if at >= self.capacity {
            at - self.capacity
        } else {
            at
        }
    }

    #[inline(always)]
    fn place(&self, at: usize) -> *mut u8 {
        // The buffer lies behind the header, so the address is made from the whole allocation's.
        (self as *const Chan as *mut u8).wrapping_add(super::HEADER + at * self.elem_size())
    }

    /// # Safety
    /// Both are valid for an element, or `to` is null: then the value is thrown away.
    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, from: *const u8) {
        if to.is_null() {
            return;
        }
        // SAFETY: the caller's promise. One word at a time where that is the whole: a call of memmove costs more.
        unsafe {
            match self.elem {
                // Not as a number: it may hold padding, or a pointer.
                8 => to.cast::<MaybeUninit<u64>>().write_unaligned(from.cast::<MaybeUninit<u64>>().read_unaligned()),
                0 => {}
                n => std::ptr::copy(from, to, n as usize),
            }
        }
    }

    /// # Safety
    /// `to` is writable for an element, or null.
    pub(super) unsafe fn zero(&self, to: *mut u8) {
        if !to.is_null() {
            // SAFETY: the caller's promise.
            unsafe { to.write_bytes(0, self.elem_size()) };
        }
    }
}

/// Says to a claimed waiter which of its cases it was.
#[inline(always)]
fn tell(node: &Node, claimed: &mut Claimed) {
    // SAFETY: claimed by the caller.
    let waiter: &Waiter = unsafe { node.waiter() };
    waiter.chosen.set(node.tag.get());
    claimed.push(node);
}
