//! Channels (§19): values of one size, handed from task to task, first in, first out.
//!
//! Owns: the record of a channel, its life and its two queues. How values move is in `transfer.rs`, waiting in `wait.rs`,
//! the choice among several in `select.rs`, the typed form for Rust in `typed.rs`.
//!
//! Always true:
//!  - C1. Everything but the hints is touched with the lock held. What may be read without (`Relaxed`: the count, whether it is
//!        closed, whether somebody waits) only tells whether trying is worth while; a try decides under the lock.
//!  - C2. Values in the buffer: no receiver waits. Room in the buffer: no sender waits. (Waiters whose wait has ended
//!        otherwise and who are about to leave do not count.)
//!  - C3. A value moves under the lock, straight from or to the waiter's memory, after the waiter was claimed and before it is
//!        woken: who is woken is through, and touches the channel no more.
//!  - C4. The memory is given back when no reference and no waiter is left, by whoever was last. So a channel may be freed as
//!        soon as the last value was received, and while others wait: they stay until their wait ends.
//!  - C5. In a fork's child a channel of the parent's is a copy whose lock may be held by nobody: every use answers `Forked`, and
//!        its memory stays.
//!
//! Called by: any task or thread. Blocks: `send`, `recv`, `select`; the lock for the time of a copy.
//! Model: `model/chan.rs`, breaking switches `ChanUnlockedCheck`, `ChanFreeUnasked`, `ChanCountUnlocked`.

pub mod select;
mod transfer;
pub mod wait;

#[cfg(not(loom))]
pub mod typed;
#[cfg(not(loom))]
pub mod typed_select;

use crate::base::error::{Error, Result};
use crate::base::lock::Lock;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{forks, AtomicBool, AtomicUsize, Cell, Ordering::*};
use crate::task::wait_queue::{Claimed, Node, WaitQueue};
use std::alloc::{alloc, dealloc, Layout};
use std::ptr::NonNull;

pub use transfer::{Moved, Source};

/// The largest element (§19: Go's bound).
pub const MAX_ELEM: usize = 65_535;

/// A channel. It lies in memory of its own, with its buffer behind it; [`Channel`] is a reference to one.
#[repr(C)]
#[derive(Debug)]
pub struct Chan {
    lock: Lock,
    closed: AtomicBool,
    kind: Kind,
    elem: u32,
    /// The process that made it (`forks`).
    process: u32,
    count: AtomicUsize,
    /// Those who wait to receive, and to send.
    receivers: WaitQueue,
    senders: WaitQueue,
    capacity: usize,
    /// Where the oldest value lies.
    head: Cell<usize>,
    refs: AtomicUsize,
}

/// Who sends and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Only a timer sends; it looks unbuffered from outside (§23.8).
    Timer,
    /// Only a context closes it; nobody sends.
    Context,
    /// Only signals are put in, and they stop when the last reference goes.
    #[cfg(not(loom))]
    Signals,
}

// SAFETY: C1.
unsafe impl Sync for Chan {}
// SAFETY: as above.
unsafe impl Send for Chan {}

const HEADER: usize = std::mem::size_of::<Chan>().next_multiple_of(16);

fn layout(elem: usize, capacity: usize, kind: Kind) -> Option<Layout> {
    let behind = if kind == Kind::Timer { std::mem::size_of::<Source>() } else { 0 };
    let buffer = elem.checked_mul(capacity)?.checked_add(behind)?;
    Layout::from_size_align(HEADER.checked_add(buffer)?, 16).ok()
}

impl Chan {
    /// A channel for elements of `elem` bytes with room for `capacity`; one reference. `Invalid`: the sizes are too large;
    /// `NoMemory`.
    pub fn new(elem: usize, capacity: usize) -> Result<NonNull<Chan>> {
        Chan::with_kind(elem, capacity, Kind::Plain)
    }

    /// A timer's, which receives look at `source` before.
    pub fn for_timer() -> Result<NonNull<Chan>> {
        let at = Chan::with_kind(std::mem::size_of::<i64>(), 1, Kind::Timer)?;
        // SAFETY: just made.
        unsafe { at.as_ref().set_source(None) };
        Ok(at)
    }

    /// A context's: closed when it ends. `process`: the context's (C5).
    pub fn for_context(process: u32) -> Result<NonNull<Chan>> {
        let made = Chan::with_kind(0, 0, Kind::Context)?;
        // SAFETY: just made.
        unsafe { (*made.as_ptr()).process = process };
        Ok(made)
    }

    /// For numbers of signals (`io/signal.rs`).
    #[cfg(not(loom))]
    pub fn for_signals(capacity: usize) -> Result<NonNull<Chan>> {
        Chan::with_kind(std::mem::size_of::<i32>(), capacity, Kind::Signals)
    }

    fn with_kind(elem: usize, capacity: usize, kind: Kind) -> Result<NonNull<Chan>> {
        if elem > MAX_ELEM {
            return Err(Error::Invalid);
        }
        let layout = layout(elem, capacity, kind).ok_or(Error::Invalid)?;
        // SAFETY: the layout is not zero-sized.
        let at = NonNull::new(unsafe { alloc(layout) } as *mut Chan).ok_or(Error::NoMemory)?;
        // SAFETY: freshly allocated, with room for the header.
        unsafe {
            at.as_ptr().write(Chan {
                lock: Lock::new(),
                closed: AtomicBool::new(false),
                kind,
                elem: elem as u32,
                process: forks(),
                count: AtomicUsize::new(0),
                receivers: WaitQueue::default(),
                senders: WaitQueue::default(),
                capacity,
                head: Cell::new(0),
                refs: AtomicUsize::new(1),
            })
        };
        Ok(at)
    }

    /// C5.
    #[inline(always)]
    pub fn is_here(&self) -> Result<()> {
        if self.process == forks() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    /// Bytes of an element.
    #[inline(always)]
    pub fn elem_size(&self) -> usize {
        self.elem as usize
    }

    /// Values in the buffer, at some moment during the call.
    pub fn len(&self) -> usize {
        if self.kind == Kind::Timer {
            return 0;
        }
        self.count.load(Relaxed)
    }

    /// True when the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values that the buffer has room for.
    pub fn capacity(&self) -> usize {
        if self.kind == Kind::Timer {
            return 0;
        }
        self.capacity
    }

    /// True when users send and close: it is not a timer's or context's, nor one for signals.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        self.kind == Kind::Plain
    }

    /// One more reference.
    pub fn retain(&self) {
        self.refs.fetch_add(1, Relaxed);
    }

    /// Drops a reference.
    ///
    /// # Safety
    /// The reference is the caller's, and not used after.
    pub unsafe fn release(this: *const Chan) {
        // SAFETY: the caller's reference keeps it until the count is down.
        unsafe {
            #[cfg(loom)]
            if Break::ChanCountUnlocked.is_on() {
                if (*this).refs.fetch_sub(1, AcqRel) == 1 {
                    (*this).lock.lock();
                    Chan::unlock_or_free(this);
                }
                return;
            }
            let mut refs = (*this).refs.load(Relaxed);
            while refs > 1 {
                // Release: what was done through this reference comes before the end.
                match (*this).refs.compare_exchange_weak(refs, refs - 1, Release, Relaxed) {
                    Ok(_) => return,
                    Err(now) => refs = now,
                }
            }
            if (*this).is_here().is_err() {
                return;
            }
            #[cfg(not(loom))]
            if (*this).kind == Kind::Signals {
                crate::io::signal::forget(this);
            }
            // The last: nobody can make another. With the lock held, or a waiter that leaves would find none and free it
            // before we have the lock. Acquire: all that was done through the others.
            (*this).lock.lock();
            (*this).refs.fetch_sub(1, AcqRel);
            Chan::unlock_or_free(this);
        }
    }

    /// With the lock held: unlocks, or frees the memory if nobody is left (C4).
    ///
    /// # Safety
    /// The lock is held, and the caller does not use the channel after unless it has a reference.
    unsafe fn unlock_or_free(this: *const Chan) {
        // SAFETY: with the lock held it is there; without references and waiters nobody else can come.
        unsafe {
            let c = &*this;
            #[cfg(loom)]
            if Break::ChanFreeUnasked.is_on() && c.refs.load(Acquire) == 0 {
                return c.given_back();
            }
            if c.refs.load(Acquire) != 0 || !c.receivers.is_empty() || !c.senders.is_empty() {
                return c.lock.unlock();
            }
            #[cfg(loom)]
            return c.given_back();
            #[cfg(not(loom))]
            Chan::free_memory(this);
        }
    }

    unsafe fn free_memory(this: *const Chan) {
        // SAFETY: the caller is the last.
        unsafe {
            let layout = layout((*this).elem_size(), (*this).capacity, (*this).kind).expect("checked when it was made");
            dealloc(this as *mut u8, layout);
        }
    }

    /// Closes the channel: values in the buffer can still be received, then receives answer `Closed`, as sends do from now
    /// on. All who wait are claimed: the caller wakes them. `Misuse` when it is closed already.
    pub fn close_claiming(&self) -> Result<Claimed> {
        self.is_here()?;
        self.lock.lock();
        if self.closed.load(Relaxed) {
            self.lock.unlock();
            return Err(Error::Misuse);
        }
        self.closed.store(true, Relaxed);
        let mut claimed = Claimed::none();
        self.receivers.claim_all(|node| {
            // SAFETY: claimed by us, so its memory for the value is there.
            unsafe { self.zero(node.value.get() as *mut u8) };
            tell_closed(node, &mut claimed);
        });
        self.senders.claim_all(|node| tell_closed(node, &mut claimed));
        self.lock.unlock();
        Ok(claimed)
    }

    /// Takes a node out of its queue.
    ///
    /// # Safety
    /// The node is its caller's own, and in `this` channel or claimed; in it, it keeps the channel (C4).
    unsafe fn leave(this: *const Chan, node: &Node, sends: bool) {
        // SAFETY: the caller's promise.
        unsafe {
            (*this).lock.lock();
            let queue = if sends { &(*this).senders } else { &(*this).receivers };
            queue.remove(node);
            Chan::unlock_or_free(this);
        }
    }
}

fn tell_closed(node: &Node, claimed: &mut Claimed) {
    // SAFETY: claimed by the caller.
    let waiter = unsafe { node.waiter() };
    waiter.chosen.set(node.tag.get());
    waiter.closed.set(true);
    claimed.push(node);
}

#[cfg(loom)]
impl Chan {
    const GONE: usize = usize::MAX;

    /// Its memory is given back: an access that is not over by now is an error of the protocol, which loom reports. The
    /// memory stays for those that come later; the model frees it.
    unsafe fn given_back(&self) {
        // SAFETY: no reference is used during the call.
        unsafe {
            let this = self as *const Chan as *mut Chan;
            (*this).refs.with_mut(|refs| assert_eq!(std::mem::replace(refs, Chan::GONE), 0, "freed once, by the last"));
            (*this).count.with_mut(|_| ());
            (*this).head.set(0);
            std::ptr::drop_in_place(this);
        }
    }

    /// At the end of a model: True when it was given back. Its memory goes.
    ///
    /// # Safety
    /// Nobody uses it any more.
    pub unsafe fn end(this: NonNull<Chan>) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            let gone = this.as_ref().refs.load(Relaxed) == Chan::GONE;
            Chan::free_memory(this.as_ptr());
            gone
        }
    }
}

/// A reference to a channel.
#[derive(Debug)]
pub struct Channel(NonNull<Chan>);

// SAFETY: a channel is made for all threads.
unsafe impl Send for Channel {}
// SAFETY: as above.
unsafe impl Sync for Channel {}

impl Channel {
    /// See [`Chan::new`].
    pub fn new(elem: usize, capacity: usize) -> Result<Channel> {
        Chan::new(elem, capacity).map(Channel)
    }

    /// Takes a reference over.
    ///
    /// # Safety
    /// The reference is the caller's to give.
    pub unsafe fn from_raw(chan: NonNull<Chan>) -> Channel {
        Channel(chan)
    }

    /// The reference, for C.
    pub fn into_raw(self) -> *mut Chan {
        std::mem::ManuallyDrop::new(self).0.as_ptr()
    }

    /// Its address.
    pub fn as_ptr(&self) -> *const Chan {
        self.0.as_ptr()
    }
}

impl Clone for Channel {
    fn clone(&self) -> Channel {
        self.retain();
        Channel(self.0)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: our own reference.
        unsafe { Chan::release(self.0.as_ptr()) };
    }
}

impl std::ops::Deref for Channel {
    type Target = Chan;
    fn deref(&self) -> &Chan {
        // SAFETY: our reference keeps it.
        unsafe { self.0.as_ref() }
    }
}
