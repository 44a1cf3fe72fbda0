//! How a context ends: the error, everything below it, and what that owes.
//!
//! Owns: the order. Always true:
//!  - All below has ended when `end` returns (§26.2), without recursion: a hundred thousand contexts need no stack. What another
//!    party is just ending is waited for: that party waits at most for those that end something further below.
//!  - Nothing is called, woken or started while a context is locked.
//!  - Tasks that belong to it are marked before their waits are looked at, with one barrier for all (`sched/cancel.rs` X1).
//!
//! Model: `model/cancel.rs`.

use super::hook::{self, Hook};
use super::Context;
use crate::base::error::{Error, Result};
use crate::base::lock::Pause;
use crate::primitive::Ordering::*;
use crate::sched::{cancel, ready, spawn, Inside, Shared};
use crate::source::timer::{Timed, NEVER};
use crate::task::ready_list::ReadyList;
use crate::task::wait_queue::Claimed;
use std::ptr::null;

/// What is left to do by whoever ended a context: start its after-functions, outside the runtime.
#[derive(Debug)]
#[must_use = "after-functions must be started"]
pub struct Ended {
    hooks: *const Hook,
}

impl Ended {
    /// For a context that nobody has seen: it has no after-functions.
    pub(super) fn start_none(self) -> Result<()> {
        debug_assert!(self.hooks.is_null());
        Ok(())
    }

    /// Starts them with `spawn`. An error, the first, means that one could not be started; the others were.
    pub fn start(self, mut spawn: impl FnMut(hook::Call) -> Result<()>) -> Result<()> {
        let mut result = Ok(());
        let mut at = self.hooks;
        while !at.is_null() {
            // SAFETY: taken out of its context's list with the list's reference.
            let (call, next) = unsafe { hook::take(at) };
            let started = spawn(call);
            result = result.and(started);
            at = next;
        }
        result
    }
}

impl Context {
    /// Ends the context and all below it; nothing if it has ended. `cause` 0: none beside the error.
    pub fn end(&self, i: Option<Inside>, error: i32, cause: i32) -> Ended {
        let mut work: *const Context = null();
        let mut all: *const Context = null();
        let mut claimed = Claimed::none();
        let mut ended = Ended { hooks: null() };
        let mut runtime: *const Shared = null();
        self.retain();
        let mut at: *const Context = self;
        // SAFETY: each that is still to be ended, or has tasks, has a reference of ours.
        while let Some(c) = unsafe { at.as_ref() } {
            // SAFETY: as above.
            unsafe {
                if c.end_one(error, cause, &mut work, &mut claimed, &mut ended, &mut runtime) {
                    c.next_ended.set(all);
                    all = c;
                } else {
                    Context::release(c);
                }
                at = work;
                if let Some(c) = at.as_ref() {
                    work = c.next.replace(null());
                }
            }
        }
        // SAFETY: claimed by us; the runtime is kept by our visit; the references in the list are ours.
        unsafe {
            let mut tasks = ReadyList::new();
            if let Some(s) = runtime.as_ref() {
                s.cancel_barrier(); // F5
            }
            while let Some(c) = all.as_ref() {
                all = c.next_ended.get();
                c.end_waits(&mut tasks);
                c.complete.store(true, Release);
                Context::release(c);
            }
            if let Some(s) = runtime.as_ref() {
                cancel::ready_cancelled(s, i, &mut tasks);
                s.visitors.fetch_sub(1, SeqCst);
            }
            ready::finish_all(i, claimed);
        }
        ended
    }

    /// Ends just this one; its children go to `work`, its tasks are marked. False: it had ended, or somebody else has done it now.
    unsafe fn end_one(
        &self,
        error: i32,
        cause: i32,
        work: &mut *const Context,
        claimed: &mut Claimed,
        ended: &mut Ended,
        runtime: &mut *const Shared,
    ) -> bool {
        // SAFETY: the caller's reference to `self` stays.
        unsafe {
            if let Some(parent) = self.parent.as_ref().filter(|_| !self.detached) {
                parent.lock.lock();
                parent.unlink(self);
                parent.lock.unlock();
            }
        }
        self.lock.lock();
        if self.error.load(Relaxed) != 0 {
            self.lock.unlock();
            let mut pause = Pause::new();
            while !self.complete.load(Acquire) {
                pause.once();
            }
            return false;
        }
        // SAFETY: the context's reference keeps its channel; the lists are ours under the lock.
        unsafe {
            if let Some(done) = self.done.load(Relaxed).as_ref() {
                if let Ok(waiters) = done.close_claiming() {
                    claimed.append(waiters);
                }
            }
            self.cause.set(cause);
            self.error.store(error, Release); // K1
            if let Some(heap) = self.heap.get().as_ref() {
                // Not found: it is firing, and finds the error.
                if heap.remove(&self.timed) {
                    self.heap.set(null());
                }
            }
            let mut child = self.children.replace(null());
            while let Some(c) = child.as_ref() {
                child = c.next.replace(null());
                c.prev.set(null());
                c.linked.set(false);
                if c.try_retain() {
                    c.next.set(*work);
                    *work = c;
                }
            }
            let mut member = self.members.get();
            while let Some(m) = member.as_ref() {
                if runtime.is_null() {
                    // A member lives, so its runtime does; the visit keeps it from here on.
                    *runtime = m.shared.get() as *const Shared;
                    (**runtime).visitors.fetch_add(1, SeqCst);
                }
                cancel::mark(&*m.task.get());
                member = m.next.get();
            }
            ended.hooks = hook::chain(self.hooks.replace(null()), ended.hooks);
            self.lock.unlock();
        }
        true
    }

    /// After the marks and the barrier: ends the waits of the tasks that are still there.
    unsafe fn end_waits(&self, tasks: &mut ReadyList) {
        self.lock.lock();
        let mut member = self.members.get();
        // SAFETY: a member leaves the list, under the lock, before its task's record is used again.
        while let Some(m) = unsafe { member.as_ref() } {
            // SAFETY: as above.
            let t = unsafe { &*m.task.get() };
            cancel::end_wait(t, t.generation(), tasks);
            member = m.next.get();
        }
        self.lock.unlock();
    }
}

/// The deadline has passed, or ([`NEVER`]) the runtime ends.
pub(super) unsafe fn fire(timed: *const Timed, when: i64) {
    let this = timed as *const Context;
    // SAFETY: K4: the memory is there until we say that the timer is through (`heap`), and ours if nobody has a reference.
    unsafe {
        let c = &*this;
        c.lock.lock();
        c.heap.set(null());
        let (alive, abandoned) = (c.try_retain(), c.abandoned.get());
        c.lock.unlock();
        if !alive {
            // Not abandoned: who drops the last reference has yet to come by, finds no heap, and frees it.
            if !abandoned {
                return;
            }
            let parent = c.parent;
            Context::free(this);
            if !parent.is_null() {
                Context::release(parent);
            }
            return;
        }
        if when != NEVER {
            let i = Inside::current();
            let ended = c.end(Some(i), Error::TimedOut.code(), 0);
            let started = ended.start(|call| spawn::spawn_fired(i, &call.spawn(i.s())).map(drop));
            if let Err(e) = started {
                eprintln!("gmp: a function to be called after a context's end was not started: {e}");
            }
        }
        Context::release(this);
    }
}
