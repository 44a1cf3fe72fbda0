//! A waiter (`task/waiter.rs`, `task/wait_word.rs`): a waker against the deadline.
//!
//! Threads: a waker, and the deadline's party, which for a thread's waiter is the sleeping thread itself, for a task's a
//! machine that looks into a heap. An object's lock, under which wakers claim, is not there: the claim decides alone.
//! Checked: W1: exactly one wins; V1: nobody touches the waiter after its memory was given back; a deadline that passes before the
//! wait is armed is found by it.

use super::{fails, holds, race, Break, Place};
use crate::primitive::{AtomicU32, Cell, Ordering::*};
use crate::task::wait_word::{Ended, Enders, Expiry};
use crate::task::waiter::Waiter;

struct World {
    waiter: Place<Waiter>,
    said: Place<Cell<u32>>,
    woken: AtomicU32,
    expired: AtomicU32,
}

impl World {
    fn new(enders: Enders) -> World {
        let world = World {
            waiter: Place::new(Waiter::for_thread(std::ptr::null())),
            said: Place::new(Cell::new(0)),
            woken: AtomicU32::new(0),
            expired: AtomicU32::new(0),
        };
        world.waiter.begin(enders, enders != Enders::Sole);
        world
    }

    fn armed(enders: Enders) -> World {
        let world = World::new(enders);
        assert!(world.waiter.arm());
        world
    }

    fn wake(&self) {
        self.said.set(1);
        if self.waiter.word().claim() {
            // SAFETY: the place stays; whether the waiter may be touched is what the model checks.
            unsafe { Waiter::finish_thread(&*self.waiter) };
            self.woken.store(1, Relaxed);
        }
    }

    fn expire(&self) {
        if self.waiter.word().expire() != Expiry::Lost {
            self.expired.store(1, Relaxed);
        }
    }

    /// A wait with a deadline, as a task's: from here on it can be claimed, unless the deadline was before.
    fn arm(&self) {
        if !self.waiter.arm_contended() {
            assert_eq!(self.waiter.ended(), Some(Ended::Expired));
        } else if self.waiter.word().claim() {
            self.woken.store(1, Relaxed);
        }
    }

    fn sleep(&self) {
        assert_eq!(self.waiter.sleep_thread(None), Ended::Woken);
        self.waiter.free();
        assert_eq!(self.said.get(), 1);
    }

    fn sleep_until(&self) {
        if self.waiter.sleep_thread(Some(2)) == Ended::Woken {
            self.waiter.free();
            assert_eq!(self.said.get(), 1);
        }
    }

    fn check(&self) {
        assert_eq!(self.woken.load(Relaxed) + self.expired.load(Relaxed), 1, "one wins");
    }
}

fn wake_against_expire() {
    race(World::armed(Enders::Several), &[World::wake, World::expire]).check();
}

fn arm_against_expire() {
    race(World::new(Enders::Several), &[World::arm, World::expire]).check();
}

fn wake_against_sleep() {
    race(World::armed(Enders::Several), &[World::sleep, World::wake]);
    race(World::armed(Enders::Sole), &[World::sleep, World::wake]);
}

fn wake_against_deadline() {
    race(World::armed(Enders::Several), &[World::sleep_until, World::wake]);
}

#[test]
fn model_waiter_holds() {
    holds(None, wake_against_expire);
    holds(None, arm_against_expire);
    holds(None, wake_against_sleep);
    holds(None, wake_against_deadline);
}

#[test]
fn model_waiter_fails_without_the_swap() {
    fails(Break::WaiterLoadStore, "one wins", None, wake_against_expire);
}
