//! Deadlock (`base/attached.rs`, `sched/deadlock.rs`): who is up, against the look of the monitor and its verdict.
//!
//! Threads: foreign ones that wait for each other, and the monitor. Tasks and machines are left out: they rest.
//! Checked: no verdict is given while a thread can go on; a thread comes back from its wait only when the verdict no longer looks
//! at its waiter; of a waker and a verdict one ends the wait, and each wait gets its thread up once.

use super::{fails, holds, race, Break, Place as Memory};
use crate::base::attached::{Attached, Place, Slot};
use crate::sched::ready;
use crate::task::join::{End, JoinCell};
use crate::task::wait_word::{Ended, Enders};
use crate::task::waiter::Waiter;

struct World {
    all: Memory<Attached>,
    slots: [Slot; 2],
    waiters: [Memory<Waiter>; 2],
}

impl World {
    /// Both are up.
    fn new() -> World {
        let all = Memory::new(Attached::default());
        let waiter = || Memory::new(Waiter::for_thread(&*all));
        let waiters = [waiter(), waiter()];
        let world = World { waiters, all, slots: [Slot::default(), Slot::default()] };
        world.all.get_up();
        world.all.get_up();
        world
    }

    fn begin(&self, n: usize) {
        self.waiters[n].begin(Enders::Several, false);
        assert!(self.waiters[n].arm());
    }

    fn wait(&self, n: usize) {
        let waiter = &self.waiters[n];
        self.slots[n].lie(Place::Waiter(&raw const **waiter as usize));
        let _nobody = self.all.lie_down();
        assert_eq!(waiter.sleep_thread(None), Ended::Woken);
        if Break::DeadlockLateRise.is_on() {
            self.all.get_up();
        }
        self.slots[n].rise();
        waiter.free();
    }

    fn wake(&self, n: usize) {
        assert!(self.waiters[n].word().claim());
        // SAFETY: claimed; the place stays.
        unsafe { Waiter::finish_thread(&*self.waiters[n]) };
    }

    /// One look; nothing but threads can move anything here.
    fn look(&self) -> bool {
        let before = self.all.look();
        before.nobody_is_up() && self.all.look() == before
    }
}

/// Thread 0 waits for thread 1, which wakes it and then waits itself, until thread 0 wakes it.
fn nobody_is_judged_who_can_go_on() {
    let world = World::new();
    // Under an object's lock, which is not here: a waker finds both waits begun.
    world.begin(0);
    world.begin(1);
    let world = race(
        world,
        &[
            |w| {
                w.wait(0);
                w.wake(1);
            },
            |w| {
                w.wake(0);
                w.wait(1);
            },
            |w| assert!(!w.look(), "a verdict although somebody can go on"),
        ],
    );
    assert_eq!(world.all.look().up(), 2);
}

#[test]
fn model_deadlock_judges_nobody_who_can_go_on() {
    holds(Some(3), nobody_is_judged_who_can_go_on);
}

#[test]
fn model_deadlock_needs_its_order_of_rising() {
    fails(Break::DeadlockLateRise, "a verdict although", Some(3), nobody_is_judged_who_can_go_on);
}

/// A thread that waits for a task's end is woken by somebody who was never counted, while a verdict ends its wait.
struct Joined {
    all: Memory<Attached>,
    slot: Slot,
    cell: JoinCell,
    waiter: Memory<Waiter>,
}

impl Joined {
    fn new() -> Joined {
        let all = Memory::new(Attached::default());
        all.get_up();
        let waiter = Memory::new(Waiter::for_thread(&*all));
        Joined { all, slot: Slot::default(), cell: JoinCell::default(), waiter }
    }

    fn join(&self) {
        let waiter = &self.waiter;
        waiter.begin(Enders::Several, false);
        if self.cell.wait(&**waiter) {
            if waiter.arm_contended() {
                self.slot.lie(Place::Waiter(&raw const **waiter as usize));
                let _nobody = self.all.lie_down();
                let ended = waiter.sleep_thread(None);
                self.slot.rise();
                if ended == Ended::Canceled && !self.cell.leave(&**waiter) {
                    waiter.settle();
                }
            } else if !self.cell.leave(&**waiter) {
                waiter.settle();
            }
        }
        waiter.free();
    }

    fn end(&self) {
        if let End::Wake(waiter) = self.cell.end() {
            // SAFETY: taken out of the cell.
            unsafe { ready::wake(None, waiter) };
        }
    }

    fn tell(&self) {
        self.slot.judge(|place| {
            let Place::Waiter(waiter) = place else { return };
            // SAFETY: A3, which the model checks.
            let waiter = unsafe { &*(waiter as *const Waiter) };
            if waiter.word().end_by_verdict() {
                self.all.get_up();
                waiter.wake_ended();
            }
        });
    }
}

fn verdict_against_a_waker() {
    let world = race(Joined::new(), &[Joined::join, Joined::end, Joined::tell]);
    assert_eq!(world.all.look().up(), 1);
}

#[test]
fn model_deadlock_verdict_and_waker_end_a_wait_once() {
    holds(Some(3), verdict_against_a_waker);
}

#[test]
fn model_deadlock_needs_the_hold() {
    fails(Break::DeadlockNoHold, "Causality violation", Some(3), verdict_against_a_waker);
}
