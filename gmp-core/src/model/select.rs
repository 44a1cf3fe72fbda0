//! A select (`chan/select.rs`): one claim among several wakers, of a task whose commit goes on beside it.
//!
//! Threads: a task that selects among receives from two channels, its commit beside it, and two others: each sends on a
//! channel, or one sends and one cancels the task. All of it is the real code.
//! Checked: one waker wins, and the other's value is still to be had (D3); nobody touches the waiter, a node or the select's places
//! after their memory was given back (D4); a cancelled select has received nothing, and no channel keeps a node.
//! Bounded: to two interruptions.

use super::{fails, holds, race, Break};
use crate::base::error::Error;
use crate::chan::select::{select, Case, RECV};
use crate::chan::Chan;
use crate::primitive::{AtomicU32, Ordering::*};
use crate::sched::wait::FOREVER;
use crate::sched::{as_task, cancel, Commits, Shared};
use crate::sys::clock;
use crate::task::ready_list::ReadyList;
use std::ptr::NonNull;

/// It passes whenever it is looked at.
const SOON: i64 = 2;

struct World {
    s: Shared,
    /// In the order of their addresses, so that each run of the model locks them in the same order.
    chans: [NonNull<Chan>; 2],
    /// A bit for each channel.
    sent: AtomicU32,
    received: AtomicU32,
}

// SAFETY: a channel is made for all threads.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

impl World {
    fn new() -> World {
        clock::start(0);
        let mut chans = [(); 2].map(|()| Chan::new(8, 0).expect("memory"));
        chans.sort();
        let (sent, received) = (AtomicU32::new(0), AtomicU32::new(0));
        World { s: Shared::new(1, Commits::Beside), chans, sent, received }
    }

    fn chan(&self, n: usize) -> &Chan {
        // SAFETY: the model has a reference.
        unsafe { self.chans[n].as_ref() }
    }

    fn send_until(&self, n: usize, deadline: i64) {
        let value = n as u64;
        // SAFETY: a reference, and a value.
        match unsafe { self.chan(n).send((&raw const value).cast(), deadline) } {
            Ok(()) => drop(self.sent.fetch_or(1 << n, Relaxed)),
            Err(e) => assert_eq!(e, Error::TimedOut),
        }
    }

    fn send<const N: usize>(&self) {
        self.send_until(N, FOREVER);
    }

    fn send_soon(&self) {
        self.send_until(0, SOON);
    }

    fn take(&self, n: usize, value: u64) {
        assert_eq!(value, n as u64);
        assert_eq!(self.received.fetch_or(1 << n, Relaxed) & 1 << n, 0, "received once");
    }

    /// Which channel it received from.
    fn select(&self) -> Result<usize, Error> {
        let mut values = [u64::MAX; 2];
        let mut cases = std::array::from_fn::<_, 2, _>(|n| Case {
            op: RECV,
            status: 0,
            chan: self.chan(n),
            value: (&raw mut values[n]).cast(),
        });
        // SAFETY: references, and room.
        let chosen = as_task(&self.s, 0, || unsafe { select(&mut cases, FOREVER) });
        for (n, value) in values.into_iter().enumerate() {
            if chosen == Ok(n) {
                self.take(n, value);
            } else {
                assert_eq!(value, u64::MAX);
            }
        }
        chosen
    }

    /// From one by the select, from the other (as a thread) after it.
    fn receive_from_both(&self) {
        let other = 1 - self.select().expect("nobody cancels it");
        let mut value = u64::MAX;
        // SAFETY: a reference, and room.
        let result = unsafe { self.chan(other).recv((&raw mut value).cast(), FOREVER) };
        assert_eq!(result, Ok(()));
        self.take(other, value);
    }

    fn select_until_cancelled(&self) {
        let chosen = self.select();
        assert!(matches!(chosen, Ok(0) | Err(Error::Canceled)), "{chosen:?}");
    }

    fn cancel(&self) {
        let t = self.s.task(0);
        assert!(cancel::mark_if(t, t.generation()));
        self.s.cancel_barrier();
        let mut tasks = ReadyList::new();
        cancel::end_wait(t, t.generation(), &mut tasks);
        cancel::ready_cancelled(&self.s, None, &mut tasks);
    }

    fn check(&self) {
        self.s.end();
        assert_eq!(self.sent.load(Relaxed), self.received.load(Relaxed), "received is what was sent");
        for chan in self.chans {
            // SAFETY: the model's reference; all threads are over.
            unsafe {
                Chan::release(chan.as_ptr());
                assert!(Chan::end(chan), "no node is left");
            }
        }
    }
}

fn two_wakers() {
    let world = race(World::new(), &[World::receive_from_both, World::send::<0>, World::send::<1>]);
    world.check();
    assert_eq!(world.received.load(Relaxed), 3);
}

fn waker_against_cancel() {
    race(World::new(), &[World::select_until_cancelled, World::send_soon, World::cancel]).check();
}

#[test]
fn model_select_holds() {
    holds(Some(2), two_wakers);
}

#[test]
fn model_select_holds_against_cancel() {
    holds(Some(2), waker_against_cancel);
}

#[test]
fn model_select_fails_when_it_does_not_wait_for_its_commit() {
    fails(Break::SelectNotEnlisted, "Causality violation", Some(2), two_wakers);
}
