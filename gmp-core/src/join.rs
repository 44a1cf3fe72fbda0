//! Joining: waiting for a task's end and taking its result.
//!
//! Owns: what a handle can be used for. Always true: exactly one call takes a task's result; the record is recycled by it.
//! Called by: any task or thread. Blocks: parks the task, or blocks a thread that is no task; a task that has not started is
//! run in place (`sched/in_place.rs`).

use crate::base::error::{Error, Result};
use crate::sched::{enter, in_place, park, ready, spawn, Inside, Shared};
use crate::source::timer::Timers;
use crate::sys::clock;
use crate::task::handle::Handle;
use crate::task::join::{JoinCell, Seen};
use crate::task::waiter::Waiter;
use crate::task::{Reason, Task};
use crate::time::{FOREVER, NOWAIT};
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// The record that a handle names. Which error a stale one gives is the caller's (`global.rs` knows of forks).
#[inline(always)]
pub fn find(s: &Shared, handle: Handle) -> Result<&Task> {
    if handle.epoch != s.settings.epoch {
        return Err(Error::Invalid);
    }
    // SAFETY: records stay valid while the runtime lives.
    s.slab.find(handle).map(|t| unsafe { &*t.as_ptr() }).ok_or(Error::Invalid)
}

/// Joins from a task.
#[inline(always)]
pub fn join_task(i: Inside, handle: Handle, deadline: i64) -> Result<*mut c_void> {
    let t = find(i.s(), handle)?;
    if std::ptr::eq(park::me(i), t) {
        return Err(Error::Deadlock);
    }
    match t.join.look() {
        Seen::Taken => return Err(Error::Invalid),
        // SAFETY: ended, and ours: the handle is the caller's.
        Seen::Ended => return unsafe { take(t, |task| spawn::recycle(i, task)) },
        Seen::Open => {}
    }
    if deadline == FOREVER {
        // SAFETY: a task, inside, with the handle.
        if let Some(result) = unsafe { in_place::try_run(i, t) } {
            return result;
        }
    }
    wait_task(i, t, deadline)
}

/// True when waiting for `t` is waiting for oneself: `t` is the caller, or the caller runs in place below it.
fn is_self_or_host(me: &Task, t: &Task) -> bool {
    let mut at = me as *const Task;
    while !at.is_null() {
        if std::ptr::eq(at, t) {
            return true;
        }
        // SAFETY: a host is parked below the task that it hosts.
        at = unsafe { (*at).host.get() };
    }
    false
}

#[inline(never)]
fn wait_task(i: Inside, t: &Task, deadline: i64) -> Result<*mut c_void> {
    if is_self_or_host(park::me(i), t) {
        return Err(Error::Deadlock);
    }
    check(deadline)?;
    let me = park::me(i);
    let waiter = Waiter::new(me);
    let timers: *const Timers = if deadline == FOREVER { null() } else { &i.p().timers };
    if !timers.is_null() {
        i.p().timers.reserve()?;
    }
    let mut publish = Publish { cell: &t.join, waiter: &waiter, timers, deadline, taken: false };
    // SAFETY: the task's end, the timer or the commit itself makes us ready, exactly one (the claim).
    unsafe { park::park(i, Reason::Join, Publish::commit, &mut publish as *mut Publish as *mut c_void) };
    if !timers.is_null() {
        // SAFETY: processors are not freed while the runtime lives.
        unsafe { (*timers).remove(&waiter) };
    }
    if publish.taken {
        return Err(Error::Invalid);
    }
    settle(t, &waiter)?;
    // SAFETY: inside after a park.
    let i = unsafe { Inside::current() };
    // SAFETY: ended, and ours.
    unsafe { take(t, |task| spawn::recycle(i, task)) }
}

/// Joins from a thread that is no task.
pub fn join_thread(s: &Shared, handle: Handle, deadline: i64) -> Result<*mut c_void> {
    let t = find(s, handle)?;
    if t.join.look() == Seen::Open {
        check(deadline)?;
        let waiter = Waiter::new(null());
        if t.join.wait(&waiter) {
            waiter.sleep_thread((deadline != FOREVER).then_some(deadline));
            settle(t, &waiter)?;
        }
    }
    match t.join.look() {
        // SAFETY: ended, and ours.
        Seen::Ended => unsafe { take(t, |task| spawn::recycle_foreign(s, task)) },
        _ => Err(Error::Invalid),
    }
}

fn check(deadline: i64) -> Result<()> {
    match deadline {
        FOREVER => Ok(()),
        NOWAIT => Err(Error::Again),
        d if d <= clock::now() => Err(Error::TimedOut),
        _ => Ok(()),
    }
}

/// After the wait: `TimedOut` if the deadline was first and the task is still going.
fn settle(t: &Task, waiter: &Waiter) -> Result<()> {
    if waiter.has_expired() {
        if t.join.leave(waiter) {
            return Err(Error::TimedOut);
        }
        waiter.settle();
    }
    Ok(())
}

unsafe fn take(t: &Task, recycle: impl FnOnce(*mut Task)) -> Result<*mut c_void> {
    let (value, code) = (t.arg.get(), t.end_code.get());
    recycle(t as *const Task as *mut Task);
    match code {
        0 => Ok(value),
        code if code == Error::Panicked.code() => Err(Error::Panicked),
        code => Err(Error::Code(code)),
    }
}

/// Gives a handle up: the task goes on, and nobody will ask for its result.
pub fn detach(s: &Shared, i: Option<Inside>, handle: Handle) -> Result<()> {
    let t = find(s, handle)?;
    match t.join.detach() {
        Ok(()) => Ok(()),
        Err(Seen::Ended) => {
            let task = t as *const Task as *mut Task;
            // SAFETY: ended, and the handle was the caller's.
            unsafe {
                match i {
                    Some(i) => spawn::recycle(i, task),
                    None => spawn::recycle_foreign(s, task),
                }
            }
            Ok(())
        }
        Err(_) => Err(Error::Invalid),
    }
}

struct Publish {
    cell: *const JoinCell,
    waiter: *const Waiter,
    timers: *const Timers,
    deadline: i64,
    /// Out: somebody else waits.
    taken: bool,
}

impl Publish {
    /// The park's commit: from here on the task may go on elsewhere.
    unsafe fn commit(data: *mut c_void) {
        // SAFETY: `data` is the parked task's `Publish`, valid until the waiter is published; what is used after
        // that was copied before.
        unsafe {
            let publish = &mut *(data as *mut Publish);
            let (waiter, timers) = (publish.waiter, publish.timers);
            let task = (*waiter).task() as *mut Task;
            let cell = &*publish.cell;
            if !timers.is_null() {
                (*timers).insert_locked(publish.deadline, &*waiter);
            }
            // The timer cannot act before the unlock, and the end only once the waiter is in the cell.
            let published = cell.wait(waiter);
            let mut again = null_mut();
            if !published {
                publish.taken = cell.look() != Seen::Ended;
                if Waiter::wake(waiter) {
                    again = task;
                }
            }
            if !timers.is_null() {
                (*timers).unlock();
            }
            if !again.is_null() {
                ready::ready(Inside::current(), again);
            }
        }
    }
}

/// Leaves the runtime after a call that may have parked.
#[inline(always)]
pub fn exit_current() {
    // SAFETY: called by tasks that are inside.
    unsafe { Inside::current() }.exit();
}

/// Joins from a task or a thread; `s` is the runtime for a thread.
#[inline(always)]
pub fn join(s: impl FnOnce() -> Result<*const Shared>, handle: Handle, deadline: i64) -> Result<*mut c_void> {
    match enter::enter() {
        Some(i) => {
            let result = join_task(i, handle, deadline);
            exit_current();
            result
        }
        // SAFETY: the caller keeps the runtime in use.
        None => join_thread(unsafe { &*s()? }, handle, deadline),
    }
}
