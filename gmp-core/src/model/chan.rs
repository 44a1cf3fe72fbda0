//! A channel (`chan/`): values handed over, against close, deadlines and the end of the channel.
//!
//! Threads: one that sends, one that receives, and where there are three one that closes or frees. All of it is the real code;
//! a value is the address of what it says, which is written before the send.
//! Checked: what was sent is received once and what was not sent never (C3); nobody waits although another could go on with it
//! (C2: loom's "deadlock"); who receives sees what was written before the send; the memory goes once, with the last reference or
//! waiter, and is not touched after (C4).
//! Bounded: but for the simplest to four interruptions.

use super::{fails, holds, race, Break, Place};
use crate::base::error::Error;
use crate::base::lock::Pause;
use crate::chan::Chan;
use crate::primitive::{AtomicBool, AtomicU32, Cell, Ordering::*};
use crate::sched::wait::FOREVER;
use crate::sys::clock;
use std::ptr::NonNull;

/// It passes whenever it is looked at.
const SOON: i64 = 2;

struct World {
    chan: NonNull<Chan>,
    /// What the values say, by the value less one.
    said: [Place<Cell<u32>>; 2],
    sent: AtomicU32,
    received: AtomicU32,
    /// The receiver's call has returned.
    is_through: AtomicBool,
}

// SAFETY: a channel is made for all threads.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

impl World {
    fn new(capacity: usize) -> World {
        clock::start(0);
        World {
            chan: Chan::new(8, capacity).expect("memory"),
            said: std::array::from_fn(|_| Place::new(Cell::new(0))),
            sent: AtomicU32::new(0),
            received: AtomicU32::new(0),
            is_through: AtomicBool::new(false),
        }
    }

    fn chan(&self) -> &Chan {
        // SAFETY: freed by the model's end; loom knows what may be touched.
        unsafe { self.chan.as_ref() }
    }

    fn send_until(&self, value: u64, deadline: i64) -> Result<(), Error> {
        self.said[value as usize - 1].set(1);
        // SAFETY: a reference, and a value.
        let result = unsafe { self.chan().send((&raw const value).cast(), deadline) };
        if result.is_ok() {
            self.sent.fetch_add(1 << (8 * (value - 1)), Relaxed);
        }
        result
    }

    fn recv_until(&self, deadline: i64) -> Result<(), Error> {
        let mut value = u64::MAX;
        // SAFETY: a reference, and room.
        let result = unsafe { self.chan().recv((&raw mut value).cast(), deadline) };
        match result {
            Ok(()) => {
                assert_eq!(self.said[value as usize - 1].get(), 1);
                self.received.fetch_add(1 << (8 * (value - 1)), Relaxed);
            }
            Err(Error::Closed) => assert_eq!(value, 0),
            Err(_) => assert_eq!(value, u64::MAX),
        }
        result
    }

    fn send(&self) {
        assert_eq!(self.send_until(1, FOREVER), Ok(()));
    }

    fn recv(&self) {
        assert_eq!(self.recv_until(FOREVER), Ok(()));
    }

    fn try_send(&self) {
        let result = self.send_until(1, FOREVER);
        assert!(matches!(result, Ok(()) | Err(Error::Closed)), "{result:?}");
    }

    fn try_recv(&self) {
        let result = self.recv_until(FOREVER);
        assert!(matches!(result, Ok(()) | Err(Error::Closed)), "{result:?}");
    }

    fn send_soon(&self) {
        let result = self.send_until(1, SOON);
        assert!(matches!(result, Ok(()) | Err(Error::TimedOut)), "{result:?}");
    }

    fn recv_soon(&self) {
        let result = self.recv_until(SOON);
        assert!(matches!(result, Ok(()) | Err(Error::TimedOut)), "{result:?}");
    }

    fn close(&self) {
        assert_eq!(self.chan().close(), Ok(()));
    }

    fn send_twice_and_close(&self) {
        self.send();
        assert_eq!(self.send_until(2, FOREVER), Ok(()));
        self.close();
        self.free();
    }

    fn recv_all(&self) {
        while self.recv_until(FOREVER).is_ok() {}
        self.free();
    }

    fn free(&self) {
        // SAFETY: a reference of the model's.
        unsafe { Chan::release(self.chan.as_ptr()) };
    }

    /// Waits, and has no reference of its own.
    fn recv_soon_alone(&self) {
        self.recv_soon();
        self.is_through.store(true, Release);
    }

    /// Frees the channel while the other waits, or when it has waited.
    fn free_under_a_receiver(&self) {
        let mut pause = Pause::new();
        while !self.is_through.load(Acquire) && !self.chan().can_send() {
            pause.once();
        }
        self.free();
    }

    /// Nothing was lost or doubled. `freed`: by the threads; else the model has the last reference.
    fn check(&self, freed: bool) {
        if !freed {
            self.free();
        }
        // SAFETY: all threads are over.
        assert!(unsafe { Chan::end(self.chan) }, "the memory is given back");
        assert_eq!(self.sent.load(Relaxed), self.received.load(Relaxed), "received is what was sent");
    }
}

fn send_against_recv() {
    race(World::new(0), &[World::send, World::recv]).check(false);
}

fn close_against_a_hand_over() {
    race(World::new(0), &[World::try_send, World::try_recv, World::close]).check(false);
}

fn close_against_recv() {
    race(World::new(0), &[World::try_recv, World::close]).check(false);
}

fn close_against_send() {
    race(World::new(0), &[World::try_send, World::close]).check(false);
}

/// Each side has a reference.
fn through_a_buffer() {
    let world = World::new(1);
    world.chan().retain();
    let world = race(world, &[World::recv_all, World::send_twice_and_close]);
    assert_eq!(world.received.load(Relaxed), 0x101);
    world.check(true);
}

fn recv_against_a_deadline_of_send() {
    race(World::new(0), &[World::send_soon, World::recv_soon]).check(false);
}

/// Nobody has a reference any more, and one waits, until its deadline.
fn free_against_a_waiter() {
    race(World::new(0), &[World::recv_soon_alone, World::free_under_a_receiver]).check(true);
}

#[test]
fn model_chan_holds() {
    holds(None, send_against_recv);
    holds(None, close_against_recv);
    holds(None, close_against_send);
}

#[test]
fn model_chan_holds_against_close() {
    holds(Some(4), close_against_a_hand_over);
}

#[test]
fn model_chan_holds_through_a_buffer() {
    holds(Some(4), through_a_buffer);
}

#[test]
fn model_chan_holds_with_a_deadline() {
    holds(Some(4), recv_against_a_deadline_of_send);
}

#[test]
fn model_chan_holds_when_freed_under_a_waiter() {
    holds(None, free_against_a_waiter);
}

#[test]
fn model_chan_fails_when_freed_without_asking_who_waits() {
    fails(Break::ChanFreeUnasked, "somebody still waits", Some(3), free_against_a_waiter);
}

#[test]
fn model_chan_fails_when_the_last_is_counted_without_the_lock() {
    fails(Break::ChanCountUnlocked, "Causality violation", Some(3), free_against_a_waiter);
}

#[test]
fn model_chan_fails_without_the_second_look() {
    fails(Break::ChanUnlockedCheck, "deadlock", None, send_against_recv);
}
