//! Time for tasks: deadlines and sleeping.
//!
//! Owns: the meaning of a deadline: monotonic nanoseconds, 0 for "do not wait", [`FOREVER`].
//! Called by: any task or thread. Blocks: `sleep` parks the task, or blocks a thread that is no task.

use crate::base::clock;
use crate::base::error::{Error, Result};
use crate::join::exit_current;
use crate::sched::enter;
use crate::sched::wait::{self, Enlisted, Object};
use crate::task::waiter::Waiter;
use crate::task::Reason;

pub use crate::sched::wait::{FOREVER, NOWAIT};

/// Now.
#[inline]
pub fn now() -> i64 {
    clock::now()
}

/// The deadline `ns` from now. Never overflows, and is never [`NOWAIT`].
pub fn after(ns: i64) -> i64 {
    now().saturating_add(ns).max(1)
}

/// Sleeps for at least `ns` nanoseconds; returns at once for `ns` ≤ 0. `Canceled` when the task is.
pub fn sleep(ns: i64) -> Result<()> {
    if ns <= 0 {
        return Ok(());
    }
    let deadline = after(ns);
    let i = enter::enter();
    let result = wait::may_wait(i, deadline).and_then(|()| {
        // SAFETY: inside if a task.
        unsafe { wait::wait(i, Reason::Sleep, deadline, &Asleep, |_| ()) }.map(drop)
    });
    if i.is_some() {
        exit_current();
    }
    match result {
        Err(Error::TimedOut) => Ok(()),
        other => other,
    }
}

/// What only the deadline ends.
struct Asleep;

// SAFETY: there is no object to lock; nothing comes after `arm`.
unsafe impl Object for Asleep {
    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted {
        if waiter.arm() {
            Enlisted::Waits
        } else {
            Enlisted::Expired
        }
    }

    unsafe fn leave(&self, _waiter: &Waiter) {}
}
