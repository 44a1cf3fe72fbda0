//! The idle protocol (`sched/idle.rs`), continued: searches that end otherwise than by giving up.
//!
//! Threads: one whose search ends, because it finds work, because its processor is taken out of use, or because there was
//! no processor to start with; and a submitter that may leave its work to that search. The world is that of `idle.rs`.
//! Checked: I2, at the end: no work is left although a processor is idle.
//! Bounded: with three threads, to four interruptions.

use super::idle::{World, LOST};
use super::{fails, holds, race, Break};
use crate::primitive::Ordering::Relaxed;

impl World {
    /// A searching machine that finds work stays away with it.
    fn busy(&self) {
        if self.take() {
            self.stop_searching();
        } else {
            self.machine(true);
        }
    }

    /// A searching machine whose processor is taken out of use.
    fn retired(&self) {
        let idle_procs = self.idle_procs.lock();
        if Break::IdleRetireFence.is_on() {
            self.idle.end_search();
        } else {
            assert!(self.idle.give_up(self.barrier));
        }
        drop(idle_procs);
        if self.look_again() {
            self.machine(false);
        }
    }
}

fn a_search_that_ends_with_work() {
    let world = race(World::new(1, 1, 1), &[World::busy, World::submit]);
    assert_eq!(world.work.load(Relaxed), 0, "{LOST}");
}

fn a_searcher_that_is_retired() {
    race(World::new(1, 1, 0), &[World::retired, World::submit]).check(1);
}

/// A submitter saw an idle processor, and it is gone: while it finds that out it counts as searching.
fn a_start_that_finds_no_processor() {
    race(World::new(2, 0, 0), &[World::start_searcher, |w| w.machine(true), World::submit]).check(1);
}

#[test]
fn model_idle_ends_hold() {
    holds(None, a_search_that_ends_with_work);
    holds(None, a_searcher_that_is_retired);
    holds(Some(4), a_start_that_finds_no_processor);
}

#[test]
fn model_idle_ends_fail_without_a_fence_after_a_search() {
    fails(Break::IdleEndFence, LOST, None, a_search_that_ends_with_work);
    // What `light` is with membarrier: then the end of a search needs the heavy half.
    fails(Break::IdleSubmitFence, LOST, None, a_search_that_ends_with_work);
}

#[test]
fn model_idle_ends_fail_without_a_fence_when_a_searcher_is_retired() {
    fails(Break::IdleRetireFence, LOST, None, a_searcher_that_is_retired);
}

#[test]
fn model_idle_ends_fail_when_a_failed_start_ends_without_the_lock() {
    fails(Break::IdleStartUnlocked, LOST, Some(4), a_start_that_finds_no_processor);
}
