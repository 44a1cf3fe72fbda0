//! The condition (`sync/cond.rs`): a signal against a wait that begins, goes on or is being ended by its deadline.
//!
//! Threads: one that waits until something is said, and one that says it under the mutex and signals after. All of it is
//! the real code.
//! Checked: C1: no signal is lost (loom's "deadlock"); what was said before the signal is visible, and the mutex is held, after
//! the wait, also when its deadline ended it; C3: who waited frees the condition, and nobody touches it after.
//! Bounded: to four interruptions, with a deadline to three.

use super::{fails, holds, race, Break, Place};
use crate::base::error::Error;
use crate::primitive::Cell;
use crate::sched::wait::FOREVER;
use crate::sync::cond::Cond;
use crate::sync::mutex::Mutex;
use crate::sys::clock;

/// It passes whenever it is looked at.
const SOON: i64 = 2;

struct World {
    mutex: Place<Mutex>,
    cond: Place<Cond>,
    /// Guarded by the mutex.
    said: Place<Cell<bool>>,
}

impl World {
    fn new() -> World {
        clock::start(0);
        World {
            mutex: Place::new(Mutex::default()),
            cond: Place::new(Cond::default()),
            said: Place::new(Cell::new(false)),
        }
    }

    fn say(&self) {
        assert_eq!(self.mutex.lock(FOREVER), Ok(()));
        self.said.set(true);
        // Under the mutex, or who waits might free the condition before.
        self.cond.signal();
        assert_eq!(self.mutex.unlock(), Ok(()));
    }

    fn wait(&self) {
        assert_eq!(self.mutex.lock(FOREVER), Ok(()));
        while !self.said.get() {
            assert_eq!(self.cond.wait(&self.mutex, FOREVER), Ok(()));
        }
        self.cond.free();
        assert_eq!(self.mutex.unlock(), Ok(()));
    }

    fn wait_soon(&self) {
        assert_eq!(self.mutex.lock(FOREVER), Ok(()));
        if !self.said.get() {
            match self.cond.wait(&self.mutex, SOON) {
                Ok(()) => assert!(self.said.get()),
                Err(e) => assert_eq!(e, Error::TimedOut),
            }
        }
        let _anything = self.said.get();
        assert_eq!(self.mutex.unlock(), Ok(()));
    }
}

fn signal_against_wait() {
    race(World::new(), &[World::wait, World::say]);
}

fn signal_against_a_deadline() {
    race(World::new(), &[World::wait_soon, World::say]).cond.free();
}

#[test]
fn model_cond_holds() {
    holds(Some(4), signal_against_wait);
}

#[test]
fn model_cond_holds_with_a_deadline() {
    holds(Some(3), signal_against_a_deadline);
}

#[test]
fn model_cond_fails_when_the_mutex_is_given_up_first() {
    fails(Break::CondUnlockFirst, "deadlock", Some(4), signal_against_wait);
}
