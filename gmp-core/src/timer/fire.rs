//! Firing: what a machine does with a timer that is due.
//!
//! Owns: what firing means for each kind, and when a ticker is due again.
//! Always true: T4 of `mod.rs`; a ticker stays in step with its start: ticks that come too late are left out (§23.6); those that
//! fire together run in the order in which they were due (§23.4).
//!
//! Called by: a heap's `expire`, on a machine, inside, maybe in the middle of a task's park before its commit: nothing here
//! parks. By a runtime that ends, with `NEVER`. Blocks: as `record.rs`; the spawn of a task may need a leaf lock.

use super::record::{Kind, Record};
use crate::base::error::Error;
use crate::sched::spawn::{self, Spawn};
use crate::sched::{ready, Inside};
use crate::source::timer::{Timed, NEVER};
use crate::sys::clock;
use crate::task::wait_queue::Claimed;
use std::ptr::null;

/// When to try again, after there was no memory for a function's task.
const RETRY: i64 = 1_000_000;

/// See [`crate::source::timer::Fire`].
///
/// # Safety
/// As there; `timed` is a record's first field.
pub(super) unsafe fn fire(timed: *const Timed, when: i64) {
    let this = timed as *const Record;
    // SAFETY: the heap's reference is ours. If it passes to a heap again, that is with the lock held, and the unlock is our
    // last touch.
    unsafe {
        let record = &*this;
        record.lock();
        record.heap.set(null());
        if !record.armed.get() || when == NEVER {
            // Stopped since it was taken out of the heap; or the runtime ends.
            record.armed.set(false);
            record.unlock();
            return Record::release(this);
        }
        let i = Inside::current();
        let mut claimed = Claimed::none();
        let (done, again) = record.act(i, when, &mut claimed);
        let goes_on = again.is_some_and(|when| record.put_in(i.s(), Some(i), when).is_ok());
        record.armed.set(goes_on);
        record.unlock();
        ready::finish_all(Some(i), claimed);
        if done {
            // Through run-next the last would be first.
            ready::demote_next(i);
        }
        if !goes_on {
            Record::release(this);
        }
    }
}

impl Record {
    /// With the lock held: what was due at `when` happens, and whoever got a value is claimed. Says whether a task may have
    /// become ready by it, and when the timer is due again.
    fn act(&self, i: Inside, when: i64, claimed: &mut Claimed) -> (bool, Option<i64>) {
        match &self.kind {
            Kind::Func { entry, arg, site } => match spawn::spawn(i, &Spawn::plain(i.s(), *entry, *arg, *site)) {
                Ok(_) => (true, None),
                // The runtime waits for its last task: it is too late for new ones.
                Err(Error::Stopped) => (false, None),
                Err(_) => (false, Some(clock::now().saturating_add(RETRY))),
            },
            Kind::Channel { chan, ticks } => {
                // SAFETY: the channel's lock is ours. (A value that is still there stays: that tick is left out.)
                unsafe { chan.offer(when, claimed) };
                (!claimed.is_empty(), ticks.then(|| next(when, self.period.get(), clock::now())))
            }
        }
    }
}

/// The first tick after `now`.
fn next(when: i64, period: i64, now: i64) -> i64 {
    let late = now.saturating_sub(when).max(0);
    period.checked_mul((late / period).saturating_add(1)).and_then(|step| when.checked_add(step)).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_tick_is_in_step_and_in_the_future() {
        assert_eq!(next(100, 10, 100), 110);
        assert_eq!(next(100, 10, 90), 110);
        assert_eq!(next(100, 10, 109), 110);
        assert_eq!(next(100, 10, 110), 120);
        assert_eq!(next(100, 10, 199), 200);
        assert_eq!(next(100, 1, i64::MAX - 1), NEVER);
        assert_eq!(next(100, i64::MAX, 200), NEVER);
        assert_eq!(next(i64::MIN, 3, i64::MAX), NEVER);
    }
}
