//! A ring (`base/ring.rs`): one side puts records in, the other takes them out.
//!
//! Threads: two. Checked: what is taken is whole, in its order, and all that was put in and found room; the rest is counted as
//! lost. Complete.

use super::{fails, holds, race, Break, Place};
use crate::base::ring::Ring;
use crate::primitive::Cell;

const PUT: u64 = 3;

struct World {
    ring: Ring,
    /// How many found room.
    room: Place<Cell<u64>>,
    seen: Place<Cell<u64>>,
    last: Place<Cell<u64>>,
}

impl World {
    fn new() -> World {
        let cell = || Place::new(Cell::new(0));
        World { ring: Ring::new(2).expect("memory"), room: cell(), seen: cell(), last: cell() }
    }

    fn put(&self) {
        for n in 1..=PUT {
            if self.ring.put([n, n, n]) {
                self.room.set(self.room.get() + 1);
            }
        }
    }

    fn take(&self) {
        self.ring.take(|words| {
            assert!(words[0] == words[1] && words[1] == words[2], "a record is whole");
            assert!(words[0] > self.last.get(), "records keep their order");
            self.last.set(words[0]);
            self.seen.set(self.seen.get() + 1);
        });
    }

    fn take_twice(&self) {
        self.take();
        self.take();
    }
}

fn puts_against_takes() {
    let world = race(World::new(), &[World::take_twice, World::put]);
    world.take();
    assert_eq!(world.seen.get(), world.room.get());
    assert_eq!(world.room.get() + world.ring.lost(), PUT);
}

#[test]
fn model_ring_holds() {
    holds(None, puts_against_takes);
}

#[test]
fn model_ring_fails_when_a_record_is_counted_before_it_is_written() {
    fails(Break::RingPutEarly, "record", None, puts_against_takes);
}

#[test]
fn model_ring_fails_when_a_slot_is_given_back_before_it_is_read() {
    fails(Break::RingTakenEarly, "record", None, puts_against_takes);
}
