//! Who owns a machine's processor: the machine while it is inside the runtime, anybody with the lock while it is
//! outside.
//!
//! Owns: the two words of the protocol, `inside` and `requests`, and every access to them.
//!
//! All task code runs outside. `enter` marks the machine inside, `exit` outside; a processor may be taken from a
//! machine that is outside, at any time, without asking it.
//!
//! Always true:
//!  - O1. Of an `enter` and a `seize` that overlap, at least one sees the other: `enter` stores `inside`, then the
//!        light barrier (fence F2), then loads `requests`; `seize` stores `requests`, then the heavy barrier (F2's
//!        partner), then loads `inside`. If `enter` sees the request it goes the slow way, which takes the lock;
//!        if `seize` sees the machine inside it takes nothing.
//!  - O2. What the machine wrote to its processor before `exit` is visible to who seizes it: `exit` is a Release
//!        store, `seize` loads with Acquire.
//!  - O3. The flags lie in the machine, not in the processor: an old owner's blind store must never hit a
//!        processor that has a new owner.
//!
//! `inside` is [`INSIDE`], or while outside an even tick that changes at each exit, so that the monitor can tell
//! "still in the same foreign stretch" from "out again".
//!
//! Model: `model/owner.rs`, breaking switch [`Break::OwnerFence`].

use crate::base::chaos::{self, Bug, Point};
use crate::base::fence::Barrier;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{AtomicU32, Ordering::*};

/// The value of `inside` while the machine is in the runtime.
pub const INSIDE: u32 = 1;

/// The processor may be gone: look under the lock.
pub const SEIZE: u32 = 1;
/// The time slice is over and others wait: yield.
pub const YIELD: u32 = 2;
/// There are more processors than allowed: give this one up.
pub const RETIRE: u32 = 4;
/// C++ came into the process: look the exception globals up again.
pub const CXX: u32 = 8;
/// Something lies in the inbox.
pub const INBOX: u32 = 16;
/// Always requested in a seeded runtime (`sched/seeded.rs`): every call takes the slow way.
pub const SEEDED: u32 = 32;

/// See the module.
#[derive(Debug)]
pub struct Owner {
    inside: AtomicU32,
    requests: AtomicU32,
    barrier: Barrier,
}

impl Owner {
    /// Starts inside.
    pub fn new(barrier: Barrier) -> Owner {
        Owner { inside: AtomicU32::new(INSIDE), requests: AtomicU32::new(0), barrier }
    }

    /// Marks this machine inside. False: something is requested, take the slow way.
    #[inline(always)]
    #[must_use]
    pub fn enter(&self) -> bool {
        chaos::point(Point::Enter);
        if chaos::plants(Bug::OwnerFence) {
            // What a CPU may do where nothing keeps it from it.
            let free = self.requests.load(Acquire) == 0;
            chaos::point(Point::Seize);
            self.inside.store(INSIDE, Relaxed);
            return free;
        }
        self.inside.store(INSIDE, Relaxed);
        #[cfg(loom)]
        if Break::OwnerFence.is_on() {
            return self.requests.load(Acquire) == 0;
        }
        self.barrier.light(); // F2
        self.requests.load(Acquire) == 0
    }

    /// Marks this machine outside, with a tick it has not used before (even).
    #[inline(always)]
    pub fn exit(&self, tick: u32) {
        debug_assert!(tick & 1 == 0);
        chaos::point(Point::Exit);
        self.inside.store(tick, Release);
    }

    /// Marks a sleeping machine inside on its behalf, under the lock, because it is about to be given a processor.
    pub fn enter_for(&self) {
        self.inside.store(INSIDE, Relaxed);
    }

    /// The tick while outside, [`INSIDE`] while inside.
    #[inline]
    pub fn look(&self) -> u32 {
        self.inside.load(Acquire)
    }

    /// What is requested, without taking it: the checkpoint's one load.
    #[inline(always)]
    pub fn requested(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    /// Asks the machine to do something at its next enter.
    pub fn request(&self, bits: u32) {
        self.requests.fetch_or(bits, AcqRel);
    }

    /// Takes the requests, under the lock. [`SEEDED`] stays.
    pub fn take_requests(&self) -> u32 {
        self.requests.fetch_and(SEEDED, AcqRel)
    }

    /// Under the lock: true when the machine is outside and stays out of its processor until it has been to the
    /// slow way (so the caller may take the processor). When false the request has been withdrawn; the machine
    /// may see it all the same, and then finds nothing to do.
    #[must_use]
    pub fn seize(&self) -> bool {
        self.requests.fetch_or(SEIZE, AcqRel);
        let ordered = chaos::plants(Bug::OwnerFence) || self.barrier.heavy(); // F2's partner
        chaos::point(Point::Seize);
        let inside = self.inside.load(Acquire) == INSIDE && !chaos::plants(Bug::SeizeInside);
        if !ordered || inside {
            chaos::point(Point::Seize);
            self.requests.fetch_and(!SEIZE, AcqRel);
            return false;
        }
        true
    }

    /// Under the lock, after a successful `seize` whose taker leaves the processor with the machine after all.
    pub fn withdraw(&self) {
        self.requests.fetch_and(!SEIZE, AcqRel);
    }
}
