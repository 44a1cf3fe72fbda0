//! A timer (`timer/`): a machine that fires it, against stop, reset, a receive and the owner's end.
//!
//! Threads: a machine that looks once for what is due, and one or two others. The heap, the record and the channel are the
//! real code; a function's task is counted and does not run.
//! Checked: of "stopped" and "fired" exactly one happens (T4), and what was received was not stopped (T1); a reset sets it
//! once more, in one heap (T2); the record and its channel are freed once, and not touched after.
//! Bounded: a reset, and with a channel, to four interruptions.

use super::{fails, holds, race, Break, Place};
use crate::base::error::Error;
use crate::chan::Chan;
use crate::primitive::{AtomicU32, Ordering::*};
use crate::sched::wait::NOWAIT;
use crate::sched::{as_machine, Commits, Shared};
use crate::sys::clock;
use crate::task::ready_list::ReadyList;
use crate::timer::Timer;
use std::ffi::c_void;
use std::ptr::{null_mut, NonNull};

/// A deadline that passes whenever it is looked at; and by then what is set from the start is due.
const SOON: i64 = 2;
/// What a timer is set to again.
const LATER: i64 = 100;

struct World {
    s: Box<Shared>,
    timer: Place<Timer>,
    /// Calls that said that they prevented something.
    prevented: AtomicU32,
    received: AtomicU32,
}

unsafe extern "C-unwind" fn entry(_arg: *mut c_void) -> *mut c_void {
    null_mut()
}

impl World {
    fn new(timer: Timer) -> World {
        clock::start(0);
        let s = Box::new(Shared::new(0, Commits::First));
        assert_eq!(timer.reset(None, &s, 0), Ok(false));
        World { s, timer: Place::new(timer), prevented: AtomicU32::new(0), received: AtomicU32::new(0) }
    }

    fn of_a_function() -> World {
        // SAFETY: it does nothing.
        World::new(unsafe { Timer::func(entry, null_mut(), 0) }.expect("memory"))
    }

    fn of_a_channel() -> World {
        World::new(Timer::channel().expect("memory"))
    }

    fn fire(&self) {
        self.fire_what_is_due_at(SOON);
    }

    fn fire_what_is_due_at(&self, now: i64) {
        as_machine(&self.s, |_| self.s.processor.timers.expire(now, &mut ReadyList::new()));
    }

    fn stop(&self) {
        self.prevented.fetch_add(self.timer.stop() as u32, Relaxed);
    }

    fn reset(&self) {
        let prevented = self.timer.reset(None, &self.s, LATER);
        self.prevented.fetch_add(prevented.expect("there is memory") as u32, Relaxed);
    }

    fn free(&self) {
        self.timer.free();
    }

    fn recv(&self, deadline: i64) -> Result<(), Error> {
        let mut due = i64::MAX;
        let chan = self.timer.chan().expect("it has one");
        // SAFETY: a reference, and room.
        let result = unsafe { chan.recv((&raw mut due).cast(), deadline) };
        if result.is_ok() {
            assert_eq!(due, 1, "the time that was due");
            self.received.fetch_add(1, Relaxed);
        }
        result
    }

    fn recv_soon(&self) {
        let _received = self.recv(SOON);
    }

    fn spawned(&self) -> u32 {
        self.s.spawned.load(Relaxed)
    }
}

fn fire_against_stop() {
    let world = race(World::of_a_function(), &[World::fire, World::stop]);
    assert_eq!(world.spawned() + world.prevented.load(Relaxed), 1, "it is stopped, or it fires");
    world.free();
}

fn fire_against_reset() {
    let world = race(World::of_a_function(), &[World::fire, World::reset]);
    world.fire();
    assert_eq!(world.spawned() + world.prevented.load(Relaxed), 1, "the first setting is stopped, or it has fired");
    world.fire_what_is_due_at(1 + LATER);
    assert_eq!(world.spawned() + world.prevented.load(Relaxed), 2, "the second one fires");
    world.free();
}

fn fire_against_the_end() {
    let world = race(World::of_a_function(), &[World::fire, World::free]);
    assert!(world.spawned() <= 1);
}

/// Who receives may find it due before the machine does.
fn fire_against_stop_and_recv() {
    let world = race(World::of_a_channel(), &[World::fire, World::stop, World::recv_soon]);
    let (stopped, received) = (world.prevented.load(Relaxed), world.received.load(Relaxed));
    assert_eq!(stopped + received, 1, "it is stopped, or received");
    assert_eq!(world.recv(NOWAIT), Err(Error::Again), "nothing is left of it");
    end(&world);
}

fn fire_against_the_end_of_a_channel() {
    let world = World::of_a_channel();
    let chan = world.timer.chan().expect("it has one").as_ptr();
    race(world, &[World::fire, World::free]);
    // SAFETY: all threads are over.
    assert!(unsafe { Chan::end(NonNull::new_unchecked(chan as *mut Chan)) }, "the memory is given back");
}

fn end(world: &World) {
    let chan = world.timer.chan().expect("it has one").as_ptr();
    world.free();
    // SAFETY: all threads are over.
    assert!(unsafe { Chan::end(NonNull::new_unchecked(chan as *mut Chan)) }, "the memory is given back");
}

#[test]
fn model_timer_holds() {
    holds(None, fire_against_stop);
    holds(Some(4), fire_against_reset);
    holds(None, fire_against_the_end);
}

#[test]
fn model_timer_holds_with_a_channel() {
    holds(Some(4), fire_against_stop_and_recv);
    holds(Some(4), fire_against_the_end_of_a_channel);
}

#[test]
fn model_timer_fails_when_fire_does_not_ask() {
    fails(Break::TimerFireUnasked, "it is stopped, or it fires", None, fire_against_stop);
}
