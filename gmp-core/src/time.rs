//! Time for tasks: deadlines and sleeping.
//!
//! Owns: the meaning of a deadline: monotonic nanoseconds, 0 for "do not wait", [`FOREVER`].
//! Called by: any task or thread. Blocks: `sleep` parks the task, or blocks a thread that is no task.

use crate::base::error::Result;
use crate::sched::{enter, park, Inside};
use crate::source::timer::Timers;
use crate::sys::clock;
use crate::task::waiter::Waiter;
use crate::task::Reason;
use std::ffi::c_void;

/// A deadline that never comes.
pub const FOREVER: i64 = i64::MAX;
/// A deadline that is always over: do not wait.
pub const NOWAIT: i64 = 0;

/// Now.
#[inline]
pub fn now() -> i64 {
    clock::now()
}

/// The deadline `ns` from now. Never overflows, and is never [`NOWAIT`].
pub fn after(ns: i64) -> i64 {
    now().saturating_add(ns).max(1)
}

/// Sleeps for at least `ns` nanoseconds; returns at once for `ns` ≤ 0.
pub fn sleep(ns: i64) -> Result<()> {
    if ns <= 0 {
        return Ok(());
    }
    let deadline = after(ns);
    let Some(i) = enter::enter() else {
        Waiter::new(std::ptr::null()).sleep_thread(Some(deadline));
        return Ok(());
    };
    let result = sleep_task(i, deadline);
    // SAFETY: a task that was inside goes on inside.
    unsafe { Inside::current() }.exit();
    result
}

fn sleep_task(i: Inside, deadline: i64) -> Result<()> {
    let waiter = Waiter::new(park::me(i));
    let timers = &i.p().timers;
    timers.reserve()?;
    let mut publish = Publish { timers, deadline, waiter: &waiter };
    // SAFETY: the timer makes us ready once; `publish` lies on our stack, which stands until then.
    unsafe { park::park(i, Reason::Sleep, Publish::commit, &mut publish as *mut Publish as *mut c_void) };
    Ok(())
}

struct Publish {
    timers: *const Timers,
    deadline: i64,
    waiter: *const Waiter,
}

impl Publish {
    /// The park's commit: from the unlock on the task may go on elsewhere.
    unsafe fn commit(data: *mut c_void) {
        // SAFETY: `data` is the parked task's `Publish`, valid until the unlock; the heap outlives the task.
        unsafe {
            let Publish { timers, deadline, waiter } = std::ptr::read(data as *const Publish);
            (*timers).insert_locked(deadline, &*waiter);
            (*timers).unlock();
        }
    }
}
