//! Attention (`sched/attention.rs`): a monitor that sleeps long against those that publish work.
//!
//! Threads: the monitor, which sleeps without bound until it has seen all work; one or two that push a task. The push has an
//! explicit light barrier here, which the real one leaves to the heavy barrier of `membarrier`.
//! Checked: the monitor sees all of it: a miss shows as a sleep that nobody ends.

use super::{fails, holds, race, Break};
use crate::base::fence::Barrier;
use crate::primitive::{AtomicU32, Ordering::*};
use crate::sched::attention::Attention;
use crate::sched::idle::Idle;
use crate::source::timer::NEVER;

struct World {
    attention: Attention,
    idle: Idle,
    barrier: Barrier,
    work: AtomicU32,
}

impl World {
    fn new() -> World {
        let barrier = Barrier::fences();
        World { attention: Attention::new(barrier), idle: Idle::default(), barrier, work: AtomicU32::new(0) }
    }

    fn push(&self) {
        self.work.fetch_add(1, Relaxed);
        self.barrier.light();
        if self.idle.hungry() {
            self.attention.attend();
        }
    }

    fn watch(&self, all: u32) {
        while self.work.load(Relaxed) != all {
            assert!(self.attention.begin_long(&self.idle));
            if self.work.load(Relaxed) != all {
                self.attention.sleep(NEVER);
            }
            self.attention.end_long(&self.idle);
        }
    }
}

fn one_push() {
    race(World::new(), &[|w| w.watch(1), World::push]);
}

fn two_pushes() {
    race(World::new(), &[|w| w.watch(2), World::push, World::push]);
}

#[test]
fn model_attention_holds() {
    holds(None, one_push);
}

#[test]
fn model_attention_holds_with_two_pushes() {
    holds(Some(3), two_pushes);
}

#[test]
fn model_attention_fails_without_the_fence() {
    fails(Break::AttentionFence, "deadlock", None, one_push);
}
