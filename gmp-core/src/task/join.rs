//! The join cell: how a task's end meets the one party that waits for it.
//!
//! Owns: one word: `OPEN` (a handle exists, nobody waits), `DETACHED` (no handle), `ENDED`, `IN_PLACE` (its joiner
//! runs it on its own stack), or the address of the joiner's waiter.
//!
//! Always true:
//!  - J1. The waiter's address is in the cell only while the joiner waits; the end takes it out by the swap that
//!        stores `ENDED`, and then wakes it, exactly once.
//!  - J2. A joiner that stops waiting (deadline) either takes its address back, and no one will touch its waiter,
//!        or finds `ENDED`, and then waits for the waker's last touch (`Waiter::settle`) before it returns.
//!  - J3. `DETACHED` never changes but by recycling, so the end of a detached task needs no atomic step.
//!
//! Model: `model/join.rs`, breaking switches `JoinNoSettle`, `JoinTwoSteps`.

use super::waiter::Waiter;
use crate::primitive::{sanitizer, AtomicUsize, Ordering::*};

const OPEN: usize = 0;
const DETACHED: usize = 1;
const ENDED: usize = 2;
/// Its joiner runs it on its own stack.
const IN_PLACE: usize = 3;
/// Beside a waiter's address: it has a deadline, after which it may do other things with the handle.
const TIMED: usize = 4;

/// What the cell says to a joiner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Still going, nobody waits.
    Open,
    /// Over: the result can be taken.
    Ended,
    /// Somebody else waits, or there is no handle.
    Taken,
}

/// What the end owes.
#[must_use]
pub enum End {
    /// Nobody will ask: recycle the record.
    Recycle,
    /// A handle exists: keep the result.
    Keep,
    /// Wake this waiter (the record is its joiner's from now on).
    Wake(*const Waiter),
}

/// See the module.
#[derive(Debug)]
pub struct JoinCell(AtomicUsize);

impl Default for JoinCell {
    fn default() -> Self {
        JoinCell(AtomicUsize::new(OPEN))
    }
}

impl JoinCell {
    /// For a record that is being filled in.
    #[inline(always)]
    pub fn reset(&self, detached: bool) {
        self.0.store(if detached { DETACHED } else { OPEN }, Relaxed);
    }

    /// What a joiner finds. Acquire pairs with the Release in `end`: the result is visible.
    #[inline(always)]
    pub fn look(&self) -> Seen {
        match self.0.load(Acquire) {
            OPEN => Seen::Open,
            ENDED => Seen::Ended,
            _ => Seen::Taken,
        }
    }

    /// Puts the waiter in; false when the task has ended meanwhile, or somebody else waits.
    #[must_use]
    pub fn wait(&self, waiter: *const Waiter) -> bool {
        self.0.compare_exchange(OPEN, waiter as usize, AcqRel, Acquire).is_ok()
    }

    /// The same of a waiter with a deadline.
    #[must_use]
    pub fn wait_timed(&self, waiter: *const Waiter) -> bool {
        self.0.compare_exchange(OPEN, waiter as usize | TIMED, AcqRel, Acquire).is_ok()
    }

    /// Takes the waiter out again; false when the task has ended meanwhile (then settle with the waker).
    #[must_use]
    pub fn leave(&self, waiter: *const Waiter) -> bool {
        let there = self.0.load(Relaxed);
        there & !TIMED == waiter as usize && self.0.compare_exchange(there, OPEN, AcqRel, Acquire).is_ok()
    }

    /// Gives the handle up. `Err(Ended)`: recycle; `Err(Taken)`: somebody waits.
    pub fn detach(&self) -> Result<(), Seen> {
        match self.0.compare_exchange(OPEN, DETACHED, AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(ENDED) => Err(Seen::Ended),
            Err(_) => Err(Seen::Taken),
        }
    }

    /// The task is over and its result stored.
    #[inline(always)]
    pub fn end(&self) -> End {
        if self.0.load(Relaxed) == DETACHED {
            return End::Recycle;
        }
        sanitizer::released(self);
        // Release publishes the result; Acquire sees the waiter's fields.
        match self.0.swap(ENDED, AcqRel) {
            OPEN => End::Keep,
            DETACHED => End::Recycle,
            waiter => End::Wake((waiter & !TIMED) as *const Waiter),
        }
    }

    /// True when there is no handle.
    pub fn is_detached(&self) -> bool {
        self.0.load(Relaxed) == DETACHED
    }

    /// True when nobody holds the handle but who waits in a join without a deadline: it is detached, or being joined.
    #[inline(always)]
    pub fn is_spoken_for(&self) -> bool {
        let there = self.0.load(Relaxed);
        there != OPEN && there & TIMED == 0
    }

    /// Before running the task in place: keeps other joiners out. False: somebody else waits, or it has ended.
    #[inline(always)]
    #[must_use]
    pub fn take_in_place(&self) -> bool {
        self.0.compare_exchange(OPEN, IN_PLACE, Relaxed, Relaxed).is_ok()
    }
}
