//! Cancelling (`sched/cancel.rs`, `sched/wait.rs`, W3 of `task/wait_word.rs`): a mark against a wait that begins, goes on or is being
//! ended by a waker.
//!
//! Threads: a task that waits for a wait group, its commit (by itself, or beside it), a canceller, and where there are more a
//! waker. The group stands for every object: the claim under its lock is what they share.
//! Checked: X1: a task that is marked does not go on waiting (loom's "deadlock"); the wait ends once: a cancelled one left the
//! queue, and what was woken was not cancelled; nobody touches the waiter after its memory was given back.
//! Bounded: with three threads to three interruptions.

use super::{fails, holds, race, Break, Place};
use crate::base::error::Error;
use crate::primitive::{AtomicU32, Ordering::*};
use crate::sched::wait::FOREVER;
use crate::sched::{as_task, cancel, Commits, Shared};
use crate::sync::wait_group::WaitGroup;
use crate::sys::clock;
use crate::task::ready_list::ReadyList;

/// It passes when a machine looks.
const SOON: i64 = 2;

struct World {
    s: Shared,
    group: Place<WaitGroup>,
    /// How the wait came out: 0 not yet, 1 woken, 2 cancelled, 3 its deadline.
    ended: AtomicU32,
}

impl World {
    fn new(commits: Commits) -> World {
        clock::start(0);
        let world =
            World { s: Shared::new(1, commits), group: Place::new(WaitGroup::default()), ended: AtomicU32::new(0) };
        assert_eq!(world.group.change(1), Ok(()));
        world
    }

    fn wait_until(&self, deadline: i64) {
        let ended = match as_task(&self.s, 0, || self.group.wait(deadline)) {
            Ok(()) => 1,
            Err(Error::Canceled) => 2,
            Err(e) => {
                assert_eq!(e, Error::TimedOut);
                3
            }
        };
        self.ended.store(ended, Relaxed);
    }

    fn wait(&self) {
        self.wait_until(FOREVER);
    }

    fn wait_soon(&self) {
        self.wait_until(SOON);
    }

    fn cancel(&self) {
        let t = self.s.task(0);
        assert!(cancel::mark_if(t, t.generation()));
        self.s.cancel_barrier();
        let mut tasks = ReadyList::new();
        cancel::end_wait(t, t.generation(), &mut tasks);
        cancel::ready_cancelled(&self.s, None, &mut tasks);
    }

    fn done(&self) {
        assert_eq!(self.group.change(-1), Ok(()));
    }

    /// A machine that looks for work.
    fn expire(&self) {
        let mut tasks = ReadyList::new();
        self.s.processor.timers.expire(SOON, &mut tasks);
        cancel::ready_cancelled(&self.s, None, &mut tasks);
    }

    fn check(&self, ends: &[u32]) {
        self.s.end();
        assert!(ends.contains(&self.ended.load(Relaxed)));
        // The queue is empty.
        self.group.free();
    }
}

fn cancel_against_arm() {
    race(World::new(Commits::First), &[World::wait, World::cancel]).check(&[2]);
}

fn cancel_against_wake() {
    race(World::new(Commits::First), &[World::wait, World::cancel, World::done]).check(&[1, 2]);
}

fn cancel_against_a_deadline() {
    race(World::new(Commits::First), &[World::wait_soon, World::cancel, World::expire]).check(&[2, 3]);
}

/// The task may go on while its commit looks at the mark.
fn cancel_against_a_commit() {
    race(World::new(Commits::Beside), &[World::wait, World::cancel]).check(&[2]);
}

#[test]
fn model_cancel_holds_against_arm() {
    holds(None, cancel_against_arm);
    holds(None, cancel_against_a_commit);
}

#[test]
fn model_cancel_holds_against_wake() {
    holds(Some(3), cancel_against_wake);
}

#[test]
fn model_cancel_holds_against_a_deadline() {
    holds(Some(3), cancel_against_a_deadline);
}

#[test]
fn model_cancel_fails_without_the_fence() {
    fails(Break::CancelFence, "deadlock", None, cancel_against_arm);
}
