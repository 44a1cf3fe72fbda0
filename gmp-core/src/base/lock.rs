//! A lock of one word for a few steps: all-zero is unlocked, and unlocking is its last touch.
//!
//! Owns: the word. Always true:
//!  - L1. `unlock` is one Release store: who unlocks touches the lock's memory no more, so the next holder may free it.
//!  - L2. What it guards is short and calls nothing foreign, and it is never held across a switch.
//!
//! Blocks: spins for about a microsecond, then gives the CPU away until the holder has run.
//! Tried and dropped: `parking_lot`'s raw mutex (its unlock is a second atomic step, 5 ns of 40 in a channel's hand-over,
//! and it may still look for sleepers when the next holder frees the memory).
//!
//! Model: `model/lock.rs`, breaking switch `LockLooksAgain`.

#[cfg(loom)]
use crate::model::Break;
#[cfg(loom)]
use crate::primitive::wait_for_a_store;
use crate::primitive::{sanitizer, AtomicU32, Ordering::*};
#[cfg(not(loom))]
use crate::primitive::{spin_hint, yield_thread};

#[cfg(not(loom))]
const SPINS: u32 = 64;

/// See the module.
#[derive(Debug)]
pub struct Lock(AtomicU32);

impl Default for Lock {
    fn default() -> Self {
        Lock::new()
    }
}

impl Lock {
    /// Unlocked.
    pub fn new() -> Lock {
        Lock(AtomicU32::new(0))
    }

    /// Takes the lock.
    #[inline(always)]
    pub fn lock(&self) {
        if self.0.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            self.contended();
        }
        sanitizer::acquired(self);
    }

    #[cold]
    fn contended(&self) {
        let mut pause = Pause::new();
        loop {
            while self.0.load(Relaxed) != 0 {
                pause.once();
            }
            if self.0.compare_exchange(0, 1, Acquire, Relaxed).is_ok() {
                return;
            }
        }
    }

    /// Gives it up: the last touch.
    #[inline(always)]
    pub fn unlock(&self) {
        sanitizer::released(self);
        self.0.store(0, Release);
        #[cfg(loom)]
        if Break::LockLooksAgain.is_on() {
            self.is_locked();
        }
    }

    /// True while somebody holds it.
    pub fn is_locked(&self) -> bool {
        self.0.load(Relaxed) != 0
    }
}

/// The rhythm of a short wait: pauses, then the CPU is given away each time, as the awaited thread may not have one.
#[derive(Debug)]
pub struct Pause(u32);

impl Pause {
    pub fn new() -> Pause {
        Pause(0)
    }

    /// A moment.
    #[cfg(not(loom))]
    pub fn once(&mut self) {
        if self.0 < SPINS {
            self.0 += 1;
            spin_hint();
        } else {
            yield_thread();
        }
    }

    /// As long as nothing changes.
    #[cfg(loom)]
    #[track_caller]
    pub fn once(&mut self) {
        self.0 = wait_for_a_store(self.0);
    }
}

#[cfg(loom)]
impl Drop for Lock {
    /// Its memory is given back: an access that is not over by now is an error of the protocol, which loom reports.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}
