//! Counters for `gmp_stats`: one set per processor, written by its owner, summed by whoever asks.
//!
//! Owns: the list of what is counted. Always true: a counter has one writer at a time (the owner of the
//! processor, or the holder of the lock beside a shared set), so adding is a plain load and store; readers
//! see a recent value, and an exact one when the writers are at rest.

use crate::primitive::{AtomicU64, Ordering::Relaxed};

/// One counter with one writer at a time.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the one writer may call this.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Adds one. Only the one writer may call this.
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1);
    }

    /// A recent value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one writer counts.
#[derive(Debug, Default)]
pub struct Counters {
    pub tasks_created: Counter,
    pub tasks_ended: Counter,
    /// Spawns by what is no task, begun and over: while one is under way the runtime does not end (`sched/spawn.rs`).
    pub spawns_begun: Counter,
    pub spawns_over: Counter,
    pub switches: Counter,
    pub steals: Counter,
    pub parks: Counter,
    pub wakes: Counter,
    pub timers_fired: Counter,
}
