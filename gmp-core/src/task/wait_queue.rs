//! The wait queue: those who wait for one object, oldest first. The one queue under channels, select and all sync objects.
//!
//! Owns: a ring of nodes, which lie on the waiters' stacks, and one word that names the oldest (all-zero: empty).
//!
//! Always true:
//!  - Q1. The ring and its nodes' links are touched with the object's lock held. (`is_empty` may be asked without: a hint.)
//!  - Q2. A node leaves by the waker that has claimed its waiter, or by its own waiter. A waker that loses the claim leaves
//!        the node where it is and looks at the next: so a waiter whose wait ended otherwise finds its node in place, and an
//!        object with a node in it is not freed under the waiter.
//!  - Q3. What was claimed under the lock is woken after it, in [`Claimed`]'s order: until then the waiters cannot go on, so
//!        their nodes and buffers stay.

use super::waiter::Waiter;
use crate::primitive::{AtomicPtr, Cell, Ordering::*};
use std::ptr::{null, null_mut};

/// One waiter's place in one object.
#[derive(Debug)]
pub struct Node {
    next: Cell<*const Node>,
    prev: Cell<*const Node>,
    waiter: *const Waiter,
    /// The object's: where a value is read from or written to, or how much is asked for.
    pub value: Cell<usize>,
    /// The object's: which case of a select, or which kind of wait.
    pub tag: Cell<u32>,
}

impl Node {
    /// For `waiter`, in no queue.
    #[inline(always)]
    pub fn new(waiter: *const Waiter, value: usize, tag: u32) -> Node {
        Node { next: Cell::new(null()), prev: Cell::new(null()), waiter, value: Cell::new(value), tag: Cell::new(tag) }
    }

    /// Whose it is.
    ///
    /// # Safety
    /// The node is in a queue whose lock is held, or its waiter is claimed by the caller.
    #[inline(always)]
    pub unsafe fn waiter<'a>(&self) -> &'a Waiter {
        // SAFETY: the caller's promise.
        unsafe { &*self.waiter }
    }

    /// True while it is in a queue. Under the lock, or for its own waiter after the wait.
    #[inline(always)]
    pub fn is_queued(&self) -> bool {
        !self.next.get().is_null()
    }
}

/// See the module.
#[repr(transparent)]
#[derive(Debug)]
pub struct WaitQueue {
    oldest: AtomicPtr<Node>,
}

impl Default for WaitQueue {
    fn default() -> Self {
        WaitQueue { oldest: AtomicPtr::new(null_mut()) }
    }
}

impl WaitQueue {
    /// True when nobody waits; without the lock a hint. (Acquire: what is looked at next is looked at after.)
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.oldest.load(Acquire).is_null()
    }

    fn set(&self, node: *const Node) {
        self.oldest.store(node as *mut Node, Relaxed);
    }

    /// Adds a node as the youngest.
    #[inline(always)]
    pub fn push(&self, node: &Node) {
        let oldest = self.oldest.load(Relaxed) as *const Node;
        if oldest.is_null() {
            node.next.set(node);
            node.prev.set(node);
            self.set(node);
            return;
        }
        // SAFETY: Q1: the ring is ours.
        unsafe {
            let youngest = (*oldest).prev.replace(node);
            node.prev.set(youngest);
            node.next.set(oldest);
            (*youngest).next.set(node);
        }
    }

    /// Adds a node as the oldest: it has waited before.
    pub fn push_front(&self, node: &Node) {
        self.push(node);
        self.set(node);
    }

    /// Takes a node out, if it is in.
    #[inline(always)]
    pub fn remove(&self, node: &Node) -> bool {
        if !node.is_queued() {
            return false;
        }
        let (next, prev) = (node.next.replace(null()), node.prev.replace(null()));
        if std::ptr::eq(next, node) {
            self.set(null());
            return true;
        }
        // SAFETY: Q1: the ring is ours.
        unsafe {
            (*next).prev.set(prev);
            (*prev).next.set(next);
        }
        if std::ptr::eq(self.oldest.load(Relaxed), node) {
            self.set(next);
        }
        true
    }

    /// The oldest node, whoever may have claimed it.
    pub fn first<'a>(&self) -> Option<&'a Node> {
        // SAFETY: Q1: under the lock, nodes in the ring are valid.
        unsafe { (self.oldest.load(Relaxed) as *const Node).as_ref() }
    }

    /// Claims the oldest waiter that can be, takes its node out, and gives it.
    #[inline(always)]
    pub fn claim<'a>(&self) -> Option<&'a Node> {
        self.claim_if(|_| true)
    }

    /// The same, as far as `fits`: the first node that does not fit ends it, so nobody is overtaken.
    #[inline(always)]
    pub fn claim_if<'a>(&self, fits: impl Fn(&Node) -> bool) -> Option<&'a Node> {
        let oldest = self.oldest.load(Relaxed) as *const Node;
        let mut at = oldest;
        while !at.is_null() {
            // SAFETY: Q1: the ring is ours, its nodes and waiters are valid.
            let node = unsafe { &*at };
            // SAFETY: as above. (A waiter that has ended otherwise stands in nobody's way.)
            let waiter = unsafe { node.waiter() };
            let next = node.next.get();
            if waiter.ended().is_none() {
                if !fits(node) {
                    return None;
                }
                if waiter.word().claim() {
                    self.remove(node);
                    return Some(node);
                }
            }
            at = if std::ptr::eq(next, oldest) { null() } else { next };
        }
        None
    }

    /// Claims every waiter that can be and that `fits`, oldest first; others stay.
    pub fn claim_which(&self, fits: impl Fn(&Node) -> bool, mut each: impl FnMut(&Node)) {
        let oldest = self.oldest.load(Relaxed) as *const Node;
        // SAFETY: Q1: the ring is ours, its nodes and waiters are valid.
        let Some(first) = (unsafe { oldest.as_ref() }) else { return };
        let last = first.prev.get();
        let mut at = oldest;
        loop {
            // SAFETY: as above; the next one is read before this one may leave.
            let node = unsafe { &*at };
            let (next, is_last) = (node.next.get(), std::ptr::eq(at, last));
            // SAFETY: as above.
            let waiter = unsafe { node.waiter() };
            if waiter.ended().is_none() && fits(node) && waiter.word().claim() {
                self.remove(node);
                each(node);
            }
            if is_last {
                return;
            }
            at = next;
        }
    }

    /// Claims every waiter that can be, oldest first.
    pub fn claim_all(&self, mut each: impl FnMut(&Node)) {
        while let Some(node) = self.claim() {
            each(node);
        }
    }
}

/// Claimed waiters, to be woken once the object's lock is given up.
#[derive(Debug)]
#[must_use = "the waiters must be woken"]
pub struct Claimed {
    first: *const Waiter,
    last: *const Waiter,
}

impl Claimed {
    /// None.
    #[inline(always)]
    pub fn none() -> Claimed {
        Claimed { first: null(), last: null() }
    }

    /// Adds the waiter of a claimed node.
    #[inline(always)]
    pub fn push(&mut self, node: &Node) {
        let waiter: *const Waiter = node.waiter;
        // SAFETY: claimed by the caller, as are those in the list.
        unsafe {
            (*waiter).next.set(null());
            match self.last.as_ref() {
                Some(last) => last.next.set(waiter),
                None => self.first = waiter,
            }
        }
        self.last = waiter;
    }

    /// Adds another list behind this one.
    pub fn append(&mut self, other: Claimed) {
        if other.is_empty() {
            return;
        }
        // SAFETY: claimed by the caller, as are those in the list.
        match unsafe { self.last.as_ref() } {
            Some(last) => last.next.set(other.first),
            None => self.first = other.first,
        }
        self.last = other.last;
    }

    /// True when there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// The next to wake; it may go on as soon as it is woken.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<*const Waiter> {
        let first = self.first;
        // SAFETY: as in `push`.
        let waiter = unsafe { first.as_ref() }?;
        self.first = waiter.next.get();
        Some(first)
    }
}

#[cfg(loom)]
impl Drop for WaitQueue {
    /// Its memory is given back: an access that is not over by now is an error of the protocol, which loom reports.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.oldest.with_mut(|oldest| assert!(oldest.is_null(), "somebody still waits"));
        }
    }
}

#[cfg(loom)]
impl Drop for Node {
    /// As for a queue.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(!self.is_queued(), "a node leaves its queue before its memory goes");
            self.prev.set(null());
            self.value.set(0);
            self.tag.set(0);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn armed(n: usize) -> Vec<Waiter> {
        let waiters: Vec<Waiter> = (0..n).map(|_| Waiter::for_thread(std::ptr::null())).collect();
        for w in &waiters {
            w.begin(crate::task::wait_word::Enders::Several, false);
            assert!(w.arm());
        }
        waiters
    }

    #[test]
    fn claims_oldest_first_and_skips_those_whose_wait_has_ended() {
        let waiters = armed(4);
        let nodes: Vec<Node> = waiters.iter().enumerate().map(|(n, w)| Node::new(w, n, 0)).collect();
        let queue = WaitQueue::default();
        nodes.iter().for_each(|n| queue.push(n));
        let _won = waiters[1].word().expire();
        assert!(queue.remove(&nodes[2]));
        assert!(!queue.remove(&nodes[2]));
        assert_eq!(queue.claim().map(|n| n.value.get()), Some(0));
        assert_eq!(queue.claim().map(|n| n.value.get()), Some(3));
        assert!(queue.claim().is_none());
        assert!(!queue.is_empty() && nodes[1].is_queued());
        assert!(queue.remove(&nodes[1]));
        assert!(queue.is_empty());
    }

    #[test]
    fn nobody_is_overtaken_by_one_that_fits() {
        let waiters = armed(3);
        let nodes: Vec<Node> = waiters.iter().zip([5, 1, 2]).map(|(w, n)| Node::new(w, n, 0)).collect();
        let queue = WaitQueue::default();
        queue.push(&nodes[1]);
        queue.push(&nodes[2]);
        queue.push_front(&nodes[0]);
        assert!(queue.claim_if(|n| n.value.get() <= 4).is_none());
        assert_eq!(queue.claim_if(|n| n.value.get() <= 5).map(|n| n.value.get()), Some(5));
        let mut claimed = Claimed::none();
        queue.claim_all(|n| claimed.push(n));
        assert_eq!(claimed.pop(), Some(&waiters[1] as *const Waiter));
        assert_eq!(claimed.pop(), Some(&waiters[2] as *const Waiter));
        assert_eq!(claimed.pop(), None);
    }
}
