//! Who waits for a lock: first in, first out.
//!
//! Owns: the node, which lies on the waiting call's stack, and the queue that links nodes.
//!
//! Always true:
//!  - Q1. Queues and nodes are touched with the GIL held only. A node is out of its queue before its call returns.
//!  - Q2. Who takes a node claims its waiter, marks it as granted and signals it, once. A waiter that was interrupted
//!    (the interpreter's exit, a cancel) claims itself; `take` passes it over.
//!  - Q3. A granted node keeps what it was given, or passes it on, however its wait ended.
//!  - Q4. Nodes of a fork's parent are never touched in the child: their stacks are not there.
//!
//! Called by the locks. `sleep` and `signal` enter the runtime, where others may have their turn; `arm` too.

use crate::wait::{self, Waiter, Wake};
use crate::{errors, exit, shim};
use std::ptr;

/// One waiting call. Not moved while queued or waited on.
pub struct Node {
    waiter: Waiter,
    prev: *mut Node,
    next: *mut Node,
    /// The queue it is in, or null.
    queue: *mut Queue,
    /// The fork generation that it was queued in.
    epoch: u32,
    /// Taken out by someone who gave it something; the queue's owner says what.
    pub granted: bool,
    /// The owner's word about the node: what it waits for, or what it was given.
    pub kind: u8,
}

/// The nodes that wait for one thing. All-zero is empty.
pub struct Queue {
    head: *mut Node,
    tail: *mut Node,
}

impl Node {
    pub fn new(kind: u8) -> Self {
        let null = ptr::null_mut();
        Node { waiter: Waiter::new(), prev: null, next: null, queue: ptr::null_mut(), epoch: 0, granted: false, kind }
    }

    /// Makes the node ready to be waited on; once, before it is pushed. Others may have their turn meanwhile.
    pub fn arm(&mut self) {
        self.waiter.arm();
    }

    /// Takes the node out of its queue, if it is in one.
    ///
    /// # Safety
    /// The GIL is held and the queue, if any, lives.
    unsafe fn unlink(node: *mut Node) {
        // SAFETY: as the caller promises; the node of a fork's parent is in no queue of this process.
        unsafe {
            let queue = std::mem::replace(&mut (*node).queue, ptr::null_mut());
            if !queue.is_null() && (*node).epoch == exit::epoch() {
                (*queue).remove(node);
            }
        }
    }

    /// Waits until the node is signaled or the deadline passes; then it is in no queue, and `granted` is settled.
    ///
    /// # Safety
    /// The GIL is held; the node is armed and was pushed to a queue that lives until this returns.
    pub unsafe fn sleep(node: *mut Node, deadline: i64) -> Wake {
        // SAFETY: as the caller promises.
        unsafe {
            let woke = wait::wait(&raw mut (*node).waiter, deadline);
            Node::unlink(node);
            if woke != Wake::Signaled && (*node).waiter.is_claimed() {
                (*node).waiter.wait_claimed();
            }
            woke
        }
    }

    /// Takes a node back that was pushed and will not sleep; then `granted` is settled.
    ///
    /// # Safety
    /// As `sleep`.
    pub unsafe fn withdraw(node: *mut Node) {
        // SAFETY: as `sleep`; nobody but a taker can have claimed it.
        unsafe {
            Node::unlink(node);
            if (*node).waiter.is_claimed() {
                (*node).waiter.wait_claimed();
            }
        }
    }

    /// Wakes a node from `take`. It may be gone when this returns, and others may have had their turn.
    ///
    /// # Safety
    /// The GIL is held; the caller took the node and has not signaled it yet.
    pub unsafe fn signal(node: *mut Node) {
        // SAFETY: a claimed waiter lives until it is signaled.
        unsafe { Waiter::signal(&raw mut (*node).waiter) }
    }
}

/// Nodes that were taken and are to be signaled, first in first out.
pub struct Chain {
    first: *mut Node,
    last: *mut Node,
}

impl Chain {
    pub fn new() -> Self {
        Chain { first: ptr::null_mut(), last: ptr::null_mut() }
    }

    /// # Safety
    /// The node was taken and not signaled; it is in no chain.
    pub unsafe fn add(&mut self, node: *mut Node) {
        if self.first.is_null() {
            self.first = node;
        } else {
            // SAFETY: a taken node lives until it is signaled.
            unsafe { (*self.last).next = node };
        }
        self.last = node;
    }

    /// Signals all of them; others may have their turn meanwhile.
    ///
    /// # Safety
    /// The GIL is held.
    pub unsafe fn signal(self) {
        let mut at = self.first;
        while !at.is_null() {
            // SAFETY: a claimed waiter lives until it is signaled, so its successor is read first.
            unsafe {
                let next = (*at).next;
                Node::signal(at);
                at = next;
            }
        }
    }
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Forgets the nodes of a fork's parent.
    pub fn forget(&mut self) {
        self.head = ptr::null_mut();
        self.tail = ptr::null_mut();
    }

    /// # Safety
    /// The GIL is held; the node is armed, in no queue, and stays in place until it has slept.
    pub unsafe fn push(&mut self, node: *mut Node) {
        // SAFETY: the tail is a queued node or null.
        unsafe {
            (*node).queue = self;
            (*node).epoch = exit::epoch();
            (*node).next = ptr::null_mut();
            (*node).prev = self.tail;
            if self.tail.is_null() {
                self.head = node;
            } else {
                (*self.tail).next = node;
            }
        }
        self.tail = node;
    }

    /// As `push`, but before all others.
    ///
    /// # Safety
    /// As `push`.
    pub unsafe fn push_front(&mut self, node: *mut Node) {
        // SAFETY: the head is a queued node or null.
        unsafe {
            (*node).queue = self;
            (*node).epoch = exit::epoch();
            (*node).prev = ptr::null_mut();
            (*node).next = self.head;
            if self.head.is_null() {
                self.tail = node;
            } else {
                (*self.head).prev = node;
            }
        }
        self.head = node;
    }

    /// The node that `take` would take, or null.
    ///
    /// # Safety
    /// The GIL is held.
    pub unsafe fn first(&mut self) -> *mut Node {
        // SAFETY: queued nodes live.
        unsafe {
            while !self.head.is_null() && (*self.head).waiter.is_claimed() {
                let node = self.head;
                self.remove(node);
                (*node).queue = ptr::null_mut();
            }
        }
        self.head
    }

    /// # Safety
    /// The node is in this queue.
    unsafe fn remove(&mut self, node: *mut Node) {
        // SAFETY: the neighbours of a queued node of this process are queued nodes.
        unsafe {
            let (prev, next) = ((*node).prev, (*node).next);
            if prev.is_null() {
                self.head = next;
            } else {
                (*prev).next = next;
            }
            if next.is_null() {
                self.tail = prev;
            } else {
                (*next).prev = prev;
            }
        }
    }

    /// Takes the first node that still waits, and marks it as granted; null when there is none. To be signaled.
    ///
    /// # Safety
    /// The GIL is held.
    pub unsafe fn take(&mut self) -> *mut Node {
        // SAFETY: queued nodes live.
        unsafe {
            let node = self.first();
            if !node.is_null() {
                self.remove(node);
                (*node).queue = ptr::null_mut();
                (*node).next = ptr::null_mut();
                (*node).waiter.claim();
                (*node).granted = true;
            }
            node
        }
    }

    /// Takes up to `most` nodes, to be signaled, and says how many.
    ///
    /// # Safety
    /// The GIL is held.
    pub unsafe fn take_some(&mut self, most: usize) -> (Chain, usize) {
        let mut chain = Chain::new();
        let mut count = 0;
        while count < most {
            // SAFETY: the GIL is held.
            unsafe {
                let node = self.take();
                if node.is_null() {
                    break;
                }
                chain.add(node);
            }
            count += 1;
        }
        (chain, count)
    }
}

/// Whether the caller may signal: not from a native task that called back into Python, which might come out of the
/// runtime on another thread while it holds the GIL. False with an exception set.
///
/// # Safety
/// The GIL is held.
pub unsafe fn may_signal() -> bool {
    // SAFETY: the GIL is held.
    unsafe {
        let native = shim::shim_caller() == shim::CALLER_NATIVE_TASK;
        if native {
            errors::MISUSE.raise(c"a native task that calls into Python cannot wake others there");
        }
        !native
    }
}
