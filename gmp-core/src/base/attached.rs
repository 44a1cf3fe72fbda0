//! Foreign threads that have called in, as the recognition of deadlocks sees them: how many are up, and where each lies.
//!
//! A thread *lies* while it waits in here without a deadline; else it is *up*, and may do anything at any moment.
//!
//! Owns: the number of those who are up, with an epoch that grows whenever somebody gets up; and of each thread the place
//! ([`Slot`]) where a verdict finds its wait.
//!
//! Always true:
//!  - A1. A thread lies down itself, when its wait can be ended by others and it has nothing left to do. Who ends the wait
//!        (the claimer of its waiter, or the verdict) gets it up, before the thread can see that it has ended; the claimer is up
//!        itself, or runs on a machine that is awake. So a thread that was made to go on is not counted as lying at any
//!        moment, and while nobody is up, and every machine sleeps, nothing can happen. The wake may come before the thread has lain
//!        down: then it is counted twice for a moment, which only puts a verdict off.
//!  - A2. Two equal [`Look`]s with nobody up: nobody was up between them.
//!  - A3. While a slot is held (`JUDGED`) its thread does not come back from the wait, so the waiter that it names stands.
//!
//! Model: `model/deadlock.rs`, breaking switches `DeadlockLateRise`, `DeadlockNoHold`.

use crate::primitive::{AtomicI32, AtomicU64, AtomicUsize, Ordering::*};

const ONE: u64 = 1;
const EPOCH: u64 = 1 << 32;

/// How many are up. See the module.
#[derive(Debug)]
pub struct Attached(AtomicU64);

/// The number and the epoch at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look(u64);

impl Look {
    /// True when every thread lies.
    pub fn nobody_is_up(self) -> bool {
        self.0 as u32 == 0
    }

    /// How many are up.
    pub fn up(self) -> u32 {
        self.0 as u32
    }
}

impl Default for Attached {
    fn default() -> Attached {
        Attached(AtomicU64::new(0))
    }
}

impl Attached {
    #[cfg(not(loom))]
    pub const fn new() -> Attached {
        Attached(AtomicU64::new(0))
    }

    /// A thread calls in for the first time, or a wait without a deadline is ended.
    pub fn get_up(&self) {
        self.0.fetch_add(EPOCH | ONE, SeqCst);
    }

    /// A thread gets up by itself, to look and lie down again; what it finds matters to nobody else.
    pub fn look_up(&self) {
        self.0.fetch_add(ONE, SeqCst);
    }

    /// A thread's wait has begun, or the thread has ended. True: nobody is up now.
    #[must_use]
    pub fn lie_down(&self) -> bool {
        self.0.fetch_sub(ONE, SeqCst) as u32 == 1
    }

    /// How it is now.
    pub fn look(&self) -> Look {
        Look(self.0.load(SeqCst))
    }

    /// In a fork's child, which has this one thread at most.
    pub fn reset(&self, up: u32) {
        self.0.store(up as u64, SeqCst);
    }
}

/// In [`Slot::place`]: the verdict looks at it.
const JUDGED: usize = 1;
/// In [`Slot::place`]: its thread lies, and a verdict has nothing to tell it.
const PLAIN: usize = 2;
/// In [`Slot::place`]: its thread waits until no task is left.
const QUIET: usize = 4;

/// What a thread that lies waits for, as far as a verdict ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Not ended by a verdict.
    Plain,
    /// For the end of all tasks.
    Quiet,
    /// The address of a waiter, whose wait a verdict ends.
    Waiter(usize),
}

/// One thread. See the module.
#[derive(Debug)]
pub struct Slot {
    /// The kernel's number of the thread; 0: nobody's.
    tid: AtomicI32,
    place: AtomicUsize,
}

impl Default for Slot {
    fn default() -> Slot {
        Slot { tid: AtomicI32::new(0), place: AtomicUsize::new(0) }
    }
}

impl Slot {
    #[cfg(not(loom))]
    pub const fn new() -> Slot {
        Slot { tid: AtomicI32::new(0), place: AtomicUsize::new(0) }
    }

    /// Whose it is; 0: nobody's.
    pub fn tid(&self) -> i32 {
        self.tid.load(Relaxed)
    }

    /// Changes its thread; false: it was not `from`'s any more.
    pub fn pass(&self, from: i32, to: i32) -> bool {
        self.tid.compare_exchange(from, to, AcqRel, Relaxed).is_ok()
    }

    /// In a fork's child.
    pub fn reset(&self, tid: i32) {
        self.place.store(0, Relaxed);
        self.tid.store(tid, Relaxed);
    }

    /// True while its thread lies.
    pub fn lies(&self) -> bool {
        self.place.load(Relaxed) != 0
    }

    /// By its thread, before [`Attached::lie_down`].
    pub fn lie(&self, place: Place) {
        let place = match place {
            Place::Plain => PLAIN,
            Place::Quiet => QUIET,
            Place::Waiter(waiter) => waiter,
        };
        self.place.store(place, Release);
    }

    /// By its thread, when its wait is over. False: a verdict has been here.
    pub fn rise(&self) -> bool {
        loop {
            let place = self.place.load(Acquire);
            #[cfg(loom)]
            if crate::model::Break::DeadlockNoHold.is_on() {
                return place & !JUDGED != 0;
            }
            if place == 0 {
                return false;
            }
            if place & JUDGED == 0 && self.place.compare_exchange(place, 0, AcqRel, Acquire).is_ok() {
                return true;
            }
            // For as long as a verdict needs for a wake.
            crate::primitive::yield_thread();
        }
    }

    /// By the verdict: `end` ends the wait that it finds here, if there is one, and the slot is empty then. A3.
    pub fn judge(&self, end: impl FnOnce(Place)) {
        let place = self.place.load(Acquire);
        if place <= PLAIN || place & JUDGED != 0 {
            return;
        }
        if self.place.compare_exchange(place, place | JUDGED, AcqRel, Acquire).is_ok() {
            end(if place == QUIET { Place::Quiet } else { Place::Waiter(place) });
            self.place.store(0, Release);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_got_up_and_lay_down_again_is_seen_by_the_epoch() {
        let all = Attached::new();
        all.get_up();
        all.get_up();
        assert!(!all.lie_down() && all.lie_down());
        let before = all.look();
        assert!(before.nobody_is_up());
        all.look_up();
        assert_eq!(all.look().up(), 1);
        assert!(all.lie_down());
        assert_eq!(all.look(), before);
        all.get_up();
        assert!(all.lie_down());
        assert!(all.look().nobody_is_up() && all.look() != before);
    }

    #[test]
    fn a_verdict_finds_what_it_may_end_and_empties_the_slot() {
        let slot = Slot::new();
        slot.judge(|_| panic!("nobody lies there"));
        slot.lie(Place::Plain);
        slot.judge(|_| panic!("that is not ended"));
        assert!(slot.rise() && !slot.lies());
        let mut found = None;
        slot.lie(Place::Waiter(0x1000));
        slot.judge(|place| found = Some(place));
        assert_eq!(found, Some(Place::Waiter(0x1000)));
        assert!(!slot.rise());
        slot.lie(Place::Quiet);
        slot.judge(|place| found = Some(place));
        assert_eq!(found, Some(Place::Quiet));
    }
}
