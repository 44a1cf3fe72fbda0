//! The reader-writer lock (`sync/rwlock.rs`): readers against writers, and a writer that stops waiting.
//!
//! Threads: two or three that read or write once, one of them with a deadline where it says so. All of it is the real code.
//! Checked: a writer is alone, and sees what the one before wrote; who comes is let in in the end (R2, R3: loom's "deadlock"); R4:
//! the last one frees it, and nobody touches it after.
//! Bounded: with a writer that gives up to four interruptions, with three threads to two.

use super::{fails, holds, race, Break, Place};
use crate::base::error::Error;
use crate::primitive::Cell;
use crate::sched::wait::FOREVER;
use crate::sync::rwlock::RwLock;
use crate::sys::clock;

/// It passes whenever it is looked at.
const SOON: i64 = 2;

struct World {
    lock: Place<RwLock>,
    written: Place<Cell<u32>>,
}

impl World {
    fn new() -> World {
        clock::start(0);
        World { lock: Place::new(RwLock::default()), written: Place::new(Cell::new(0)) }
    }

    fn read(&self) {
        assert_eq!(self.lock.read(FOREVER), Ok(()));
        let _anything = self.written.get();
        assert_eq!(self.lock.read_unlock(), Ok(()));
    }

    fn write(&self) {
        assert_eq!(self.lock.write(FOREVER), Ok(()));
        self.written.set(self.written.get() + 1);
        assert_eq!(self.lock.write_unlock(), Ok(()));
    }

    /// When the other has written, nobody uses it any more.
    fn read_and_free(&self) {
        assert_eq!(self.lock.read(FOREVER), Ok(()));
        let written = self.written.get();
        assert_eq!(self.lock.read_unlock(), Ok(()));
        if written > 0 {
            self.lock.free();
        }
    }

    fn write_soon(&self) {
        match self.lock.write(SOON) {
            Ok(()) => assert_eq!(self.lock.write_unlock(), Ok(())),
            Err(e) => assert_eq!(e, Error::TimedOut),
        }
    }

    fn check(&self) {
        assert!(self.lock.try_write(), "nobody is in");
        self.lock.free();
    }
}

fn read_against_write() {
    race(World::new(), &[World::read_and_free, World::write]);
}

fn readers_against_a_writer() {
    race(World::new(), &[World::read, World::write, World::read]).check();
}

fn writers_against_a_reader() {
    let world = race(World::new(), &[World::write, World::read, World::write]);
    assert_eq!(world.written.get(), 2);
    world.check();
}

/// A reader is in all the time.
fn read_against_a_writer_that_gives_up() {
    let world = World::new();
    assert!(world.lock.try_read());
    let world = race(world, &[World::read, World::write_soon]);
    assert_eq!(world.lock.read_unlock(), Ok(()));
    world.check();
}

#[test]
fn model_rwlock_holds() {
    holds(None, read_against_write);
    holds(Some(4), read_against_a_writer_that_gives_up);
}

#[test]
fn model_rwlock_holds_with_three() {
    holds(Some(2), readers_against_a_writer);
    holds(Some(2), writers_against_a_reader);
}

#[test]
fn model_rwlock_fails_when_a_writer_leaves_without_a_word() {
    fails(Break::RwLockLeaveAlone, "deadlock", Some(4), read_against_a_writer_that_gives_up);
}
