//! Waiting: the one way in which a task parks, or a thread blocks, for an object, with a deadline and cancellation.
//!
//! Owns: the order of a wait. The object says what waiting for it means ([`Object`]); nothing here knows which it is.
//!
//! Always true:
//!  - A wait that ends by deadline or cancellation has had no effect: the object decides with its lock held, by claiming the
//!    waiter; who has not been claimed takes its node out again.
//!  - A task enters the object in its park's commit, when its registers are saved. So what was found before the park is
//!    looked at again there, under the lock, and may complete the operation without waiting.
//!  - After `enlist` has answered `Waits`, the commit touches nothing of the task's stack: the task may run already.
//!
//! Called by: the layer above, after it has tried without waiting. Blocks: the task, or a thread that is no task.

use super::{attach, park, ready, Inside};
use crate::base::attached::{Attached, Place};
use crate::base::chaos::{self, Bug};
use crate::base::clock;
use crate::base::error::{Error, Result};
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::Ordering::*;
use crate::source::timer::Timers;
use crate::task::wait_word::{Armed, Ended, Enders};
use crate::task::waiter::Waiter;
use crate::task::{Reason, Task};
use std::ffi::c_void;
use std::ptr::null;

/// A deadline that never comes.
pub const FOREVER: i64 = i64::MAX;
/// A deadline that is always over: do not wait.
pub const NOWAIT: i64 = 0;

/// What [`Object::enlist`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enlisted {
    /// The waiter is in the object, and armed.
    Waits,
    /// There was nothing to wait for after all: the operation is complete.
    Done,
    /// The deadline passed before the waiter was armed: it is not in the object.
    Expired,
}

/// What can be waited for.
///
/// # Safety
/// An implementer arms the waiter with its object locked, as the last thing before it unlocks.
pub unsafe trait Object {
    /// Every waker holds the one lock: true but for a wait for several objects.
    const ONE: bool = true;
    /// The wait of a thread that is no task answers `Deadlock` when no task can ever go on (`deadlock.rs`).
    const JUDGED: bool = false;

    /// What is waited for, for reports; 0: nothing that has an address.
    #[inline(always)]
    fn address(&self) -> usize {
        0
    }

    /// Locks the object; completes the operation, or puts the waiter in and arms it; unlocks. For a task it runs in the
    /// commit of its park: it must not block, nor touch `self` after the unlock.
    ///
    /// # Safety
    /// `waiter` stays until the wait has ended and [`Object::leave`] was called if need be.
    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted;

    /// Takes the waiter out, after the deadline or a cancellation; of a wait for several, also after a wake.
    ///
    /// # Safety
    /// The wait of `waiter` has ended.
    unsafe fn leave(&self, waiter: &Waiter);
}

/// How a wait came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The operation was completed by the waiting side, in `enlist`.
    Done,
    /// By the other side: what it left in the waiter is there.
    Woken,
}

struct Plan<'a, O: Object> {
    object: &'a O,
    waiter: &'a Waiter,
    armed: Armed,
    cancelable: bool,
    timers: *const Timers,
    deadline: i64,
    done: bool,
    /// The deadline passed before the waiter was armed: it is in no object.
    late: bool,
}

/// What stands before every wait: `Again` for [`NOWAIT`], `TimedOut` for a deadline that has passed, `Canceled` for a task
/// that was cancelled. Call it after what can be done without waiting was not to be done.
#[inline(always)]
pub fn may_wait(i: Option<Inside>, deadline: i64) -> Result<()> {
    if deadline != FOREVER {
        if deadline == NOWAIT {
            return Err(Error::Again);
        }
        if deadline <= clock::now() {
            return Err(Error::TimedOut);
        }
    }
    match i {
        Some(i) if is_cancelled(park::me(i)) => Err(Error::Canceled),
        _ => Ok(()),
    }
}

/// True when the task's waits answer `Canceled`.
#[inline(always)]
pub fn is_cancelled(t: &Task) -> bool {
    t.cancelled.load(Relaxed) != 0 && t.is_cancelled() && !t.is_shielded()
}

/// True when there is somebody who could: a task that nobody has a handle of and that is in no context cannot be cancelled.
#[inline(always)]
fn can_be_cancelled(t: &Task) -> bool {
    // SAFETY: the task's own box.
    !t.join.is_detached() || unsafe { t.extra.get().as_ref() }.is_some_and(|extra| extra.member.is_in_a_context())
}

#[inline(always)]
fn enders<O: Object>(cancelable: bool, deadline: i64) -> Enders {
    match (cancelable, O::ONE && deadline == FOREVER) {
        (true, _) => Enders::Cancelers,
        (false, true) => Enders::Sole,
        (false, false) => Enders::Several,
    }
}

/// Waits for `object`, in a task or a thread. `look` is called after the wait with what the claimer left; the waiter stands no
/// longer than that, so a wait for several leaves the others there.
///
/// # Safety
/// `object` is what the caller waits for; a task is inside, and is inside after (anew: `Inside::current`).
#[inline(always)]
pub unsafe fn wait<O: Object>(
    i: Option<Inside>,
    reason: Reason,
    deadline: i64,
    object: &O,
    look: impl FnOnce(&Waiter),
) -> Result<Outcome> {
    // SAFETY: the caller's promise.
    unsafe {
        match i {
            Some(i) => wait_task(i, reason, deadline, true, object, look),
            None => wait_thread(deadline, object, look),
        }
    }
}

/// The same for a wait that cancellation does not end.
///
/// # Safety
/// As for [`wait`].
pub unsafe fn wait_shielded<O: Object>(
    i: Option<Inside>,
    reason: Reason,
    deadline: i64,
    object: &O,
    look: impl FnOnce(&Waiter),
) -> Result<Outcome> {
    // SAFETY: the caller's promise.
    unsafe {
        match i {
            Some(i) => wait_task(i, reason, deadline, false, object, look),
            None => wait_thread(deadline, object, look),
        }
    }
}

#[inline(always)]
unsafe fn wait_task<O: Object>(
    i: Inside,
    reason: Reason,
    deadline: i64,
    cancelable: bool,
    object: &O,
    look: impl FnOnce(&Waiter),
) -> Result<Outcome> {
    let me = park::me(i);
    let timers: *const Timers = if deadline == FOREVER { null() } else { &i.p().timers };
    if !timers.is_null() {
        i.p().timers.reserve()?;
    }
    let cancelable = cancelable && !me.is_shielded() && can_be_cancelled(me);
    let waiter = Waiter::for_task(me, &me.wait, i.m().shared);
    let armed = waiter.begin(enders::<O>(cancelable, deadline), !timers.is_null());
    let mut plan = Plan { object, waiter: &waiter, armed, cancelable, timers, deadline, done: false, late: false };
    // A parked task is in no list.
    me.link.set(object.address() as *mut Task);
    // SAFETY: whoever claims the wait makes us ready, or the commit does; `plan` lies on our stack, which stands until then.
    unsafe { park::park(i, reason, commit::<O>, &mut plan as *mut Plan<'_, O> as *mut c_void) };
    if plan.late {
        return Err(Error::TimedOut);
    }
    let ended = if plan.done { Ended::Woken } else { waiter.ended().unwrap_or(Ended::Woken) };
    if !timers.is_null() && (plan.done || ended != Ended::Expired) {
        // SAFETY: processors are not freed while the runtime lives.
        unsafe { (*timers).remove(&waiter.timed) };
    }
    // SAFETY: the wait has ended.
    unsafe { conclude(ended, plan.done, object, &waiter, look) }
}

#[inline(never)]
unsafe fn wait_thread<O: Object>(deadline: i64, object: &O, look: impl FnOnce(&Waiter)) -> Result<Outcome> {
    // Without a deadline it lies while it waits (`base/attached.rs`).
    let slot = if deadline == FOREVER { attach::slot() } else { None };
    let waiter = Waiter::for_thread(slot.map_or(null(), |_| attach::all() as *const Attached));
    // A verdict ends it as a canceller would.
    let enders = if O::JUDGED { Enders::Several } else { enders::<O>(false, deadline) };
    waiter.begin(enders, deadline != FOREVER);
    // SAFETY: the caller's promise; the waiter stays below.
    unsafe {
        let done = object.enlist(&waiter) == Enlisted::Done;
        if let Some(slot) = slot.filter(|_| !done) {
            let place = if O::JUDGED { Place::Waiter(&raw const waiter as usize) } else { Place::Plain };
            attach::lie_down(slot, place);
        }
        let ended = if done { Ended::Woken } else { waiter.sleep_thread((deadline != FOREVER).then_some(deadline)) };
        if slot.is_some() && !done && ended == Ended::Woken && chaos::plants(Bug::LateRise) {
            attach::get_up();
        }
        if let Some(slot) = slot.filter(|_| !done) {
            // A3: not while a verdict looks at the waiter.
            slot.rise();
        }
        match conclude(ended, done, object, &waiter, look) {
            Err(Error::Canceled) => Err(Error::Deadlock),
            other => other,
        }
    }
}

#[inline(always)]
unsafe fn conclude<O: Object>(
    ended: Ended,
    done: bool,
    object: &O,
    waiter: &Waiter,
    look: impl FnOnce(&Waiter),
) -> Result<Outcome> {
    if done {
        return Ok(Outcome::Done);
    }
    if ended == Ended::Woken {
        look(waiter);
        return Ok(Outcome::Woken);
    }
    // SAFETY: the wait has ended.
    unsafe { object.leave(waiter) };
    Err(if ended == Ended::Expired { Error::TimedOut } else { Error::Canceled })
}

/// The deadline is its processor's earliest. If the machine goes on with another task, which may stay away, while a processor is
/// idle, the monitor sees to it; else the machine looks for work right after this.
#[inline(always)]
unsafe fn watch(deadline: i64) {
    // SAFETY: called in a commit.
    let i = unsafe { Inside::current() };
    if !i.m().current.get().is_null() && i.s().idle.hungry() {
        i.s().monitor.attend_until(deadline);
    }
}

/// The park's commit: from `enlist` on the task may go on elsewhere.
unsafe fn commit<O: Object>(data: *mut c_void) {
    // SAFETY: `data` is the parked task's plan, valid until the waiter is armed; what is used after that was copied
    // before, and a task's record is never freed.
    unsafe {
        let plan = &mut *(data as *mut Plan<'_, O>);
        let (armed, cancelable) = (plan.armed, plan.cancelable);
        let task = plan.waiter.task() as *mut Task;
        let mark = (*task).cancel_mark();
        if !plan.timers.is_null() && (*plan.timers).insert(plan.deadline, &plan.waiter.timed) {
            watch(plan.deadline);
        }
        match plan.object.enlist(plan.waiter) {
            Enlisted::Waits => {
                if !cancelable {
                    return;
                }
                let i = Inside::current();
                #[cfg(loom)]
                if !Break::CancelFence.is_on() {
                    i.s().barrier.light();
                }
                #[cfg(not(loom))]
                i.s().barrier.light(); // F5
                if (*task).cancelled.load(Relaxed) == mark && (*task).wait.cancel(armed) {
                    ready::ready(i, task);
                }
            }
            Enlisted::Done => {
                plan.done = true;
                ready::ready(Inside::current(), task);
            }
            Enlisted::Expired => {
                plan.late = true;
                ready::ready(Inside::current(), task);
            }
        }
    }
}
