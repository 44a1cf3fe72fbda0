//! The wait group (`sync/wait_group.rs`): `done` against `wait`, and the memory given back right after.
//!
//! Threads: one or two that call `done`, and one that waits, with or without a deadline, and then frees the group. With
//! two, and where a wait comes late, a waiter stands in the list from the start (or each would wait for the lock of
//! another without end, in loom's eyes). The steps are those of `sync/waiting.rs` for threads.
//! Checked: G1: no access to the group that could come after it was freed; G2: each waiter is woken, or leaves, and is
//! not touched after its memory was given back; what was written before `done` is visible after `wait`.

use super::{fails, holds, race, Break, Place};
use crate::primitive::{AtomicU32, Cell, Ordering::*};
use crate::sync::wait_group::{Found, WaitGroup};
use crate::task::waiter::Waiter;
use std::ptr::null;

struct World {
    group: Place<WaitGroup>,
    said: [Place<Cell<u32>>; 2],
    waiters: [Place<Waiter>; 2],
    woken: AtomicU32,
}

impl World {
    fn new(count: i64) -> World {
        let world = World {
            group: Place::new(WaitGroup::default()),
            said: std::array::from_fn(|_| Place::new(Cell::new(0))),
            waiters: std::array::from_fn(|_| Place::new(Waiter::new(null()))),
            woken: AtomicU32::new(0),
        };
        assert_eq!(world.group.add(count), Ok(null()));
        world
    }

    fn done(&self) {
        let mut at = self.group.add(-1).expect("counted");
        while !at.is_null() {
            // SAFETY: the places stay; whether a waiter may be touched is what the model checks.
            unsafe {
                let next = (*at).next.get();
                if Waiter::wake(at) {
                    Waiter::notify_thread(at);
                }
                at = next;
            }
            self.woken.fetch_add(1, Relaxed);
        }
    }

    /// Puts the second waiter into the list before the others start.
    fn with_a_waiter(self) -> World {
        assert_eq!(self.group.lock_unless_zero(), Found::Locked);
        self.group.push(&self.waiters[1]);
        self.group.unlock();
        self
    }

    fn say_and_done<const N: usize>(&self) {
        self.said[N].set(1);
        self.done();
    }

    /// True: the count is zero; false: the deadline was first.
    fn wait<const N: usize>(&self, deadline: Option<i64>) -> bool {
        if self.group.is_zero() || self.group.lock_unless_zero() == Found::Zero {
            return true;
        }
        let waiter = &self.waiters[N];
        self.group.push(waiter);
        self.group.unlock();
        waiter.sleep_thread(deadline);
        let zero = !waiter.has_expired() || !self.group.leave(waiter);
        if zero && waiter.has_expired() {
            waiter.settle();
        }
        // SAFETY: the place stays, and no reference to the waiter is used during the call.
        unsafe { Waiter::free(waiter.at()) };
        zero
    }

    fn free(&self) {
        // SAFETY: the place stays, and no reference to the group is used during the call.
        unsafe { WaitGroup::free(self.group.at()) };
    }

    fn wait_and_free(&self) {
        assert!(self.wait::<0>(None));
        self.free();
        assert_eq!(self.said[0].get(), 1);
    }

    fn sleep_and_free(&self) {
        assert!(self.waiters[1].sleep_thread(None));
        self.free();
        assert_eq!([self.said[0].get(), self.said[1].get()], [1, 1]);
    }

    fn wait_until(&self) {
        if self.wait::<0>(Some(1)) {
            self.free();
            assert_eq!(self.said[0].get(), 1);
        }
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
    let world = race(World::new(1).with_a_waiter(), &[World::wait_until, World::say_and_done::<0>]);
    assert!(world.waiters[1].sleep_thread(None));
}

/// A waiter stands in the list already; the one that comes late may find zero, and free.
fn done_against_a_late_wait() {
    let world = race(World::new(1).with_a_waiter(), &[World::wait_and_free, World::say_and_done::<0>]);
    assert!(world.woken.load(Relaxed) >= 1, "taken out of the list");
    assert!(world.waiters[1].sleep_thread(None));
}

#[test]
fn model_wait_group_holds() {
    holds(None, done_against_wait);
    holds(None, done_against_a_late_wait);
}

#[test]
fn model_wait_group_holds_with_a_deadline() {
    holds(None, done_against_deadline);
    holds(None, done_against_deadline_beside_a_waiter);
}

#[test]
fn model_wait_group_holds_with_two_dones() {
    holds(None, two_dones_wake_a_waiter);
}

#[test]
fn model_wait_group_fails_when_it_unlocks_first() {
    fails(Break::WaitGroupUnlockFirst, "Causality violation", None, done_against_a_late_wait);
}
