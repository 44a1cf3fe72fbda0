//! The lock (`base/lock.rs`): two that want it, and the memory given back by the last.
//!
//! Threads: two, each of which holds the lock once; who finds that it is the second frees the lock's memory, with the lock held.
//! Checked: one at a time, and each sees what the one before wrote; L1: no access to the lock comes after it was freed.

use super::{fails, holds, race, Break, Place};
use crate::base::lock::Lock;
use crate::primitive::Cell;

struct World {
    lock: Place<Lock>,
    left: Place<Cell<u32>>,
}

impl World {
    fn hold(&self) {
        self.lock.lock();
        let left = self.left.get() - 1;
        self.left.set(left);
        if left == 0 {
            self.lock.free();
        } else {
            self.lock.unlock();
        }
    }
}

fn unlock_against_free() {
    let world = World { lock: Place::new(Lock::new()), left: Place::new(Cell::new(2)) };
    race(world, &[World::hold, World::hold]);
}

#[test]
fn model_lock_holds() {
    holds(None, unlock_against_free);
}

#[test]
fn model_lock_fails_when_unlock_looks_again() {
    fails(Break::LockLooksAgain, "Causality violation", None, unlock_against_free);
}
