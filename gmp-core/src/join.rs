//! Joining: waiting for a task's end and taking its result.
//!
//! Owns: what a handle can be used for. Always true: exactly one call takes a task's result; the record is recycled by it.
//! Called by: any task or thread. Blocks: parks the task, or blocks a thread that is no task; a task that has not started is
//! run in place (`sched/in_place.rs`).

use crate::base::error::{Error, Result};
use crate::primitive::sanitizer;
use crate::sched::wait::{self, Enlisted, Object, FOREVER};
use crate::sched::{enter, in_place, park, spawn, Inside, Shared};
use crate::task::handle::Handle;
use crate::task::join::{JoinCell, Seen};
use crate::task::waiter::Waiter;
use crate::task::{Reason, Task};
use std::cell::Cell;
use std::ffi::c_void;

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
fn is_self_or_host(s: &Shared, me: &Task, t: &Task) -> bool {
    let mut at = me;
    while !std::ptr::eq(at, t) {
        match at.host.get().checked_sub(1) {
            // SAFETY: a host is parked below the task that it hosts.
            Some(index) => at = unsafe { &*s.slab.at(index) },
            None => return false,
        }
    }
    true
}

#[inline(never)]
fn wait_task(i: Inside, t: &Task, deadline: i64) -> Result<*mut c_void> {
    if is_self_or_host(i.s(), park::me(i), t) {
        return Err(Error::Deadlock);
    }
    wait::may_wait(Some(i), deadline)?;
    // SAFETY: a task, inside.
    unsafe {
        wait_end(Some(i), t, deadline)?;
        let i = Inside::current();
        take(t, |task| spawn::recycle(i, task))
    }
}

/// Waits until the task has ended; it is the caller's then.
unsafe fn wait_end(i: Option<Inside>, t: &Task, deadline: i64) -> Result<()> {
    let end = EndOf { cell: &t.join, taken: Cell::new(false) };
    // SAFETY: inside if a task.
    let waited = unsafe { wait::wait(i, Reason::Join, deadline, &end, |_| ()) };
    if end.taken.get() {
        return Err(Error::Invalid);
    }
    match waited {
        Err(Error::TimedOut | Error::Canceled | Error::Deadlock) if t.join.look() == Seen::Ended => Ok(()),
        other => other.map(drop),
    }
}

/// Joins from a thread that is no task.
pub fn join_thread(s: &Shared, handle: Handle, deadline: i64) -> Result<*mut c_void> {
    let t = find(s, handle)?;
    if t.join.look() == Seen::Open {
        wait::may_wait(None, deadline)?;
        // SAFETY: no task.
        unsafe { wait_end(None, t, deadline) }?;
    }
    match t.join.look() {
        // SAFETY: ended, and ours.
        Seen::Ended => unsafe { take(t, |task| spawn::recycle_foreign(s, task)) },
        _ => Err(Error::Invalid),
    }
}

unsafe fn take(t: &Task, recycle: impl FnOnce(*mut Task)) -> Result<*mut c_void> {
    sanitizer::acquired(&t.join);
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

/// A task's end, as something to wait for.
struct EndOf<'a> {
    cell: &'a JoinCell,
    /// Out: somebody else waits.
    taken: Cell<bool>,
}

// SAFETY: the cell has no lock: an end that comes before the waiter is armed says `done`, which `arm_contended` finds.
unsafe impl Object for EndOf<'_> {
    const JUDGED: bool = true;

    fn address(&self) -> usize {
        &raw const *self.cell as usize
    }

    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted {
        let waits = if waiter.has_deadline() { self.cell.wait_timed(waiter) } else { self.cell.wait(waiter) };
        if !waits {
            self.taken.set(self.cell.look() == Seen::Taken);
            return Enlisted::Done;
        }
        if waiter.arm_contended() {
            return Enlisted::Waits;
        }
        if self.cell.leave(waiter) {
            return Enlisted::Expired;
        }
        waiter.settle();
        Enlisted::Done
    }

    unsafe fn leave(&self, waiter: &Waiter) {
        if !self.cell.leave(waiter) {
            // It ended at the same time: its joiner finds that once the waker has let go of the waiter.
            waiter.settle();
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
