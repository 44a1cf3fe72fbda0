//! Timers (§23): a function that runs as a task, or a value in a channel, once or again and again.
//!
//! Owns: a timer's record, its states and who has a reference to it. Which heap a timer lies in is the scheduler's
//! (`sched/timing.rs`), the order in a heap `source/timer.rs`'s.
//!
//! A timer is *armed* while a setting is in force: from a reset until it has fired or was stopped (a ticker: until it was
//! stopped). Where its record is:
//!
//! | `heap` | the heap's lock | the record | who has the heap's reference |
//! |---|---|---|---|
//! | null | – | in no heap | nobody |
//! | a heap | has it | in that heap | the heap |
//! | a heap | has it not | *in flight*: taken out, `fire` is about to be called | the caller of `fire` |
//!
//! Always true:
//!  - T1. All of it changes with the timer's lock held: a channel timer's is its channel's lock, so a value is offered,
//!        received and taken back in one order with stop and reset (§23.10); a function's is its own.
//!  - T2. A timer is in one heap or in one pair of hands: who puts it in a heap has found `heap` null. A reset that finds the
//!        timer in flight lets `fire` go first; a stop does not wait: `fire` finds the timer disarmed, and gives it up.
//!  - T3. A heap that `heap` names is there. Either the timer is in it, and a runtime that ends empties its heaps before
//!        their memory goes, or it is in flight, and whoever calls `fire` waits for our lock before going on to end
//!        anything. What remains is a runtime that ends between our taking the timer out and the unlock of the heap: the
//!        unlock is that lock's last touch.
//!  - T4. A function's task is spawned with the lock held: a stop comes before it and prevents it, or after it and answers
//!        false, also when there was no memory for a task and the timer goes on, a little later.
//!  - T5. A receive looks at the timer before it looks into the channel: what is due is there, however late a machine comes to
//!        fire it (§23.8), and a tick that was due before is not received after. A heap may have a ticker at a time that is over
//!        so: then firing only puts it to its new one. The channel knows the record until the owner's reference goes.
//!
//! No memory: a timer that was due goes back into a heap (a ticker; a function that no task could be had for) in the room
//! that it has just left, or in any other heap's. When all that has been taken meanwhile, and there is no memory for more, a
//! ticker stops and a function is not called.
//!
//! The end of the runtime stops every timer. They can be set again in the next one.
//!
//! Called by: any task or thread; `fire` by machines that look for work. Blocks: nothing, but for the lock.
//!
//! Model: `model/timer.rs`, breaking switch `TimerFireUnasked`.
//!
//! Tried and dropped: telling a late `fire` from the present setting by the time it was due (two settings may be due at the
//! same nanosecond, and the first one's `fire` would take the second out of no heap).

mod fire;
mod record;

#[cfg(all(test, not(loom)))]
mod tests;

use crate::base::error::{Error, Result};
use crate::chan::{Chan, Channel};
use crate::sched::{Inside, Shared};
use crate::task::TaskFn;
use record::{Kind, Record};
use std::ffi::c_void;
use std::ptr::NonNull;

/// A timer. Dropping it stops it; a function that was started goes on, and so do those who wait for the channel.
#[derive(Debug)]
pub struct Timer(NonNull<Record>);

// SAFETY: T1.
unsafe impl Send for Timer {}
// SAFETY: as above.
unsafe impl Sync for Timer {}

impl Timer {
    /// A timer that runs `entry(arg)` as a detached task each time it fires, not yet set. `site` is the spawn site.
    ///
    /// # Safety
    /// `entry` may be called with `arg`, on any thread, as often as the timer fires.
    pub unsafe fn func(entry: TaskFn, arg: *mut c_void, site: usize) -> Result<Timer> {
        Record::new(Kind::Func { entry, arg, site }).map(Timer)
    }

    /// A timer that sends the time that was due, not yet set.
    pub fn channel() -> Result<Timer> {
        Timer::with_channel(false)
    }

    /// A timer that sends again and again, not yet set: [`Timer::reset`] gives the period.
    pub fn ticker() -> Result<Timer> {
        Timer::with_channel(true)
    }

    fn with_channel(ticks: bool) -> Result<Timer> {
        // SAFETY: the reference is ours to give.
        let chan = unsafe { Channel::from_raw(Chan::for_timer()?) };
        Record::new(Kind::Channel { chan, ticks }).map(Timer)
    }

    /// The channel; None of a function's.
    pub fn chan(&self) -> Option<&Channel> {
        self.record().chan()
    }

    /// Whether `ns` is a time it can be set to: a ticker's period is above zero.
    pub fn takes(&self, ns: i64) -> bool {
        ns > 0 || !self.record().ticks()
    }

    /// `Forked` for the copy of a timer of a fork's parent. It is stopped for good, and its memory stays.
    pub fn is_here(&self) -> Result<()> {
        self.record().is_here()
    }

    /// Stops it. True: that prevented it from firing, or its value from being received. Once this has returned, nothing of
    /// the setting is received; a function may be running.
    pub fn stop(&self) -> bool {
        self.record().stop()
    }

    /// Sets it to fire in `ns` (0 and less: at once); a ticker every `ns`. The answer is that of [`Timer::stop`] for the
    /// setting before. `Invalid`: see [`Timer::takes`]; `Stopped`: a function's, and the runtime refuses tasks; nothing has
    /// changed. `NoMemory`: it is stopped.
    pub fn reset(&self, i: Option<Inside>, s: &Shared, ns: i64) -> Result<bool> {
        if !self.takes(ns) {
            return Err(Error::Invalid);
        }
        self.record().reset(i, s, ns)
    }

    /// Its address, which keeps nothing.
    pub fn as_raw(&self) -> NonNull<c_void> {
        self.0.cast()
    }

    /// Gives it out as an address.
    pub fn into_raw(self) -> NonNull<c_void> {
        std::mem::ManuallyDrop::new(self).as_raw()
    }

    /// Takes it back.
    ///
    /// # Safety
    /// `raw` is from [`Timer::into_raw`], and was not taken back yet.
    pub unsafe fn from_raw(raw: NonNull<c_void>) -> Timer {
        Timer(raw.cast())
    }

    fn record(&self) -> &Record {
        // SAFETY: our reference keeps it.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: our own reference.
        unsafe { Record::retire(self.0.as_ptr()) };
    }
}
