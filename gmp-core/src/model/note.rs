//! A note (`base/note.rs`): wakes against a sleep.
//!
//! Threads: a sleeper, and one or two wakers that each write something before.
//! Checked: no wake is lost, whether it comes before the sleep, during it or beside another; what the waker wrote is
//! visible to the sleeper. A sleeper with a deadline gets away, and leaves nothing behind that a later sleep takes.
//! Bounded: with two wakers, to three interruptions.

use super::{fails, holds, race, Break, Place};
use crate::base::note::Note;
use crate::primitive::{AtomicBool, Cell, Ordering::*};

struct World {
    note: Note,
    said: Place<Cell<u32>>,
    left: AtomicBool,
    right: AtomicBool,
}

impl World {
    fn new() -> World {
        World {
            note: Note::new(),
            said: Place::new(Cell::new(0)),
            left: AtomicBool::new(false),
            right: AtomicBool::new(false),
        }
    }

    fn say(&self) {
        self.said.set(1);
        self.note.wake();
    }

    fn hear(&self) {
        assert!(self.note.sleep(None));
        assert_eq!(self.said.get(), 1);
    }

    /// A deadline that passes, and then a sleep without one.
    fn hear_late(&self) {
        if !self.note.sleep(Some(1)) {
            assert!(self.note.sleep(None));
        }
        assert_eq!(self.said.get(), 1);
        assert!(!self.note.sleep(Some(1)), "one wake ends one sleep");
    }

    fn hear_both(&self) {
        while !(self.left.load(Relaxed) && self.right.load(Relaxed)) {
            self.note.sleep(None);
        }
    }
}

fn wake_against_sleep() {
    race(World::new(), &[World::hear, World::say]);
}

fn wake_before_sleep() {
    let world = World::new();
    world.say();
    world.hear_late();
}

fn wake_against_deadline() {
    race(World::new(), &[World::hear_late, World::say]);
}

fn two_wakes() {
    let left = |w: &World| {
        w.left.store(true, Relaxed);
        w.note.wake();
    };
    let right = |w: &World| {
        w.right.store(true, Relaxed);
        w.note.wake();
    };
    race(World::new(), &[World::hear_both, left, right]);
}

#[test]
fn model_note_holds() {
    holds(None, wake_before_sleep);
    holds(None, wake_against_sleep);
    holds(None, wake_against_deadline);
}

#[test]
fn model_note_holds_with_two_wakes() {
    holds(Some(3), two_wakes);
}

#[test]
fn model_note_fails_without_the_swap() {
    fails(Break::NoteLoadStore, "deadlock", None, wake_against_sleep);
}
