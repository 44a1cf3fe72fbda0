//! The wait word: who ends a wait. Every wait of a task or thread is decided here, once.
//!
//! Owns: one word: what has happened to the present wait, and its number, so that a word read in one wait is never taken
//! for another's. A task's word lies in its record, which is never freed: whoever cancels a task needs no pointer into
//! its stack.
//!
//! | bits | the wait |
//! |---|---|
//! | none | begins: nothing can end it yet; a deadline that passes now is noted (`Expired`) and `arm` finds it |
//! | `WAITING` | waits: a waker, the deadline or (with `CANCELABLE`) a canceller may claim it |
//! | `WOKEN`, `EXPIRED` or `CANCELED` | decided; the claimer makes the task ready, or wakes the thread |
//! | `DONE` | the waker has touched the waiter for the last time |
//! | `SOLE` beside `WAITING` | only wakers can end it, and only under one object's lock: a claim needs no atomic step |
//!
//! Always true:
//!  - W1. From `WAITING` exactly one party moves the word on, by compare and swap (or as the only one that may, `SOLE`); it
//!        alone makes the task ready.
//!  - W2. `WAITING` is stored with the object's lock held and the task's registers saved (a park's commit). So who finds
//!        the waiter in an object finds it armed, and who claims a task finds it parked.
//!  - W3. Between `arm` and a canceller nothing is lost: the waiter stores `WAITING`, then the light barrier (fence F5),
//!        then looks at the task's cancel mark; the canceller stores the mark, then the heavy barrier (F5's partner), then
//!        looks at the word.
//!
//! Models: `model/waiter.rs`, `model/join.rs`, `model/cancel.rs`; breaking switches `WaiterLoadStore`, `JoinTwoSteps`, `CancelFence`.

#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{AtomicU32, Ordering::*};

const WAITING: u32 = 1;
const CANCELABLE: u32 = 2;
const WOKEN: u32 = 4;
const EXPIRED: u32 = 8;
const CANCELED: u32 = 16;
const DONE: u32 = 32;
const SOLE: u32 = 64;
const NUMBER: u32 = 128;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By a waker: what was waited for has happened.
    Woken,
    /// By the deadline.
    Expired,
    /// By the task's context or `cancel`.
    Canceled,
}

/// What an expiring deadline finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The wait is over by it: make the task ready.
    Won,
    /// The wait has not begun: its `arm` will see it.
    Early,
    /// Somebody else was first.
    Lost,
}

/// Who may end a wait, beside a waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enders {
    /// Nobody, and the wait is for one object, whose lock every waker holds.
    Sole,
    /// The deadline, or wakers of several objects.
    Several,
    /// A canceller too.
    Cancelers,
}

/// A word's value while it waits: what a claim of just this wait compares with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Armed(u32);

/// See the module.
#[repr(transparent)]
#[derive(Debug)]
pub struct WaitWord(AtomicU32);

impl Default for WaitWord {
    fn default() -> Self {
        WaitWord::new()
    }
}

impl WaitWord {
    pub fn new() -> WaitWord {
        WaitWord(AtomicU32::new(0))
    }

    /// The whole word, for who looks twice: another wait has another number.
    pub fn seen(&self) -> u32 {
        self.0.load(Acquire)
    }

    /// A new wait of its owner begins. The value that `arm` will store.
    #[inline(always)]
    pub fn begin(&self, enders: Enders) -> Armed {
        let number = (self.0.load(Relaxed) & !(NUMBER - 1)).wrapping_add(NUMBER);
        self.0.store(number, Relaxed);
        let who = match enders {
            Enders::Sole => SOLE,
            Enders::Several => 0,
            Enders::Cancelers => CANCELABLE,
        };
        Armed(number | WAITING | who)
    }

    /// From here on the wait can be claimed. For a wait without a deadline: nobody else touches the word before.
    #[inline(always)]
    pub fn arm(&self, armed: Armed) {
        self.0.store(armed.0, Release);
    }

    /// The same for a wait with a deadline. False: it has passed already.
    #[inline(always)]
    #[must_use]
    pub fn arm_timed(&self, armed: Armed) -> bool {
        self.0.compare_exchange(armed.0 & !(NUMBER - 1), armed.0, AcqRel, Acquire).is_ok()
    }

    #[inline(always)]
    fn claim_as(&self, how: u32) -> bool {
        let mut word = self.0.load(Acquire);
        while word & (WAITING | WOKEN | EXPIRED | CANCELED) == WAITING {
            #[cfg(loom)]
            if Break::WaiterLoadStore.is_on() {
                self.0.store(word | how, Release);
                return true;
            }
            match self.0.compare_exchange_weak(word, word | how, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// A waker's try, usually under the object's lock. True: the wait is decided, and the caller owes the waiter its wake.
    #[inline(always)]
    #[must_use]
    pub fn claim(&self) -> bool {
        let word = self.0.load(Acquire);
        if word & (SOLE | WAITING | WOKEN) == SOLE | WAITING {
            // Nobody else writes: the other wakers wait for the lock. Release as in `claim_as`.
            self.0.store(word | WOKEN, Release);
            return true;
        }
        self.claim_as(WOKEN)
    }

    /// A waker's try without the object's lock: claims it, or says `done` in the same step, so that no `arm` comes between.
    #[must_use]
    pub fn claim_or_done(&self) -> bool {
        #[cfg(loom)]
        if Break::JoinTwoSteps.is_on() {
            let won = self.claim();
            if !won {
                self.done();
            }
            return won;
        }
        let mut word = self.0.load(Acquire);
        loop {
            let waits = word & (WAITING | WOKEN | EXPIRED | CANCELED) == WAITING;
            let next = word | if waits { WOKEN } else { DONE };
            match self.0.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return waits,
                Err(now) => word = now,
            }
        }
    }

    /// The deadline's try.
    #[must_use]
    pub fn expire(&self) -> Expiry {
        if self.claim_as(EXPIRED) {
            return Expiry::Won;
        }
        let word = self.0.load(Acquire);
        if word & (NUMBER - 1) != 0 {
            return Expiry::Lost;
        }
        match self.0.compare_exchange(word, word | EXPIRED, AcqRel, Acquire) {
            Ok(_) => Expiry::Early,
            // Armed meanwhile: it is an ordinary expiry.
            Err(_) if self.claim_as(EXPIRED) => Expiry::Won,
            Err(_) => Expiry::Lost,
        }
    }

    /// What a canceller finds: the wait, if it can be cancelled.
    #[inline]
    pub fn cancelable(&self) -> Option<Armed> {
        let word = self.0.load(Acquire);
        (word & (NUMBER - 1) == WAITING | CANCELABLE).then_some(Armed(word))
    }

    /// A verdict's try (`sched/deadlock.rs`), for a thread's wait of `Enders::Several`: it ends as if cancelled.
    #[must_use]
    pub fn end_by_verdict(&self) -> bool {
        self.claim_as(CANCELED)
    }

    /// A canceller's try, for the very wait that it found.
    #[must_use]
    pub fn cancel(&self, armed: Armed) -> bool {
        self.0.compare_exchange(armed.0, armed.0 | CANCELED, AcqRel, Acquire).is_ok()
    }

    /// How the wait ended; None while it goes on.
    #[inline(always)]
    pub fn ended(&self) -> Option<Ended> {
        let word = self.0.load(Acquire);
        if word & WOKEN != 0 {
            Some(Ended::Woken)
        } else if word & EXPIRED != 0 {
            Some(Ended::Expired)
        } else if word & CANCELED != 0 {
            Some(Ended::Canceled)
        } else {
            None
        }
    }

    /// The waker's last touch.
    #[inline(always)]
    pub fn done(&self) {
        self.0.fetch_or(DONE, Release);
    }

    /// True once the waker has touched the waiter for the last time.
    #[inline(always)]
    pub fn is_done(&self) -> bool {
        self.0.load(Acquire) & DONE != 0
    }

    /// The word itself, for a thread to sleep on, and its value now.
    pub fn raw(&self) -> (&AtomicU32, u32) {
        (&self.0, self.0.load(Acquire))
    }
}

#[cfg(loom)]
impl Drop for WaitWord {
    /// Its memory is given back: an access that is not over by now is an error of the protocol, which loom reports.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_once_and_a_value_of_another_wait_does_not_match() {
        let w = WaitWord::new();
        let first = w.begin(Enders::Cancelers);
        assert_eq!(w.cancelable(), None);
        w.arm(first);
        assert_eq!(w.cancelable(), Some(first));
        assert!(w.claim());
        assert!(!w.claim());
        assert!(!w.cancel(first));
        assert_eq!(w.expire(), Expiry::Lost);
        assert_eq!(w.ended(), Some(Ended::Woken));
        let second = w.begin(Enders::Cancelers);
        assert_ne!(first, second);
        w.arm(second);
        assert!(!w.cancel(first));
        assert!(w.cancel(second));
        assert_eq!(w.ended(), Some(Ended::Canceled));
    }

    #[test]
    fn a_wait_that_only_wakers_end_is_claimed_once() {
        let w = WaitWord::new();
        let armed = w.begin(Enders::Sole);
        assert!(!w.claim());
        w.arm(armed);
        assert_eq!(w.cancelable(), None);
        assert!(w.claim());
        assert!(!w.claim());
        assert_eq!(w.ended(), Some(Ended::Woken));
    }

    #[test]
    fn a_deadline_that_passes_before_the_wait_is_found_by_it() {
        let w = WaitWord::new();
        let armed = w.begin(Enders::Several);
        assert_eq!(w.expire(), Expiry::Early);
        assert!(!w.arm_timed(armed));
        assert_eq!(w.ended(), Some(Ended::Expired));
        let armed = w.begin(Enders::Several);
        assert!(w.arm_timed(armed));
        assert_eq!(w.cancelable(), None);
        assert_eq!(w.expire(), Expiry::Won);
        assert!(!w.claim());
    }
}
