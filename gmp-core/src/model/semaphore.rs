//! The semaphore (`sync/semaphore.rs`): requests of different sizes, and one that stops waiting.
//!
//! Threads: one that asks for two with a deadline, one that asks for one, and one that gives one. There is one from the start.
//! All of it is the real code.
//! Checked: nobody waits although the oldest request fits (S3: loom's "deadlock"); the count is what was given less what was taken.
//! Bounded: with three threads to three interruptions.

use super::{fails, holds, race, Break, Place};
use crate::base::error::Error;
use crate::sched::wait::FOREVER;
use crate::sync::semaphore::Semaphore;
use crate::sys::clock;

/// It passes whenever it is looked at.
const SOON: i64 = 2;

struct World(Place<Semaphore>);

impl World {
    fn new() -> World {
        clock::start(0);
        let world = World(Place::new(Semaphore::default()));
        assert_eq!(world.0.release(1), Ok(()));
        world
    }

    fn ask_for_two(&self) {
        match self.0.acquire(2, SOON) {
            Ok(()) => assert_eq!(self.0.release(2), Ok(())),
            Err(e) => assert_eq!(e, Error::TimedOut),
        }
    }

    fn ask_for_one(&self) {
        assert_eq!(self.0.acquire(1, FOREVER), Ok(()));
    }

    fn give_one(&self) {
        assert_eq!(self.0.release(1), Ok(()));
    }

    fn check(&self, left: u32) {
        assert!(self.0.try_acquire(left), "what was given and not taken");
        assert!(!self.0.try_acquire(1), "and no more");
        self.0.free();
    }
}

fn one_behind_two() {
    race(World::new(), &[World::ask_for_one, World::ask_for_two]).check(0);
}

fn one_behind_two_and_one_is_given() {
    race(World::new(), &[World::ask_for_one, World::ask_for_two, World::give_one]).check(1);
}

#[test]
fn model_semaphore_holds() {
    holds(None, one_behind_two);
}

#[test]
fn model_semaphore_holds_with_three() {
    holds(Some(3), one_behind_two_and_one_is_given);
}

#[test]
fn model_semaphore_fails_when_one_leaves_and_serves_nobody() {
    fails(Break::SemaphoreLeaveAlone, "deadlock", None, one_behind_two);
}
