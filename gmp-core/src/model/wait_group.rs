//! The wait group (`sync/wait_group.rs`): `done` against `wait`, and the memory given back right after.
//!
//! Threads: one or two that call `done`, and one that waits, with or without a deadline, and then frees the group. With
//! two, and where a wait comes late, a waiter stands in the queue from the start (or each would wait for the lock of
//! another without end, in loom's eyes).
//! Checked: G1: no access to the group that could come after it was freed; each waiter is woken, or leaves, and is not touched
//! after its memory was given back; what was written before `done` is visible after `wait`.

use super::{fails, holds, race, Break, Place};
use crate::base::error::Error;
use crate::primitive::Cell;
use crate::sched::wait::FOREVER;
use crate::sync::wait_group::WaitGroup;
use crate::sys::clock;
use crate::task::wait_queue::Node;
use crate::task::wait_word::{Ended, Enders};
use crate::task::waiter::Waiter;

/// It passes whenever it is looked at.
const SOON: i64 = 2;

struct World {
    group: Place<WaitGroup>,
    said: [Place<Cell<u32>>; 2],
    /// Stands in the queue from the start.
    waiter: Place<Waiter>,
    node: Place<Node>,
}

impl World {
    fn new(count: i64) -> World {
        clock::start(0);
        let waiter = Place::new(Waiter::for_thread(std::ptr::null()));
        let world = World {
            group: Place::new(WaitGroup::default()),
            said: std::array::from_fn(|_| Place::new(Cell::new(0))),
            node: Place::new(Node::new(&*waiter, 0, 0)),
            waiter,
        };
        assert_eq!(world.group.change(count), Ok(()));
        world
    }

    fn with_a_waiter(self) -> World {
        self.waiter.begin(Enders::Sole, false);
        assert_eq!(self.group.push(&self.node, || self.waiter.arm()), Some(true));
        self
    }

    fn say_and_done<const N: usize>(&self) {
        self.said[N].set(1);
        assert_eq!(self.group.change(-1), Ok(()));
    }

    fn wait_and_free(&self) {
        assert_eq!(self.group.wait(FOREVER), Ok(()));
        self.group.free();
        assert_eq!(self.said[0].get(), 1);
    }

    fn wait_until(&self) {
        match self.group.wait(SOON) {
            Ok(()) => {
                self.group.free();
                assert_eq!(self.said[0].get(), 1);
            }
            Err(e) => assert_eq!(e, Error::TimedOut),
        }
    }

    fn sleep(&self) {
        assert_eq!(self.waiter.sleep_thread(None), Ended::Woken);
        self.node.free();
        self.waiter.free();
    }

    fn sleep_and_free(&self) {
        self.sleep();
        self.group.free();
        assert_eq!([self.said[0].get(), self.said[1].get()], [1, 1]);
    }
}

fn done_against_wait() {
    race(World::new(1), &[World::wait_and_free, World::say_and_done::<0>]);
}

fn two_dones_wake_a_waiter() {
    let world = World::new(2).with_a_waiter();
    race(world, &[World::sleep_and_free, World::say_and_done::<0>, World::say_and_done::<1>]);
}

fn done_against_deadline() {
    race(World::new(1), &[World::wait_until, World::say_and_done::<0>]);
}

/// One of two waiters leaves the ring.
fn done_against_deadline_beside_a_waiter() {
    race(World::new(1).with_a_waiter(), &[World::wait_until, World::say_and_done::<0>]).sleep();
}

/// A waiter stands in the queue already; the one that comes late may find zero, and free.
fn done_against_a_late_wait() {
    race(World::new(1).with_a_waiter(), &[World::wait_and_free, World::say_and_done::<0>]).sleep();
}

#[test]
fn model_wait_group_holds() {
    holds(None, done_against_wait);
    holds(None, done_against_a_late_wait);
}

#[test]
fn model_wait_group_holds_with_a_deadline() {
    holds(None, done_against_deadline);
    holds(Some(4), done_against_deadline_beside_a_waiter);
}

#[test]
fn model_wait_group_holds_with_two_dones() {
    holds(None, two_dones_wake_a_waiter);
}

#[test]
fn model_wait_group_fails_when_it_unlocks_first() {
    fails(Break::WaitGroupUnlockFirst, "Causality violation", None, done_against_a_late_wait);
}
