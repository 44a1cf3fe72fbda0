//! The wait group: a count, and those who wait for it to become zero (§22.11–22.15).
//!
//! Owns: 16 bytes: the count with two flag bits, and the wait queue.
//!
//! Always true:
//!  - G1. The queue is touched with the `LOCK` bit set only. Whoever brings the count to zero while somebody waits takes
//!        the lock in the same step, so a count of zero without the lock means that the group's memory is not touched
//!        any more by anyone whose call is still returning: it may be freed.
//!  - G2. A round's waiters are claimed in the step that ends the round: each wait belongs to the round in which it began,
//!        so a new round may begin before the last one's waits have returned.
//!  - G3. A waiting task enters the queue in its park's commit, when its registers are saved; `LOCK` is never held across
//!        a switch.
//!
//! Model: `model/wait_group.rs`, breaking switch `WaitGroupUnlockFirst`.

use crate::base::error::{Error, Result};
use crate::base::lock::Pause;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{sanitizer, AtomicU64, Ordering::*};
use crate::task::wait_queue::{Claimed, Node, WaitQueue};

const LOCK: u64 = 1;
const WAITERS: u64 = 2;
const SHIFT: u32 = 2;
/// The largest count.
pub const MAX: i64 = i64::MAX >> SHIFT;

/// See the module.
#[repr(C)]
#[derive(Debug, Default)]
pub struct WaitGroup {
    state: AtomicU64,
    queue: WaitQueue,
}

impl WaitGroup {
    /// Changes the count by `n`. `Ok(claimed)`: these are to be woken, as it became zero. `Misuse`, and no change, below
    /// zero or above [`MAX`].
    #[inline(always)]
    pub fn add(&self, n: i64) -> Result<Claimed> {
        sanitizer::released(self);
        let mut state = self.state.load(Relaxed);
        let mut pause = Pause::new();
        loop {
            if state & LOCK != 0 {
                pause.once();
                state = self.state.load(Relaxed);
                continue;
            }
            let count = (state >> SHIFT) as i64;
            let new = count.checked_add(n).filter(|new| (0..=MAX).contains(new)).ok_or(Error::Misuse)?;
            let last = new == 0 && state & WAITERS != 0;
            let next = if last { LOCK } else { (new as u64) << SHIFT | state & WAITERS };
            // Release: what was done before `done` is visible to who waits; Acquire: the queue, and the other dones.
            match self.state.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) if last => return Ok(self.claim_all()),
                Ok(_) => return Ok(Claimed::none()),
                Err(now) => state = now,
            }
        }
    }

    /// With the lock held and the count zero: claims the waiters, oldest first; unlocks. The last touch of the group.
    fn claim_all(&self) -> Claimed {
        #[cfg(loom)]
        if Break::WaitGroupUnlockFirst.is_on() {
            self.state.store(0, Release);
        }
        let mut claimed = Claimed::none();
        self.queue.claim_all(|node| claimed.push(node));
        #[cfg(loom)]
        if Break::WaitGroupUnlockFirst.is_on() {
            return claimed;
        }
        // Who has stopped waiting on its own is still in the queue, and about to leave it.
        self.state.store(if self.queue.is_empty() { 0 } else { WAITERS }, Release);
        claimed
    }

    /// True when the count is zero.
    #[inline(always)]
    pub fn is_zero(&self) -> bool {
        let mut pause = Pause::new();
        loop {
            let state = self.state.load(Acquire);
            if state & LOCK == 0 || state >> SHIFT != 0 {
                sanitizer::acquired(self);
                return state >> SHIFT == 0;
            }
            pause.once();
        }
    }

    fn lock(&self) -> u64 {
        let mut pause = Pause::new();
        loop {
            let state = self.state.load(Relaxed);
            if state & LOCK == 0 && self.state.compare_exchange_weak(state, state | LOCK, Acquire, Relaxed).is_ok() {
                return state >> SHIFT;
            }
            pause.once();
        }
    }

    fn unlock(&self) {
        let count = self.state.load(Relaxed) >> SHIFT;
        let waiters = if self.queue.is_empty() { 0 } else { WAITERS };
        self.state.store(count << SHIFT | waiters, Release);
    }

    /// Adds a waiter, unless the count is zero; `arm` is its last step. None: zero; else what `arm` said (false: it is
    /// not added after all).
    pub fn push(&self, node: &Node, arm: impl FnOnce() -> bool) -> Option<bool> {
        if self.lock() == 0 {
            self.unlock();
            return None;
        }
        self.queue.push(node);
        let armed = arm();
        if !armed {
            self.queue.remove(node);
        }
        self.unlock();
        Some(armed)
    }

    /// Takes a waiter out that has stopped waiting.
    pub fn leave(&self, node: &Node) {
        self.lock();
        self.queue.remove(node);
        self.unlock();
    }
}

#[cfg(loom)]
impl Drop for WaitGroup {
    /// Its memory is given back: an access that is not over by now is an error of the protocol, which loom reports.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.state.with_mut(|_| ());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::task::waiter::Waiter;

    #[test]
    fn counts_and_refuses_to_go_below_zero() {
        let g = WaitGroup::default();
        assert!(g.is_zero());
        assert!(g.add(2).unwrap().is_empty());
        assert!(!g.is_zero());
        assert_eq!(g.add(-3).unwrap_err(), Error::Misuse);
        assert_eq!(g.add(i64::MAX).unwrap_err(), Error::Misuse);
        assert!(g.add(-2).unwrap().is_empty());
        assert!(g.is_zero());
        assert_eq!(g.add(-1).unwrap_err(), Error::Misuse);
        assert_eq!(std::mem::size_of::<WaitGroup>(), 16);
    }

    #[test]
    fn a_waiter_that_leaves_is_not_handed_out() {
        let g = WaitGroup::default();
        let waiters = [Waiter::for_thread(std::ptr::null()), Waiter::for_thread(std::ptr::null())];
        let nodes = [Node::new(&waiters[0], 0, 0), Node::new(&waiters[1], 0, 0)];
        assert_eq!(g.push(&nodes[0], || true), None);
        assert!(g.add(1).unwrap().is_empty());
        for (w, n) in waiters.iter().zip(&nodes) {
            w.begin(crate::task::wait_word::Enders::Several, false);
            assert_eq!(g.push(n, || w.arm()), Some(true));
        }
        g.leave(&nodes[0]);
        g.leave(&nodes[0]);
        let mut claimed = g.add(-1).unwrap();
        assert_eq!(claimed.pop(), Some(&waiters[1] as *const Waiter));
        assert_eq!(claimed.pop(), None);
        assert!(g.is_zero());
    }
}
