//! Joining a task that has not started: it runs right there, as a call on the joiner's stack.
//!
//! Owns: when that is allowed and what surrounds the call. Fork–join costs a call that way, and only one stack is
//! live (as in MassiveThreads).
//!
//! Always true:
//!  - R1. The child keeps its own identity, locals, deferred calls and end; the joiner counts as parked meanwhile.
//!  - R2. If the child parks, the stack with both on it parks; when the child ends, wherever, the joiner goes on
//!        there. It was waiting for the child anyway.
//!  - R3. A joiner whose wait somebody could cancel does not do it: it could not go on before the child has ended. That is
//!        one in a context, or one whose handle nobody is joining without a deadline. (Who joins it may still have lent the handle to a third
//!        party: a cancellation by that one is seen when the child has ended.)
//!  - R4. Only plain tasks that were not spawned as blocking, joined without a deadline, with enough stack left: as much as the child asked for by
//!        number, or half of what its class has (three eighths of the slot).

use super::{park, record, Inside};
use crate::base::error::Error;
use crate::primitive::{sanitizer, Ordering::Relaxed};
use crate::switch;
use crate::task::state::Status;
use crate::task::{EndFn, Reason, Task, FLAG_BLOCKING, FLAG_EXACT_STACK};
use std::ffi::c_void;

/// Runs `t` in place if that is allowed and nobody else has it; its result.
///
/// # Safety
/// The caller is a task, inside, and holds `t`'s handle.
#[inline(always)]
pub unsafe fn try_run(i: Inside, t: &Task) -> Option<Result<*mut c_void, Error>> {
    let status = t.status.status();
    if !matches!(status, Status::NewPrivate | Status::NewShared) || !switch::CAN_EXIT {
        return None;
    }
    let me = park::me(i);
    let blocks = t.flags.get() & FLAG_BLOCKING != 0;
    if blocks || !me.extra.get().is_null() && !may_host(me) || !me.join.is_spoken_for() || !has_room(me, t) {
        return None;
    }
    match status {
        Status::NewPrivate if t.queue.load(Relaxed) as u32 == i.p().index => {
            if !t.join.take_in_place() {
                return None;
            }
            i.p().runq.forget(t);
            let ours = t.status.start_private(t.status.ticket());
            debug_assert!(ours, "the queue is ours and the task is in it");
        }
        Status::NewShared => {
            if !t.status.claim_shared(t.status.ticket()) {
                return None;
            }
            if !t.join.take_in_place() {
                // Somebody else waits for it: it takes the ordinary way.
                t.status.requeue_unstarted(true);
                // SAFETY: claimed, so ours to queue.
                unsafe { super::ready::inject(i.s(), t as *const Task as *mut Task) };
                return None;
            }
        }
        _ => return None,
    }
    // SAFETY: the task is claimed.
    Some(unsafe { run(i, me, t) })
}

/// Whether a joiner that is more than a plain task may do it.
#[cold]
fn may_host(me: &Task) -> bool {
    // SAFETY: the task's own box.
    let extra = unsafe { &*me.extra.get() };
    extra.bonds == 0 && (!extra.member.is_in_a_context() || me.is_shielded())
}

#[inline(always)]
fn has_room(me: &Task, t: &Task) -> bool {
    let here = &me as *const _ as usize;
    let slot = t.stack_class.get().slot();
    let need = if t.flags.get() & FLAG_EXACT_STACK != 0 { slot } else { slot / 8 * 3 };
    here.saturating_sub(me.limit.get()) > need
}

#[inline(always)]
unsafe fn run(i: Inside, me: &Task, t: &Task) -> Result<*mut c_void, Error> {
    let m = i.m();
    let counters = &i.p().counters;
    counters.parks.inc();
    counters.switches.inc();
    me.reason.set(Reason::JoinInPlace);
    t.host.set(me.index + 1);
    t.limit.set(me.limit.get());
    m.current.set(t as *const Task as *mut Task);
    record::in_place(m, t);
    sanitizer::acquired(&t.sp);
    let entry = t.entry.get().expect("a spawned task has an entry");
    let (arg, at_end) = (t.arg.get(), t.frame.get());
    // SAFETY: `errno` and the exception globals are this thread's before the call and are looked up anew after;
    // the child is current from here to `end`.
    unsafe {
        let (errno, control) = (*m.errno.get(), switch::control::get());
        let cxx = if m.cxx.get().is_null() { [0; 2] } else { m.cxx.get().replace([0; 2]) };
        m.exit();
        let ended = super::entry::call(t, entry, arg);
        let i = super::enter::enter().unwrap_or_else(|| super::entry::forked());
        let m = i.m();
        switch::control::restore(control);
        *m.errno.get() = errno;
        if !m.cxx.get().is_null() {
            *m.cxx.get() = cxx;
        }
        m.current.set(me as *const Task as *mut Task);
        me.reason.set(Reason::None);
        super::switching::hint(me);
        i.p().counters.wakes.inc();
        record::ended(m, t);
        record::in_place(m, me);
        end(i, t, ended, at_end)
    }
}

/// The child's end: as `entry::conclude`, but its joiner is at hand and it had no stack of its own.
#[inline(always)]
unsafe fn end(i: Inside, t: &Task, ended: switch::Ended, at_end: usize) -> Result<*mut c_void, Error> {
    // SAFETY: the caller's promise.
    if unsafe { over(i, t, at_end) } {
        // The child was locked to the thread, which ends with it; the joiner goes on elsewhere.
        // SAFETY: the joiner is current again.
        unsafe { super::switching::leave_thread(i, park::me(i)) };
    }
    if ended.how == switch::RETURNED {
        Ok(ended.value)
    } else {
        Err(Error::Panicked)
    }
}

/// The child and its record are done with. True: its thread shall end.
///
/// # Safety
/// The task ran in place and is over.
#[inline(always)]
pub unsafe fn over(i: Inside, t: &Task, at_end: usize) -> bool {
    let p = i.p();
    let mut end_thread = false;
    // SAFETY: the task is over and ours: its join cell kept everybody else out.
    unsafe {
        sanitizer::released(&i.s().quiet);
        p.counters.tasks_ended.inc();
        if !t.extra.get().is_null() {
            end_thread = super::bound::ended(i.s(), i.m(), t);
            super::cancel::free_extra(i.s(), t);
        }
        if !t.end_arg.get().is_null() {
            std::mem::transmute::<usize, EndFn>(at_end)(t.end_arg.get());
        }
        t.sp.set(0);
        i.m().blocking.store(false, Relaxed);
        super::stacks::unpromise(i, t.stack_class.get());
        super::spawn::recycle(i, t as *const Task as *mut Task);
    }
    end_thread
}
