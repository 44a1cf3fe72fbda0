//! A machine's inbox: what only this machine may run.
//!
//! Owns: the way of a pinned task (or of an exclusive class's ticket) to its machine.
//! Always true: after `deliver` the machine will look: it is awake and looks before it sleeps, or it is woken with
//! an idle processor, or its ticket stands in the global queue, and whoever takes that ticket gives it its own
//! processor (as Go does for a locked thread, §14.2).

use super::{ready, Inside, Shared};
use crate::base::error::Result;
use crate::machine::owner::INBOX;
use crate::machine::Machine;
use crate::primitive::Ordering::*;
use crate::task::state::Status;
use crate::task::{Kind, Task};
use std::ffi::c_void;

/// Hands a task or ticket to `m`.
///
/// # Safety
/// `task` is `Ready` (or `NewGlobal`) and the caller's to queue.
pub unsafe fn deliver(s: &Shared, m: &Machine, task: *mut Task) {
    // SAFETY: the caller's promise.
    if unsafe { super::bound::is_locked(&*task) } {
        // Nobody but the task's own machine is interested, and that is on its own stack or asleep.
        m.ready.store(task, Relaxed);
    } else {
        let mut inbox = m.inbox.lock();
        // SAFETY: the caller's promise.
        unsafe { inbox.push(task) };
        m.inbox_len.store(inbox.len() as u32, Relaxed);
        drop(inbox);
        m.owner.request(INBOX);
    }
    let mut locked = s.lock.lock();
    if !m.asleep.get() || !m.is_wanted() {
        drop(locked);
        // It may run a task that never parks.
        s.monitor.attend();
        return;
    }
    let Some(p) = locked.idle_procs.pop() else {
        queue_ticket(s, m);
        drop(locked);
        // Every processor is taken; if one is held by foreign code, only the monitor can tell.
        s.monitor.attend();
        return;
    };
    s.idle.set_idle(locked.idle_procs.len());
    locked.idle_machines.retain(|&other| !std::ptr::eq(other, m));
    // SAFETY: processors are not freed while the runtime lives.
    s.wake_with(m, unsafe { &*p }, false);
    drop(locked);
    m.note.wake();
}

/// Takes the first task of one's own inbox, already `Running`. The processor looks again for the others: nobody tells it of them.
#[cold]
pub fn take(i: Inside) -> Option<*mut Task> {
    let m = i.m();
    let mut inbox = m.inbox.lock();
    let task = inbox.pop()?;
    m.inbox_len.store(inbox.len() as u32, Relaxed);
    if !inbox.is_empty() {
        i.p().attention.store(true, Relaxed);
    }
    // SAFETY: taken from the inbox: ours.
    unsafe { (*task).status.start() };
    Some(task)
}

/// Under the scheduler's lock: puts the machine's ticket into the global queue, once.
pub fn queue_ticket(s: &Shared, m: &Machine) {
    let ticket = m.inbox_ticket.get();
    if m.inbox_queued.swap(true, AcqRel) {
        return;
    }
    // SAFETY: the machine's own record, in no queue.
    unsafe {
        (*ticket).status.arm_ticket();
        s.global.push(ticket);
    }
}

/// A ticket was taken: its machine, if it sleeps, gets this machine's processor.
///
/// # Safety
/// `ticket` is a machine's, just taken from a queue; called on the machine's own stack.
pub unsafe fn serve_ticket(i: Inside, ticket: &Task) {
    let s = i.s();
    // SAFETY: a machine ticket's argument is its machine, which is not freed while the runtime lives.
    let m = unsafe { &*(ticket.arg.get() as *const Machine) };
    let mut locked = s.lock.lock();
    m.inbox_queued.store(false, Release);
    if !m.asleep.get() || !m.is_wanted() {
        return;
    }
    locked.idle_machines.retain(|&other| !std::ptr::eq(other, m));
    let p = s.unassign(i.m());
    s.wake_with(m, p, false);
    drop(locked);
    m.note.wake();
}

impl Shared {
    /// A record that stands for something in the run queues and is no task; it is never given back. A machine has its own from
    /// the beginning: what is pinned to it relies on that.
    pub fn new_ticket(&self, kind: Kind, arg: *mut c_void) -> Result<*mut Task> {
        let task = self.foreign.lock().tasks.take(&self.slab)?;
        // SAFETY: free, and ours.
        let t = unsafe { &*task };
        t.kind.set(kind);
        t.arg.set(arg);
        t.extra.set(std::ptr::null_mut());
        t.join.reset(true);
        debug_assert!(t.status.status() == Status::Free);
        Ok(task)
    }
}

/// Routes a ready task that is not an ordinary entry and may run anywhere, or only on the machine it is pinned to.
///
/// # Safety
/// As for [`deliver`].
pub unsafe fn route(s: &Shared, i: Option<Inside>, task: *mut Task, pin: *const Machine) {
    // SAFETY: the caller's promise; a pin names a machine of this runtime.
    unsafe {
        if !pin.is_null() {
            return deliver(s, &*pin, task);
        }
        match i {
            Some(i) => {
                if let Err(rest) = i.p().runq.push_back(crate::processor::runq::Entry::special(task)) {
                    ready::overflow(i, rest);
                }
                ready::told(i);
            }
            None => {
                s.global.push(task);
                ready::submitted(s);
            }
        }
    }
}
