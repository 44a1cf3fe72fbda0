//! Starting timers: which heap they go to, and who must know.
//!
//! Owns: that a timer fires on time although nobody will look soon: its processor's machine may be away in foreign code,
//! and from a thread that is no task there is no machine at all.
//! Always true: after `start` either a machine that searches, the watcher or the monitor sleeps no longer than until the
//! timer is due. (Deadlines of parking tasks need none of this: the machine looks for work right after the park.)
//!
//! Called by: timers and contexts. Blocks: briefly on leaf locks, and the scheduler's for a thread's earliest timer.

use super::{Inside, Shared};
use crate::base::error::Result;
use crate::source::timer::{Fire, Timed, Timers, NEVER};

/// Starts a timer: it is in a heap until it fires, is stopped by [`Timers::remove`] on the heap given here, or the runtime
/// ends ([`Shared::end_timers`]).
///
/// # Safety
/// `timed` is in no heap, and stays as T1 demands.
pub unsafe fn start(s: &Shared, i: Option<Inside>, when: i64, timed: *const Timed) -> Result<*const Timers> {
    let timers = match i {
        Some(i) => &i.p().timers,
        None => &s.processor(0).timers,
    };
    timers.reserve()?;
    // SAFETY: the caller's promise.
    if unsafe { timers.insert(when, timed) } {
        match i {
            Some(_) => s.monitor.attend_until(when),
            None => s.watch_earlier(when),
        }
    }
    Ok(timers)
}

impl Shared {
    /// A timer was started by a thread that is no task, and is its heap's earliest.
    fn watch_earlier(&self, when: i64) {
        let locked = self.lock.lock();
        // SAFETY: machines are not freed while the runtime lives.
        match unsafe { locked.watcher.as_ref() } {
            Some(watcher) => {
                let late = when < locked.watch_until;
                drop(locked);
                if late {
                    watcher.note.wake();
                }
            }
            None => {
                drop(locked);
                self.monitor.attend_until(when);
            }
        }
    }

    /// The runtime ends: takes every timer out of its heap, and tells it so by firing it at [`NEVER`]. No task is left, so
    /// no waiter is in a heap.
    ///
    /// # Safety
    /// No machine runs any more.
    pub unsafe fn end_timers(&self) {
        for p in self.procs() {
            while let Some(timed) = p.timers.pop_any() {
                // SAFETY: taken out just now; a timer's, as no task is left.
                unsafe {
                    let fire: Option<Fire> = (*timed).fire();
                    if let Some(fire) = fire {
                        fire(timed, NEVER);
                    }
                }
            }
        }
    }
}
