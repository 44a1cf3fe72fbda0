//! The join cell (`task/join.rs`): a task's end against its joiner.
//!
//! Threads: the end, and a thread that joins, with and without a deadline, or gives the handle up. The steps are those
//! of `join.rs` and of the task's end.
//! Checked: the joiner is woken and sees the result (J1); nobody touches the waiter after its memory was given back (J2);
//! exactly one of end and joiner recycles the record.

use super::{fails, holds, race, Break, Place};
use crate::primitive::{AtomicU32, Cell, Ordering::*};
use crate::task::join::{End, JoinCell, Seen};
use crate::task::waiter::Waiter;
use std::ptr::null;

struct World {
    cell: JoinCell,
    result: Place<Cell<u32>>,
    waiter: Place<Waiter>,
    recycled: AtomicU32,
}

impl World {
    fn new() -> World {
        World {
            cell: JoinCell::default(),
            result: Place::new(Cell::new(0)),
            waiter: Place::new(Waiter::new(null())),
            recycled: AtomicU32::new(0),
        }
    }

    fn recycle(&self) {
        self.result.set(0);
        self.recycled.fetch_add(1, Relaxed);
    }

    fn end(&self) {
        self.result.set(42);
        match self.cell.end() {
            End::Recycle => self.recycle(),
            End::Keep => {}
            // SAFETY: the place stays; whether the waiter may be touched is what the model checks.
            End::Wake(waiter) => unsafe {
                if Waiter::wake(waiter) {
                    Waiter::notify_thread(waiter);
                }
            },
        }
    }

    /// True: joined; false: the deadline was first.
    fn wait(&self, deadline: Option<i64>) -> bool {
        let mut joined = true;
        if self.cell.look() == Seen::Open && self.cell.wait(self.waiter.at()) {
            self.waiter.sleep_thread(deadline);
            if self.waiter.has_expired() {
                joined = !self.cell.leave(self.waiter.at());
                if joined {
                    self.waiter.settle();
                }
            }
            // SAFETY: the place stays, and no reference to the waiter is used during the call.
            unsafe { Waiter::free(self.waiter.at()) };
        }
        if joined {
            assert_eq!(self.cell.look(), Seen::Ended);
            assert_eq!(self.result.get(), 42);
            self.recycle();
        }
        joined
    }

    fn join(&self) {
        assert!(self.wait(None));
    }

    fn join_until_then_detach(&self) {
        if !self.wait(Some(1)) {
            self.detach();
        }
    }

    fn detach(&self) {
        match self.cell.detach() {
            Ok(()) => {}
            Err(seen) => {
                assert_eq!(seen, Seen::Ended);
                assert_eq!(self.result.get(), 42);
                self.recycle();
            }
        }
    }
}

fn end_against(party: fn(&World)) {
    let world = race(World::new(), &[party, World::end]);
    assert_eq!(world.recycled.load(Relaxed), 1, "recycled once");
}

fn end_against_join() {
    end_against(World::join);
}

fn end_against_deadline() {
    end_against(World::join_until_then_detach);
}

fn end_against_detach() {
    end_against(World::detach);
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
fn model_join_fails_without_settling() {
    fails(Break::JoinNoSettle, "Causality violation", None, end_against_deadline);
}
