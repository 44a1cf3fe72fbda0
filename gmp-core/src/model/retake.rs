//! A retake (`sched/retake.rs`, `machine/owner.rs`, `sched/enter.rs`): a processor goes on without its machine.
//!
//! Threads: machine A, whose task is outside and comes in twice; machine B, which sleeps until the monitor gives it the
//! processor, and puts it on the idle list when it finds nothing to run; the monitor, which retakes once, and exposes (it
//! seizes, touches, and leaves the processor where it is). The lock is the scheduler's. A task that cannot have a processor is
//! queued, and its machine leaves it.
//! Checked: no two touch the processor at once, and each sees what the one before wrote; the task comes to its end, once: it
//! does not stay in the queue while the processor is idle.
//! Bounded: to three interruptions.

use super::{fails, holds, race, Break, Place};
use crate::base::fence::Barrier;
use crate::base::note::Note;
use crate::machine::owner::Owner;
use crate::primitive::{AtomicBool, AtomicU32, Cell, Mutex, Ordering::*};

const LOST: &str = "the task waits and the processor is idle";

/// Who has the processor.
#[derive(Clone, Copy, PartialEq)]
enum At {
    A,
    B,
    Idle,
}

struct Locked {
    at: At,
    /// The task stands in the queue, with so many calls to go.
    queued: Option<u32>,
    /// B has ended.
    over: bool,
}

struct World {
    owner: Owner,
    /// A's own view of its processor; changes under the lock only.
    has: AtomicBool,
    lock: Mutex<Locked>,
    /// Wakes B.
    note: Note,
    processor: Place<Cell<u32>>,
    calls: AtomicU32,
}

impl World {
    fn new() -> World {
        let owner = Owner::new(Barrier::fences());
        owner.exit(2);
        World {
            owner,
            has: AtomicBool::new(true),
            lock: Mutex::new(Locked { at: At::A, queued: None, over: false }),
            note: Note::new(),
            processor: Place::new(Cell::new(0)),
            calls: AtomicU32::new(0),
        }
    }

    /// A call of the task, inside and with the processor.
    fn call(&self) {
        self.processor.set(self.processor.get() + 1);
        self.calls.fetch_add(1, Relaxed);
    }

    fn machine_a(&self) {
        for n in 0..2 {
            if !self.owner.enter() && !self.slow(2 - n) {
                return;
            }
            self.call();
            self.owner.exit(4 + 2 * n);
        }
    }

    /// `enter.rs`, `slow`. False: the task was queued and is another machine's.
    fn slow(&self, to_go: u32) -> bool {
        let mut locked = self.lock.lock();
        self.owner.take_requests();
        if self.has.load(Relaxed) {
            return true;
        }
        if locked.at == At::Idle && !Break::RetakeQueueUnasked.is_on() {
            locked.at = At::A;
            self.has.store(true, Relaxed);
            return true;
        }
        locked.queued = Some(to_go);
        false
    }

    fn machine_b(&self) {
        self.note.sleep(None);
        loop {
            let queued = {
                let mut locked = self.lock.lock();
                if locked.at != At::B {
                    locked.over = true;
                    return;
                }
                let queued = locked.queued.take();
                if queued.is_none() {
                    locked.at = At::Idle;
                    locked.over = true;
                    return;
                }
                queued
            };
            for _ in 0..queued.unwrap_or(0) {
                self.call();
            }
        }
    }

    fn monitor(&self) {
        self.seize(true);
        self.seize(false);
        self.note.wake();
    }

    fn seize(&self, expose: bool) {
        let mut locked = self.lock.lock();
        if !self.has.load(Relaxed) || !self.owner.seize() {
            return;
        }
        self.processor.set(self.processor.get() + 1);
        if expose {
            self.owner.withdraw();
        } else {
            self.has.store(false, Relaxed);
            locked.at = At::B;
        }
    }
}

fn retake_against_enter() {
    let world = race(World::new(), &[World::machine_a, World::machine_b, World::monitor]);
    let locked = world.lock.lock();
    assert!(locked.over);
    assert!(locked.queued.is_none(), "{LOST}");
    assert_eq!(world.calls.load(Relaxed), 2, "the task is run once");
    assert!(world.has.load(Relaxed) == (locked.at == At::A), "the processor is at one place");
}

#[test]
fn model_retake_holds() {
    holds(Some(3), retake_against_enter);
}

#[test]
fn model_retake_fails_without_the_fence() {
    fails(Break::OwnerFence, "Causality violation", Some(3), retake_against_enter);
}

#[test]
fn model_retake_fails_when_nobody_looks_for_an_idle_processor() {
    fails(Break::RetakeQueueUnasked, LOST, Some(3), retake_against_enter);
}
