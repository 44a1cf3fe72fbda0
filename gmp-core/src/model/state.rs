//! The status word of a task (`task/state.rs`): who may start a task that has not run.
//!
//! Threads: the owner of a queue, who publishes a task and lets others have it, a thief, and a joiner. The queue entry
//! is the ticket, handed over without any ordering of its own.
//! Checked: of all who claim a shared task exactly one wins, and sees the record; a private task is its owner's alone,
//! also while somebody has an entry of an earlier life of the record (S1, S3).

use super::{fails, holds, race, Break, Place};
use crate::primitive::{AtomicU32, Cell, Ordering::*};
use crate::task::state::{Status, StatusWord};

struct World {
    status: StatusWord,
    /// What the record says; written by its owner of the moment.
    record: Place<Cell<u32>>,
    /// The queue entry: the ticket, 0 while there is none.
    entry: AtomicU32,
    started: AtomicU32,
}

impl World {
    fn new() -> World {
        World {
            status: StatusWord::new(),
            record: Place::new(Cell::new(0)),
            entry: AtomicU32::new(0),
            started: AtomicU32::new(0),
        }
    }

    fn start(&self, expected: u32) {
        assert_eq!(self.record.get(), expected);
        self.record.set(expected + 1);
        self.started.fetch_add(1, Relaxed);
    }

    fn publish(&self, record: u32) -> u16 {
        self.record.set(record);
        self.status.publish_new(Status::NewPrivate)
    }

    fn share(&self) {
        let ticket = self.publish(7);
        assert!(self.status.leave_private(ticket, Status::NewShared));
        self.entry.store(ticket as u32, Relaxed);
    }

    fn share_and_join(&self) {
        self.share();
        if self.status.claim_shared(self.status.ticket()) {
            self.start(7);
        }
    }

    /// The entry is seen by others while the task is private.
    fn keep(&self) {
        let ticket = self.publish(7);
        self.entry.store(ticket as u32, Relaxed);
        assert!(self.status.start_private(ticket));
        self.start(7);
    }

    fn steal(&self) {
        let ticket = self.entry.load(Relaxed) as u16;
        if ticket != 0 && self.status.claim_shared(ticket) {
            self.start(7);
        }
    }

    /// The task is run, its record used again, and the next one kept private.
    fn live_twice(&self) {
        self.share();
        if self.status.claim_shared(1) {
            self.start(7);
            self.status.end();
            self.status.recycle();
            let ticket = self.publish(20);
            assert!(self.status.start_private(ticket));
            self.record.set(30);
        }
    }
}

fn thief_against_joiner() {
    let world = race(World::new(), &[World::share_and_join, World::steal, World::steal]);
    assert_eq!(world.started.load(Relaxed), 1, "started once");
    assert_eq!(world.record.get(), 8);
}

fn thief_with_an_old_entry() {
    let world = race(World::new(), &[World::live_twice, World::steal]);
    assert_eq!(world.started.load(Relaxed), 1, "started once");
}

fn thief_against_owner() {
    let world = race(World::new(), &[World::keep, World::steal]);
    assert_eq!(world.started.load(Relaxed), 1, "started once");
}

#[test]
fn model_state_holds() {
    holds(None, thief_against_owner);
    holds(None, thief_against_joiner);
    holds(None, thief_with_an_old_entry);
}

#[test]
fn model_state_fails_without_the_swap() {
    fails(Break::StateLoadStore, "Causality violation", None, thief_against_joiner);
}
