//! Parking and yielding: what the wait objects know of the scheduler, with `ready.rs`.
//!
//! Always true: the task is parked, and its object unlocked by the commit, only after its registers are saved.
//! Called by: tasks, inside. Blocks: the task.

use super::{find, switching, Inside};
use crate::machine::Commit;
use crate::task::{Reason, Task};
use std::ffi::c_void;

/// The calling task.
#[inline(always)]
pub fn me<'a>(i: Inside) -> &'a Task {
    // SAFETY: callers of the runtime that got an `Inside` are tasks; the record lives while its task runs.
    unsafe { &*i.m().current.get() }
}

/// Parks the calling task. `commit(data)` runs once its registers are saved: it publishes the wait (usually by
/// unlocking the object), after which the task may go on elsewhere at any moment.
///
/// # Safety
/// Somebody will make the task ready exactly once after `commit`. `data` is valid until then. `commit` must not
/// block nor switch, and runs inside.
pub unsafe fn park(i: Inside, reason: Reason, commit: unsafe fn(*mut c_void), data: *mut c_void) {
    let t = me(i);
    t.reason.set(reason);
    t.set_parked_at(i.s().coarse.stamp());
    // SAFETY: the caller's promise.
    unsafe { switching::leave(i, t, Commit::Park(t as *const Task as *mut Task, commit, data)) };
    t.reason.set(Reason::None);
}

/// Lets others go first: to the tail of this processor's queue.
///
/// Go sends a yielding task to the global queue (§4.3); here it stays with its processor, which is the same order
/// on one processor, and the 1-in-61 rule keeps the global queue from starving.
#[inline(always)]
pub fn yield_now(i: Inside) {
    let t = me(i);
    if t.extra.get().is_null() && t.flags.get() & crate::task::FLAG_BLOCKING == 0 {
        if let Some(next) = find::plain(i) {
            // SAFETY: `t` is the current plain task; `next` is a plain task that waits to be continued, and ours to run.
            return unsafe { switching::exchange(i, t, next) };
        }
    }
    yield_slowly(i);
}

#[inline(never)]
fn yield_slowly(i: Inside) {
    if !find::others_wait(i) {
        return;
    }
    let t = me(i);
    i.m().yielded.set(t as *const Task as *mut Task);
    // SAFETY: `t` is the current task, and what makes it visible is set.
    unsafe { switching::leave(i, t, Commit::None) };
}
