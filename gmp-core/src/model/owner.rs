//! Who owns a processor (`machine/owner.rs`): a machine that enters and exits against a party that seizes.
//!
//! Threads: a machine that enters twice, and a retaker that tries twice. The processor is a plain number; the
//! scheduler's lock guards whether the machine has it. The slow way takes it back if it is on the idle list.
//! Checked: O1 and O2: no two touch the number at once, and each sees what the one before wrote.

use super::{fails, holds, race, Break, Place};
use crate::base::fence::Barrier;
use crate::machine::owner::{Owner, SEIZE};
use crate::primitive::{AtomicBool, Cell, Mutex, Ordering::*};

struct World {
    owner: Owner,
    /// The machine has the processor. Changes under the lock only, and is read by the machine while inside.
    has: AtomicBool,
    /// The scheduler's lock: the processor is on the idle list.
    idle: Mutex<bool>,
    /// The processor: how often it was touched.
    data: Place<Cell<u32>>,
    /// The same, counted without the protocol.
    touches: loom::sync::atomic::AtomicU32,
}

impl World {
    /// The machine runs task code, with the processor.
    fn new() -> World {
        let owner = Owner::new(Barrier::fences());
        owner.exit(2);
        World {
            owner,
            has: AtomicBool::new(true),
            idle: Mutex::new(false),
            data: Place::new(Cell::new(0)),
            touches: loom::sync::atomic::AtomicU32::new(0),
        }
    }

    fn touch(&self) {
        self.data.set(self.data.get() + 1);
        self.touches.fetch_add(1, Relaxed);
    }

    fn call(&self, tick: u32) {
        if self.owner.enter() || self.slow() {
            assert!(self.has.load(Relaxed), "inside without a processor");
            self.touch();
        }
        self.owner.exit(tick);
    }

    /// True: it has a processor.
    fn slow(&self) -> bool {
        let mut idle = self.idle.lock();
        self.owner.take_requests();
        if !self.has.load(Relaxed) && std::mem::replace(&mut *idle, false) {
            self.has.store(true, Release);
        }
        self.has.load(Relaxed)
    }

    fn machine(&self) {
        self.call(4);
        self.call(6);
    }

    fn retake(&self) {
        let mut idle = self.idle.lock();
        if self.has.load(Relaxed) && self.owner.seize() {
            self.has.store(false, Release);
            self.touch();
            *idle = true;
        }
    }

    fn retaker(&self) {
        self.retake();
        self.retake();
    }
}

fn enter_against_seize() {
    let world = race(World::new(), &[World::machine, World::retaker]);
    assert_eq!(world.data.get(), world.touches.load(Relaxed));
    let idle = *world.idle.lock();
    assert_ne!(idle, world.has.load(Relaxed), "the processor is at one place");
    assert!(world.has.load(Relaxed) || world.owner.requested() & SEIZE != 0, "the next enter takes the slow way");
}

#[test]
fn model_owner_holds() {
    holds(None, enter_against_seize);
}

#[test]
fn model_owner_fails_without_the_fence() {
    fails(Break::OwnerFence, "Causality violation", None, enter_against_seize);
}
