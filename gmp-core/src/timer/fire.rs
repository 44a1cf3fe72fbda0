//! Firing: what a machine does with a timer that is due.
//!
//! Owns: what firing means for each kind, and when a ticker is due again.
//! Always true: T4 of `mod.rs`; a ticker stays in step with its start: ticks that come too late are left out (§23.6); those that
//! fire together run in the order in which they were due (§23.4).
//!
//! Called by: a heap's `expire`, on a machine, inside, maybe in the middle of a task's park before its commit: nothing here
//! parks. By a runtime that ends, with `NEVER`. Blocks: as `record.rs`; the spawn of a task may need a leaf lock.

use super::record::{Kind, Record};
use crate::base::clock;
use crate::base::error::Error;
use crate::chan::Channel;
#[cfg(loom)]
use crate::model::Break;
use crate::sched::spawn::{self, Spawn};
use crate::sched::{ready, Inside};
use crate::source::timer::{Timed, NEVER};
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
        #[cfg(loom)]
        let armed = record.armed.get() || Break::TimerFireUnasked.is_on();
        #[cfg(not(loom))]
        let armed = record.armed.get();
        if !armed || when == NEVER {
            // Stopped since it was taken out of the heap; or the runtime ends.
            record.armed.set(false);
            record.unlock();
            return Record::release(this);
        }
        let i = Inside::current();
        let mut claimed = Claimed::none();
        let started = record.act(i, when, &mut claimed);
        let goes_on = record.armed.get() && record.put_in(i.s(), Some(i), record.when.get()).is_ok();
        record.armed.set(goes_on);
        record.unlock();
        let woken = !claimed.is_empty();
        ready::finish_all(Some(i), claimed);
        if started || woken {
            // Through run-next the last would be first.
            ready::demote_next(i);
        }
        if !goes_on {
            Record::release(this);
        }
    }
}

/// Called by a receive with the channel's lock held: it does not wait for a machine to fire what is due.
///
/// # Safety
/// `timer` is a record with a channel, and nobody waits to receive.
pub(super) unsafe fn look(timer: *const ()) {
    // SAFETY: the record is there while its channel names it.
    let record = unsafe { &*(timer as *const Record) };
    let Kind::Channel { chan, ticks } = &record.kind else { return };
    if !record.armed.get() || record.when.get() > clock::now() {
        return;
    }
    let mut nobody = Claimed::none();
    record.send(chan, *ticks, &mut nobody);
    debug_assert!(nobody.is_empty());
    // A ticker stays where it is: a machine comes soon, and puts it to its new time. So does one in flight.
    if !ticks && record.take_out() == Some(true) {
        record.drop_heaps();
    }
}

impl Record {
    /// With the lock held, after the heap had it at `due`: what is due happens, and whoever got a value is claimed; it stays
    /// armed if it is due again, at `when`. True: a task was started.
    fn act(&self, i: Inside, due: i64, claimed: &mut Claimed) -> bool {
        match &self.kind {
            Kind::Func { entry, arg, site } => match spawn::spawn_fired(i, &Spawn::plain(i.s(), *entry, *arg, *site)) {
                Ok(_) => {
                    self.armed.set(false);
                    true
                }
                Err(e) => {
                    // `Stopped`: the runtime waits for its last task, and it is too late for new ones.
                    self.armed.set(e != Error::Stopped);
                    self.when.set(clock::now().saturating_add(RETRY));
                    false
                }
            },
            Kind::Channel { chan, ticks } => {
                // Not if a receive has seen to it.
                if self.when.get() <= clock::now().max(due) {
                    self.send(chan, *ticks, claimed);
                }
                false
            }
        }
    }

    /// With the lock held: sends what is due. A value that is still there stays: that tick is left out.
    fn send(&self, chan: &Channel, ticks: bool, claimed: &mut Claimed) {
        let when = self.when.get();
        // SAFETY: the channel's lock is ours.
        unsafe { chan.offer(when, claimed) };
        self.armed.set(ticks);
        if ticks {
            self.when.set(next(when, self.period.get(), clock::now()));
        }
    }
}

/// The first tick after `now`.
fn next(when: i64, period: i64, now: i64) -> i64 {
    let late = now.saturating_sub(when).max(0);
    period.checked_mul((late / period).saturating_add(1)).and_then(|step| when.checked_add(step)).unwrap_or(NEVER)
}

#[cfg(all(test, not(loom)))]
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
