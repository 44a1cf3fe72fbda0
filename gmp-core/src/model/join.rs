//! The join cell (`task/join.rs`, `join.rs`): a task's end against its joiner.
//!
//! Threads: the end, and a party that joins, as a thread or as a task, with and without a deadline, or gives the handle up. A task's
//! commit runs beside it. Who joins is the real code; what its end does with the cell is here.
//! Checked: the joiner is woken and sees the result (J1); nobody touches the waiter after its memory was given back (J2);
//! exactly one of end and joiner recycles the record.
//! Bounded: with a task, to three interruptions.

use super::{fails, holds, race, Break};
use crate::base::error::Error;
use crate::join;
use crate::primitive::Ordering::*;
use crate::sched::wait::FOREVER;
use crate::sched::{as_task, enter, ready, spawn, Commits, Shared};
use crate::sys::clock;
use crate::task::join::End;
use std::ffi::c_void;

const RESULT: *mut c_void = 42 as *mut c_void;
/// It passes whenever it is looked at.
const SOON: i64 = 2;

/// Task 0 ends, task 1 joins it.
struct World(Shared);

impl World {
    fn new(commits: Commits) -> World {
        clock::start(0);
        World(Shared::new(2, commits))
    }

    fn end(&self) {
        let s = &self.0;
        s.task(0).arg.set(RESULT);
        match s.task(0).join.end() {
            // SAFETY: over, and nobody will ask.
            End::Recycle => unsafe { spawn::recycle_foreign(s, s.task(0) as *const _ as *mut _) },
            End::Keep => {}
            // SAFETY: taken out of the cell by us.
            End::Wake(waiter) => unsafe { ready::wake(None, waiter) },
        }
    }

    fn wait(&self, deadline: i64) -> Result<*mut c_void, Error> {
        join::join(|| Ok(&self.0), self.0.handle(0), deadline)
    }

    fn join(&self) {
        assert_eq!(self.wait(FOREVER), Ok(RESULT));
    }

    fn join_until_then_detach(&self) {
        match self.wait(SOON) {
            Ok(result) => assert_eq!(result, RESULT),
            Err(e) => {
                assert_eq!(e, Error::TimedOut);
                self.detach();
            }
        }
    }

    fn detach(&self) {
        assert_eq!(join::detach(&self.0, enter::enter(), self.0.handle(0)), Ok(()));
    }
}

fn end_against(commits: Commits, party: fn(&World)) {
    let world = race(World::new(commits), &[party, World::end]);
    world.0.end();
    assert_eq!(world.0.task(0).recycled.load(Relaxed), 1, "recycled once");
}

fn end_against_join() {
    end_against(Commits::First, World::join);
}

fn end_against_deadline() {
    end_against(Commits::First, World::join_until_then_detach);
}

fn end_against_detach() {
    end_against(Commits::First, World::detach);
}

fn end_against_join_of_a_task() {
    end_against(Commits::Beside, |w| as_task(&w.0, 1, || w.join()));
}

#[test]
fn model_join_holds() {
    holds(None, end_against_join);
    holds(None, end_against_detach);
}

#[test]
fn model_join_holds_with_a_deadline() {
    holds(None, end_against_deadline);
}

#[test]
fn model_join_holds_for_a_task() {
    holds(None, end_against_join_of_a_task);
}

#[test]
fn model_join_fails_without_settling() {
    fails(Break::JoinNoSettle, "Causality violation", None, end_against_deadline);
}

#[test]
fn model_join_fails_in_two_steps() {
    fails(Break::JoinTwoSteps, "deadlock", None, end_against_join);
}
