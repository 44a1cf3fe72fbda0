//! A waiter (`task/waiter.rs`): a waker against the deadline.
//!
//! Threads: a waker, and the deadline's party, which for a thread's waiter is the sleeping thread itself.
//! Checked: W1: exactly one wins; W2, W3: nobody touches the waiter after its memory was given back.

use super::{fails, holds, race, Break, Place};
use crate::primitive::{AtomicU32, Cell, Ordering::*};
use crate::task::waiter::Waiter;
use std::ptr::null;

struct World {
    waiter: Place<Waiter>,
    said: Place<Cell<u32>>,
    woken: AtomicU32,
    expired: AtomicU32,
}

impl World {
    fn new() -> World {
        World {
            waiter: Place::new(Waiter::new(null())),
            said: Place::new(Cell::new(0)),
            woken: AtomicU32::new(0),
            expired: AtomicU32::new(0),
        }
    }

    fn wake(&self) {
        self.said.set(1);
        // SAFETY: the place stays; whether the waiter may be touched is what the model checks.
        unsafe {
            if Waiter::wake(self.waiter.at()) {
                Waiter::notify_thread(self.waiter.at());
                self.woken.store(1, Relaxed);
            }
        }
    }

    fn expire(&self) {
        self.expired.store(self.waiter.expire() as u32, Relaxed);
    }

    fn free(&self) {
        // SAFETY: the place stays, and no reference to the waiter is used during the call.
        unsafe { Waiter::free(self.waiter.at()) };
    }

    fn sleep(&self) {
        assert!(self.waiter.sleep_thread(None));
        self.free();
        assert_eq!(self.said.get(), 1);
    }

    fn sleep_until(&self) {
        if !self.waiter.sleep_thread(Some(1)) {
            self.waiter.settle();
        }
        self.free();
        assert_eq!(self.said.get(), 1);
    }
}

fn wake_against_expire() {
    let world = race(World::new(), &[World::wake, World::expire]);
    assert_eq!(world.woken.load(Relaxed) + world.expired.load(Relaxed), 1, "one wins");
}

fn wake_against_sleep() {
    race(World::new(), &[World::sleep, World::wake]);
}

fn wake_against_deadline() {
    race(World::new(), &[World::sleep_until, World::wake]);
}

#[test]
fn model_waiter_holds() {
    holds(None, wake_against_expire);
    holds(None, wake_against_sleep);
    holds(None, wake_against_deadline);
}

#[test]
fn model_waiter_fails_without_the_swap() {
    fails(Break::WaiterLoadStore, "one wins", None, wake_against_expire);
}
