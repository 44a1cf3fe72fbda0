//! The processor record (P): the right to run tasks, its queue and its caches.
//!
//! Owns: what one processor holds. No policy.
//!
//! Always true (DESIGN 5):
//!  - P1. A processor belongs to exactly one of: one machine, the idle list, a party inside the scheduler's lock.
//!  - P2. Plain cells here are touched only by the owning machine between a successful enter and its exit, or by
//!        the party that took the processor under the lock.
//!  - P3. Processors are never freed while the runtime lives, so a stale pointer may be read (atomics only).

pub mod runq;

use crate::base::counters::Counters;
use crate::base::rng::Rng;
use crate::primitive::{AtomicBool, AtomicPtr, AtomicU32};
use crate::source::timer::Timers;
use crate::stack;
use crate::sys::poll::{Event, BATCH};
use crate::task::slab::Cache;
use runq::RunQueue;
use std::cell::{Cell, UnsafeCell};

/// See the module.
#[repr(C, align(128))]
pub struct Processor {
    pub runq: RunQueue,
    /// Free records at hand.
    pub tasks: UnsafeCell<Cache>,
    /// Credits for stacks of the default class at hand (`stack/cache.rs`): spawns take one, ends give one.
    pub credits: Cell<u32>,
    /// Task ids at hand: next and end.
    pub ids: Cell<(u64, u64)>,
    /// Stacks at hand, last in first out: a task starts on the hottest and keeps it only if it parks.
    pub stacks: UnsafeCell<stack::Cache>,
    pub rng: UnsafeCell<Rng>,
    /// What the kernel says of descriptors. Not on a stack: a task's may be asked from, and should stay within its page.
    pub events: UnsafeCell<[Event; BATCH]>,
    /// Time slices: not advanced by a run-next task (§4.8). The monitor reads it.
    pub slice: AtomicU32,
    /// The slice at which the next look at the clock or the global queue is due (`sched/find.rs`).
    pub look_at: Cell<u32>,
    /// The slice of the last look at the global queue (the 1-in-61 rule).
    pub fair_at: Cell<u32>,
    /// Set by the monitor or by an entering machine: look at timers and inbox, and treat run-next as an ordinary entry
    /// once (§4.13).
    pub attention: AtomicBool,
    /// How often declared sections here have lately cost the processor (see `sched/handoff.rs`).
    pub blocking_score: Cell<u32>,
    /// Declared sections that began while work waited.
    pub sections: Cell<u32>,
    pub counters: Counters,
    pub timers: Timers,
    /// The owning machine; changes under the scheduler's lock only. The monitor reads it.
    pub machine: AtomicPtr<()>,
    pub index: u32,
    /// Under the scheduler's lock: part of the set that `max_procs` allows.
    pub alive: Cell<bool>,
}

// SAFETY: P2 and the rules of the atomics.
unsafe impl Sync for Processor {}
// SAFETY: as above.
unsafe impl Send for Processor {}

impl Processor {
    /// An idle processor with nothing in it.
    pub fn new(index: u32, seed: u64) -> Processor {
        Processor {
            runq: RunQueue::new(),
            tasks: UnsafeCell::default(),
            credits: Cell::new(0),
            ids: Cell::new((0, 0)),
            stacks: UnsafeCell::default(),
            rng: UnsafeCell::new(Rng::new(seed)),
            events: UnsafeCell::new([Event::NONE; BATCH]),
            slice: AtomicU32::new(0),
            look_at: Cell::new(0),
            fair_at: Cell::new(0),
            attention: AtomicBool::new(false),
            blocking_score: Cell::new(0),
            sections: Cell::new(0),
            counters: Counters::default(),
            timers: Timers::default(),
            machine: AtomicPtr::new(std::ptr::null_mut()),
            index,
            alive: Cell::new(true),
        }
    }
}
