//! The mutex (`sync/mutex.rs`, `sync/locking.rs`): locks and unlocks, a wake that is given back, and the hand-over to one who starves.
//!
//! Threads: two or three that lock it once, with the real code and one try before a wait. In the models of starving each look at
//! the clock takes longer than a waiter's patience: who was woken once, and finds it held, is given it by the next unlock. A wake
//! that is given back starts in the middle: the mutex was given up to one who waits, and another has taken it first.
//! Checked: one holder at a time, who sees what the one before wrote; no wake is lost (M3: loom's "deadlock"); M4: the last one
//! frees it, and nobody touches it after; in the end it is free, and no bit of its word is left.
//! Bounded: with three threads to two interruptions.

use super::{fails, holds, race, Break, Place};
use crate::primitive::Cell;
use crate::sched::ready;
use crate::sched::wait::FOREVER;
use crate::sync::mutex::{Mutex, Turn};
use crate::sys::clock;
use crate::task::wait_queue::Node;
use crate::task::wait_word::{Ended, Enders};
use crate::task::waiter::Waiter;

/// More than any waiter's patience.
const LONG: i64 = 2_000_000;

struct World {
    mutex: Place<Mutex>,
    /// How many have still to come, guarded by the mutex.
    left: Place<Cell<u32>>,
    waiter: Place<Waiter>,
    node: Place<Node>,
}

impl World {
    fn new(parties: u32, step: i64) -> World {
        clock::start(step);
        let waiter = Place::new(Waiter::for_thread(std::ptr::null()));
        World {
            mutex: Place::new(Mutex::default()),
            left: Place::new(Cell::new(parties)),
            node: Place::new(Node::new(&*waiter, 0, 0)),
            waiter,
        }
    }

    /// With the mutex held, which is given up by it. True: this one was the last.
    fn hold(&self) -> bool {
        let left = self.left.get() - 1;
        self.left.set(left);
        assert_eq!(self.mutex.unlock(), Ok(()));
        left == 0
    }

    fn lock(&self) {
        assert_eq!(self.mutex.lock(FOREVER), Ok(()));
        self.hold();
    }

    /// The holder from the start.
    fn give_up(&self) {
        self.hold();
    }

    /// The other has given it up before.
    fn lock_and_free(&self) {
        assert_eq!(self.mutex.lock(FOREVER), Ok(()));
        if self.hold() {
            self.mutex.free();
        }
    }

    fn queue(&self, waiter: &Waiter, node: &Node, turn: Turn) -> bool {
        waiter.begin(Enders::Several, true);
        self.mutex.enlist(node, turn, || waiter.arm()).is_some()
    }

    /// One was woken, has `WOKEN`, and has not tried yet; the mutex is held; our waiter is queued.
    fn with_a_wake_under_way(self) -> World {
        let woken = Waiter::for_thread(std::ptr::null());
        let node = Node::new(&woken, 0, 0);
        assert!(self.mutex.try_lock());
        assert!(self.queue(&woken, &node, Turn::default()));
        assert!(self.queue(&self.waiter, &self.node, Turn::default()));
        assert!(self.mutex.release().is_ok_and(|mut claimed| claimed.pop() == Some(&raw const woken)));
        assert!(self.mutex.try_lock());
        self
    }

    /// The one who was woken. It would not wait any longer.
    fn try_once(&self) {
        if self.mutex.try_lock_woken() {
            self.hold();
        } else {
            // SAFETY: claimed by us.
            unsafe { ready::finish_all(None, self.mutex.give_wake_back()) };
        }
    }

    /// The one who is queued.
    fn wait(&self) {
        loop {
            assert_eq!(self.waiter.sleep_thread(None), Ended::Woken);
            let turn = Turn { woken: true, starving: false };
            if self.mutex.try_lock_woken() || !self.queue(&self.waiter, &self.node, turn) {
                break;
            }
        }
        self.hold();
    }

    fn check(&self) {
        assert!(self.mutex.try_lock(), "it is free");
        assert!(self.mutex.try_release(), "and nothing but its holder is in its word");
        self.mutex.free();
    }
}

fn two_lock() {
    race(World::new(2, 0), &[World::lock, World::lock]).check();
}

fn the_last_frees() {
    race(World::new(2, 0), &[World::lock_and_free, World::lock_and_free]);
}

fn three_lock() {
    race(World::new(3, 0), &[World::lock, World::lock, World::lock]).check();
}

fn three_lock_and_starve() {
    race(World::new(3, LONG), &[World::lock, World::lock, World::lock]).check();
}

fn a_wake_is_given_back() {
    let world = World::new(3, 0).with_a_wake_under_way();
    race(world, &[World::give_up, World::try_once, World::wait]).check();
}

#[test]
fn model_mutex_holds() {
    holds(None, two_lock);
    holds(None, the_last_frees);
}

#[test]
fn model_mutex_holds_with_three() {
    holds(Some(3), three_lock);
}

#[test]
fn model_mutex_holds_when_a_wake_is_given_back() {
    holds(Some(4), a_wake_is_given_back);
}

#[test]
fn model_mutex_holds_when_it_is_given() {
    holds(Some(3), three_lock_and_starve);
}

#[test]
fn model_mutex_fails_when_it_is_given_and_given_up() {
    fails(Break::MutexGivenUp, "Misuse", Some(2), three_lock_and_starve);
}

#[test]
fn model_mutex_fails_when_a_wake_is_forgotten() {
    fails(Break::MutexWakeForgotten, "deadlock", Some(2), a_wake_is_given_back);
}
