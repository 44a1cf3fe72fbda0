//! Making tasks ready: where they are put, and who is told.
//!
//! Owns: the choice of queue (§4.3): a task made ready by a task goes to that processor's run-next; from anywhere
//! else to the global queue. Then `idle.rs` decides whether a machine is started.
//! Always true: the caller holds the one right to make the task ready. Blocks: briefly on leaf locks.

use super::{record, Inside, Shared};
use crate::base::chaos::{self, Point};
use crate::primitive::{forks, sanitizer, Ordering::SeqCst};
use crate::processor::runq::Entry;
use crate::sys::clock;
use crate::task::ready_list::ReadyList;
use crate::task::state::Status;
use crate::task::wait_queue::Claimed;
use crate::task::waiter::Waiter;
use crate::task::Task;

/// Makes a parked task ready, from a task.
///
/// # Safety
/// `task` is parked and the caller has the right to make it ready.
pub unsafe fn ready(i: Inside, task: *mut Task) {
    // SAFETY: the caller's promise.
    let t = unsafe { &*task };
    meet(t);
    record::ready(i, t);
    t.status.ready();
    i.p().counters.wakes.inc();
    if t.bonds() != 0 {
        // SAFETY: the caller's promise.
        return unsafe { super::bound::route(i.s(), Some(i), task) };
    }
    push_next(i, Entry::ready(task));
    told(i);
}

/// For tools that watch: what the task did before it parked happened before this, and this before it goes on.
#[inline(always)]
fn meet(t: &Task) {
    if sanitizer::watches() {
        sanitizer::acquired(&t.sp);
        sanitizer::released(&t.sp);
    }
}

/// Makes a parked task ready behind those that are.
///
/// # Safety
/// As for [`ready`].
pub unsafe fn ready_behind(i: Inside, task: *mut Task) {
    // SAFETY: the caller's promise.
    unsafe {
        meet(&*task);
        record::ready(i, &*task);
        (*task).status.ready()
    };
    i.p().counters.wakes.inc();
    // SAFETY: as above.
    unsafe { push_back(i, task) };
}

/// Puts an entry into run-next.
#[inline(always)]
pub fn push_next(i: Inside, e: Entry) {
    if let Err(rest) = i.p().runq.push_next(e) {
        overflow(i, rest);
    }
}

/// Puts a task that has run at the tail of the private queue.
///
/// # Safety
/// `task` is `Ready`, and the caller's to queue.
#[inline(always)]
pub unsafe fn push_back(i: Inside, task: *mut Task) {
    // SAFETY: the callers own the task.
    if unsafe { (*task).bonds() } != 0 {
        // SAFETY: as above.
        return unsafe { super::bound::route(i.s(), Some(i), task) };
    }
    if let Err(rest) = i.p().runq.push_back(Entry::ready(task)) {
        overflow(i, rest);
    }
    if i.s().idle.hungry() {
        offer(i);
    }
}

/// The ring is full: its oldest half and then `rest` go to the global queue (§4.5).
#[cold]
pub fn overflow(i: Inside, rest: Entry) {
    let mut out = ReadyList::new();
    i.p().runq.spill(false, &mut out);
    if let Some(task) = rest.into_global() {
        // SAFETY: just taken out of the private queue.
        unsafe { out.push(task) };
    }
    i.s().global.append(&mut out);
    wake_if_submitted(i.s());
}

/// After a push by a task: tells an idle processor, if there is one, and a monitor that sleeps long.
#[inline(always)]
pub fn told(i: Inside) {
    if i.s().idle.hungry() {
        offer(i);
    }
}

/// Somebody is idle: publishes the older part of the private queue. Run-next alone is not published, its owner
/// will most likely run it at once (short exchanges must not wake a second machine); the monitor sees to it if not.
#[cold]
pub fn offer(i: Inside) {
    let (p, s) = (i.p(), i.s());
    if s.idle.has_idle() && p.runq.ring_len() > 0 && p.runq.share() {
        chaos::point(Point::Publish);
        wake_if_submitted(s);
    }
    call_monitor(s);
}

/// Brings a monitor that sleeps long to look. The coarse clock stood still with it: who parks next needs the time.
fn call_monitor(s: &Shared) {
    if s.monitor.attend() {
        s.coarse.renew(clock::now());
    }
}

/// Submit side of the idle protocol, after publishing.
pub fn wake_if_submitted(s: &Shared) {
    if s.idle.submitted(s.barrier) {
        s.start_searcher();
    }
}

/// A task goes to the global queue's tail: it lost its processor, or its slice is over.
///
/// # Safety
/// `task` has left its stack and is the caller's.
#[cold]
pub unsafe fn requeue_globally(s: &Shared, task: *mut Task) {
    // SAFETY: the caller's promise.
    unsafe {
        (*task).status.requeue();
        inject(s, task);
    }
}

/// Queues a task that is `Ready` or `NewGlobal`, from anywhere.
///
/// # Safety
/// `task` is the caller's to queue.
pub unsafe fn inject(s: &Shared, task: *mut Task) {
    // SAFETY: the caller's promise.
    unsafe {
        debug_assert!(matches!((*task).status.status(), Status::Ready | Status::NewGlobal));
        if (*task).bonds() != 0 {
            return super::bound::route(s, None, task);
        }
        s.global.push(task);
    }
    submitted(s);
}

/// Something was put into the global queue from anywhere.
pub fn submitted(s: &Shared) {
    if s.idle.submitted(s.barrier) {
        s.start_searcher();
    } else {
        // Every processor is taken, or will be when who searches has found something; if one is held by foreign code then, only
        // the monitor can tell.
        call_monitor(s);
    }
}

/// Makes a list of parked tasks ready, with or without a processor.
pub fn ready_all(s: &Shared, i: Option<Inside>, tasks: &mut ReadyList) {
    while let Some(task) = tasks.pop() {
        // SAFETY: the list owns the right to make them ready.
        unsafe {
            match i {
                Some(i) => ready(i, task),
                None => ready_foreign(s, task),
            }
        }
    }
}

/// Makes a parked task ready, from a thread that is no task.
///
/// # Safety
/// As for [`ready`].
pub unsafe fn ready_foreign(s: &Shared, task: *mut Task) {
    // SAFETY: the caller's promise.
    unsafe {
        meet(&*task);
        (*task).status.ready();
        {
            let foreign = s.foreign.lock();
            record::ready_outside(s, &*task);
            foreign.counters.wakes.inc();
        }
        inject(s, task);
    }
}

/// Ends the wait of a claimed waiter: makes its task ready or wakes its thread. Nothing for the copy of a waiting task that a fork's
/// child finds in an object: that task is the parent's.
///
/// # Safety
/// The caller has claimed `waiter`.
#[inline(always)]
pub unsafe fn finish(i: Option<Inside>, waiter: *const Waiter) {
    chaos::point(Point::Wake);
    // SAFETY: V1: the waiter may be touched until it is told. A parked task keeps its runtime, and the visit keeps it from
    // there on (the task may end before `ready_foreign` is through).
    unsafe {
        let task = (*waiter).task() as *mut Task;
        match (task.is_null(), i) {
            (true, _) => Waiter::finish_thread(waiter),
            (false, Some(i)) => {
                if std::ptr::eq((*waiter).shared, i.m().shared) {
                    ready(i, task);
                }
            }
            (false, None) => {
                let s = &*((*waiter).shared as *const Shared);
                if s.process != forks() {
                    return;
                }
                s.visitors.fetch_add(1, SeqCst);
                ready_foreign(s, task);
                s.visitors.fetch_sub(1, SeqCst);
            }
        }
    }
}

/// Ends the waits of claimed waiters, oldest first.
///
/// # Safety
/// As for [`finish`].
#[inline(always)]
pub unsafe fn finish_all(i: Option<Inside>, mut claimed: Claimed) {
    while let Some(waiter) = claimed.pop() {
        // SAFETY: the caller's promise.
        unsafe { finish(i, waiter) };
    }
}

/// Ends the wait of a waiter that the caller took out of its object without a lock. Nothing if its deadline or a
/// cancellation was first: then the waiter waits for our last touch (`Waiter::settle`).
///
/// # Safety
/// `waiter` was taken out by the caller.
pub unsafe fn wake(i: Option<Inside>, waiter: *const Waiter) {
    // SAFETY: the caller's promise; the waiter stays until `done`.
    unsafe {
        if (*waiter).word().claim_or_done() {
            finish(i, waiter);
        }
    }
}

/// The processor needs attention (its slice is over): run-next becomes an ordinary entry (§4.13).
#[cold]
pub fn demote_next(i: Inside) {
    if let Err(rest) = i.p().runq.demote_next() {
        overflow(i, rest);
    }
}
