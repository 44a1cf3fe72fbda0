//! The wait group as tasks and threads use it: the protocol of `wait_group.rs` with parking and waking.
//!
//! Always true: the waker touches nothing of the group after the count became zero (G1).
//! Called by: any task or thread. Blocks: `wait` parks the task, or blocks a thread that is no task.

use super::wait_group::WaitGroup;
use crate::base::error::Result;
use crate::join::exit_current;
use crate::primitive::sanitizer;
use crate::sched::wait::{self, Enlisted, Object};
use crate::sched::{enter, ready, Inside};
use crate::task::wait_queue::Node;
use crate::task::waiter::Waiter;
use crate::task::Reason;
use std::cell::Cell;
use std::ptr::null;

impl WaitGroup {
    /// Changes the count by `n`, and wakes whoever waited if it became zero. `Misuse`, and no change, below zero.
    #[inline(always)]
    pub fn change(&self, n: i64) -> Result<()> {
        if n > 0 {
            // Nobody is woken by it, so there is nothing to enter for: the task stays on its thread.
            return self.add(n).map(drop);
        }
        match enter::enter() {
            Some(i) => {
                let result = self.change_inside(Some(i), n);
                i.exit();
                result
            }
            None => self.change_inside(None, n),
        }
    }

    /// The same inside the runtime, or from a thread that is no task.
    #[inline(always)]
    pub fn change_inside(&self, i: Option<Inside>, n: i64) -> Result<()> {
        let claimed = self.add(n)?;
        if !claimed.is_empty() {
            // SAFETY: claimed by us.
            unsafe { ready::finish_all(i, claimed) };
        }
        Ok(())
    }

    /// Waits until the count is zero.
    pub fn wait(&self, deadline: i64) -> Result<()> {
        if self.is_zero() {
            return Ok(());
        }
        let i = enter::enter();
        let result = wait::may_wait(i, deadline).and_then(|()| {
            let round = Round { group: self, node: Cell::new(Node::new(null(), 0, 0)) };
            // SAFETY: inside if a task.
            unsafe { wait::wait(i, Reason::WaitGroup, deadline, &round, |_| ()) }
        });
        sanitizer::acquired(self);
        if i.is_some() {
            exit_current();
        }
        result.map(drop)
    }
}

impl WaitGroup {
    /// Waits until the count is zero, whatever becomes of the caller's context.
    pub fn wait_shielded(&self) {
        let i = enter::enter();
        if !self.is_zero() {
            let round = Round { group: self, node: Cell::new(Node::new(null(), 0, 0)) };
            // SAFETY: inside if a task. Without deadline and cancellation only the group ends it.
            let _woken = unsafe { wait::wait_shielded(i, Reason::Group, wait::FOREVER, &round, |_| ()) };
            sanitizer::acquired(self);
        }
        if i.is_some() {
            exit_current();
        }
    }
}

struct Round<'a> {
    group: &'a WaitGroup,
    node: Cell<Node>,
}

// SAFETY: armed inside `push`, which unlocks right after.
unsafe impl Object for Round<'_> {
    fn address(&self) -> usize {
        &raw const *self.group as usize
    }

    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted {
        self.node.set(Node::new(waiter, 0, 0));
        // SAFETY: the cell stays as long as the wait.
        match self.group.push(unsafe { &*self.node.as_ptr() }, || waiter.arm()) {
            None => Enlisted::Done,
            Some(true) => Enlisted::Waits,
            Some(false) => Enlisted::Expired,
        }
    }

    unsafe fn leave(&self, _waiter: &Waiter) {
        // SAFETY: as above.
        self.group.leave(unsafe { &*self.node.as_ptr() });
    }
}
