//! What the waits and wakes of all sync objects have in common.
//!
//! Owns: the place of one wait in an object's queue, and the steps into and out of the runtime around a call.
//!
//! Always true:
//!  - P1. An object decides under its lock, by claiming waiters in its queue (`task/wait_queue.rs`); who was claimed is
//!        woken after the unlock, which is the last touch of the object. So a claimed waiter whose wake frees the object
//!        frees nothing that is still used.
//!  - P2. The lock is never held across a switch, nor across a wake.
//!
//! Called by: the sync objects. Blocks: nothing by itself.

use crate::join::exit_current;
use crate::machine::owner::SEEDED;
use crate::machine::Machine;
use crate::primitive::tls;
use crate::sched::wait::{Enlisted, Object};
use crate::sched::{attach, enter, ready, Inside};
use crate::task::wait_queue::{Claimed, Node};
use crate::task::waiter::Waiter;
use crate::task::Task;
use std::cell::UnsafeCell;
use std::ptr::null;

/// Records begin at multiples of this.
const RECORD: usize = 128;

/// An object as one waiting party sees it.
pub trait Queued {
    /// Locks the object; completes the operation (None), or puts `node` in and arms it, as the last step before the unlock.
    /// What `arm` said; when that was false, the node is out again.
    fn enlist(&self, node: &Node, arm: impl FnOnce() -> bool) -> Option<bool>;

    /// What is waited for, for reports; 0: nothing that has an address.
    fn address(&self) -> usize {
        0
    }

    /// Takes out the node of a waiter that has stopped waiting. Who may go on because of that.
    fn leave(&self, node: &Node) -> Claimed;
}

/// One party's place in an object's queue. On the waiting side's stack.
pub struct Place<Q> {
    pub object: Q,
    node: UnsafeCell<Node>,
}

impl<Q: Queued> Place<Q> {
    /// For one wait after the other; `value` is the object's.
    pub fn new(object: Q, value: usize) -> Place<Q> {
        Place { object, node: UnsafeCell::new(Node::new(null(), value, 0)) }
    }

    /// What the claimer left in the node: 0 if nothing. After the wait.
    pub fn tag(&self) -> u32 {
        // SAFETY: after the wait the node is the waiting party's own.
        unsafe { (*self.node.get()).tag.get() }
    }
}

// SAFETY: `Queued::enlist` arms before its unlock.
unsafe impl<Q: Queued> Object for Place<Q> {
    #[inline(always)]
    fn address(&self) -> usize {
        self.object.address()
    }

    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted {
        // SAFETY: not in the queue yet, so nobody else's; from then on it stays until the wait has ended.
        let node = unsafe {
            let value = (*self.node.get()).value.get();
            *self.node.get() = Node::new(waiter, value, 0);
            &*self.node.get()
        };
        match self.object.enlist(node, || waiter.arm()) {
            None => Enlisted::Done,
            Some(true) => Enlisted::Waits,
            Some(false) => Enlisted::Expired,
        }
    }

    unsafe fn leave(&self, waiter: &Waiter) {
        // SAFETY: the node is in the queue, or was taken out under the lock.
        let claimed = self.object.leave(unsafe { &*self.node.get() });
        // SAFETY: claimed by us; called by the waiting party itself.
        unsafe { ready::finish_all(side_of(waiter), claimed) };
    }
}

/// Where the side of `waiter` that calls is: inside if it is a task's.
///
/// # Safety
/// Called by the waiting party, or in the commit of its park; the waiter is not armed yet, or its wait is over.
pub unsafe fn side_of(waiter: &Waiter) -> Option<Inside> {
    // SAFETY: a task waits inside.
    (!waiter.task().is_null()).then(|| unsafe { Inside::current() })
}

/// After a wait: where the caller is now, which may be another machine.
pub fn again(i: Option<Inside>) -> Option<Inside> {
    // SAFETY: a task that waited is inside.
    i.map(|_| unsafe { Inside::current() })
}

/// Runs `f` inside the runtime if the caller is a task; `f` may wait.
#[inline(always)]
pub fn inside<R>(f: impl FnOnce(Option<Inside>) -> R) -> R {
    let i = enter::enter();
    let result = f(i);
    if i.is_some() {
        exit_current();
    }
    result
}

/// Wakes who was claimed; if nobody was, lets others go first who have waited for long. From a task or a thread that is
/// outside.
#[inline(always)]
pub fn wake(claimed: Claimed) {
    if !claimed.is_empty() {
        wake_some(claimed);
    } else {
        checkpoint();
    }
}

/// Lets others go first who have waited for long.
#[inline(always)]
pub fn checkpoint() {
    if is_asked() {
        let_others();
    }
}

/// True when others have waited for long for the caller's processor. A task that does nothing but lock and unlock what
/// nobody else wants comes by nowhere else.
#[inline(always)]
pub fn is_asked() -> bool {
    let m = tls::get() as *const Machine;
    if m.is_null() {
        attach::note();
        return false;
    }
    // SAFETY: a non-null word is this thread's machine.
    unsafe { (*m).owner.requested() != 0 }
}

/// Who has just taken a lock, for reports: the bits of the task's record's address that tell it from others, 0 for a thread; and
/// [`is_asked`]'s answer.
#[inline(always)]
pub fn caller() -> (u32, bool) {
    let m = tls::get() as *const Machine;
    if m.is_null() {
        attach::note();
        return (0, false);
    }
    // SAFETY: a non-null word is this thread's machine. The task is not looked at.
    unsafe { (mark_of((*m).current.get()), (*m).owner.requested() != 0) }
}

/// What [`caller`] calls a task.
#[inline(always)]
pub fn mark_of(task: *const Task) -> u32 {
    (task as usize / RECORD) as u32
}

/// By who has just locked `mutex`, and was asked for the processor: the unlock lets others on it. In a seeded runtime the
/// lock is a moment to do so too.
#[cold]
#[inline(never)]
pub fn asked(mutex: &super::mutex::Mutex) {
    mutex.ask();
    let m = tls::get() as *const Machine;
    // SAFETY: a non-null word is this thread's machine.
    if !m.is_null() && unsafe { (*m).owner.requested() } & SEEDED != 0 {
        let_others();
    }
}

#[cold]
#[inline(never)]
fn let_others() {
    // The slow way of `enter` does what is requested.
    inside(|_| ());
}

#[cold]
#[inline(never)]
fn wake_some(claimed: Claimed) {
    let i = enter::enter();
    // SAFETY: claimed by the caller.
    unsafe { ready::finish_all(i, claimed) };
    if let Some(i) = i {
        i.exit();
    }
}
