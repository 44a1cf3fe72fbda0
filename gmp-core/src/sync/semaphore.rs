//! The counting semaphore: a count, and those who wait until it is large enough for them, served in turn.
//!
//! Owns: 16 bytes: the count with two flag bits, and the wait queue.
//!
//! Always true:
//!  - S1. While somebody is queued (`WAITERS`), nobody takes from the count but through the queue, oldest first: a request
//!        that would fit does not overtake a larger one in front of it.
//!  - S2. The queue is touched with `LOCK` set only, and `LOCK` is set only together with `WAITERS`. So under it the count
//!        is the holder's alone.
//!  - S3. With the lock free, the oldest waiter that still waits does not fit: a release and a leave both serve whoever
//!        fits.
//!
//! Model: `model/semaphore.rs`, breaking switch `SemaphoreLeaveAlone`.
//!
//! Called by: any task or thread. Blocks: `acquire` parks the task, or blocks a thread that is no task.

use super::sema::{inside, wake, Place, Queued};
use crate::base::error::{Error, Result};
use crate::base::lock::Pause;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{sanitizer, AtomicU64, Ordering::*};
use crate::sched::{attach, wait};
use crate::task::wait_queue::{Claimed, Node, WaitQueue};
use crate::task::Reason;

const LOCK: u64 = 1;
const WAITERS: u64 = 2;
const SHIFT: u32 = 32;

/// See the module.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Semaphore {
    state: AtomicU64,
    queue: WaitQueue,
}

impl Semaphore {
    /// Takes `n` from the count, and waits until it has as many.
    #[inline(always)]
    pub fn acquire(&self, n: u32, deadline: i64) -> Result<()> {
        attach::note_foreign();
        if self.try_acquire(n) {
            return Ok(());
        }
        self.wait(n, deadline)
    }

    /// The same without a wait. False: the count is too small, or somebody was there before.
    #[inline(always)]
    #[must_use]
    pub fn try_acquire(&self, n: u32) -> bool {
        let mut state = self.state.load(Relaxed);
        while state & (LOCK | WAITERS) == 0 && state >> SHIFT >= n as u64 {
            match self.state.compare_exchange_weak(state, state - ((n as u64) << SHIFT), Acquire, Relaxed) {
                Ok(_) => {
                    sanitizer::acquired(self);
                    return true;
                }
                Err(now) => state = now,
            }
        }
        n == 0
    }

    #[inline(never)]
    fn wait(&self, n: u32, deadline: i64) -> Result<()> {
        inside(|i| {
            wait::may_wait(i, deadline)?;
            let place = Place::new(self, n as usize);
            // SAFETY: inside if a task.
            unsafe { wait::wait(i, Reason::Semaphore, deadline, &place, |_| ()) }?;
            sanitizer::acquired(self);
            Ok(())
        })
    }

    /// Gives `n` to the count, and wakes who can go on. `Misuse`, and no change, above `u32::MAX`.
    #[inline(always)]
    pub fn release(&self, n: u32) -> Result<()> {
        wake(self.give(n)?);
        Ok(())
    }

    /// The same without the wake.
    #[inline(always)]
    pub(super) fn give(&self, n: u32) -> Result<Claimed> {
        sanitizer::released(self);
        let mut state = self.state.load(Relaxed);
        let mut pause = Pause::new();
        loop {
            if state & LOCK != 0 {
                pause.once();
                state = self.state.load(Relaxed);
                continue;
            }
            let count = ((state >> SHIFT) as u32).checked_add(n).ok_or(Error::Misuse)?;
            let next = if state & WAITERS != 0 { state | LOCK } else { (count as u64) << SHIFT };
            // Release: what was done before is visible to who acquires; Acquire: the queue, and the other releases.
            match self.state.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) if state & WAITERS != 0 => return Ok(self.serve(count)),
                Ok(_) => return Ok(Claimed::none()),
                Err(now) => state = now,
            }
        }
    }

    /// With the lock held: claims those who fit in `count`, in turn; unlocks. The last touch.
    fn serve(&self, mut count: u32) -> Claimed {
        let mut claimed = Claimed::none();
        while let Some(node) = self.queue.claim_if(|node| node.value.get() <= count as usize) {
            count -= node.value.get() as u32;
            claimed.push(node);
        }
        self.unlock(count);
        claimed
    }

    fn lock(&self) -> u32 {
        let mut pause = Pause::new();
        loop {
            let state = self.state.load(Relaxed);
            if state & LOCK == 0 && self.state.compare_exchange_weak(state, state | LOCK, Acquire, Relaxed).is_ok() {
                return (state >> SHIFT) as u32;
            }
            pause.once();
        }
    }

    fn unlock(&self, count: u32) {
        let waiters = if self.queue.is_empty() { 0 } else { WAITERS };
        self.state.store((count as u64) << SHIFT | waiters, Release);
    }
}

impl Queued for &Semaphore {
    fn enlist(&self, node: &Node, arm: impl FnOnce() -> bool) -> Option<bool> {
        let n = node.value.get() as u32;
        let mut pause = Pause::new();
        let count = loop {
            if self.try_acquire(n) {
                return None;
            }
            let state = self.state.load(Relaxed);
            let fits = state & WAITERS == 0 && state >> SHIFT >= n as u64;
            let locked = state | LOCK | WAITERS;
            if state & LOCK == 0 && !fits && self.state.compare_exchange(state, locked, Acquire, Relaxed).is_ok() {
                break (state >> SHIFT) as u32;
            }
            pause.once();
        };
        self.queue.push(node);
        let armed = arm();
        if !armed {
            self.queue.remove(node);
        }
        self.unlock(count);
        Some(armed)
    }

    fn address(&self) -> usize {
        &raw const **self as usize
    }

    fn leave(&self, node: &Node) -> Claimed {
        let count = self.lock();
        self.queue.remove(node);
        #[cfg(loom)]
        if Break::SemaphoreLeaveAlone.is_on() {
            self.unlock(count);
            return Claimed::none();
        }
        // S3: it may have been the one that did not fit.
        self.serve(count)
    }
}

#[cfg(loom)]
impl Drop for Semaphore {
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

    fn holds(s: &Semaphore) -> u64 {
        s.state.load(Relaxed) >> SHIFT
    }

    #[test]
    fn counts_and_refuses_more_than_there_can_be() {
        let s = Semaphore::default();
        assert!(s.try_acquire(0) && !s.try_acquire(1));
        s.release(u32::MAX).unwrap();
        assert_eq!(s.release(1), Err(Error::Misuse));
        assert_eq!(holds(&s), u32::MAX as u64);
        assert!(s.try_acquire(u32::MAX));
        assert_eq!(s.acquire(1, wait::NOWAIT), Err(Error::Again));
        assert_eq!(s.acquire(1, 1), Err(Error::TimedOut));
        s.release(3).unwrap();
        assert!(!s.try_acquire(4) && s.try_acquire(2));
        assert_eq!(holds(&s), 1);
        assert_eq!(std::mem::size_of::<Semaphore>(), 16);
    }

    #[test]
    fn nobody_is_overtaken_and_one_that_leaves_lets_others_through() {
        let s = &Semaphore::default();
        s.release(2).unwrap();
        let waiters: Vec<Waiter> = (0..3).map(|_| Waiter::for_thread(std::ptr::null())).collect();
        let nodes: Vec<Node> = waiters.iter().zip([4, 1, 2]).map(|(w, n)| Node::new(w, n, 0)).collect();
        for (w, n) in waiters.iter().zip(&nodes) {
            w.begin(crate::task::wait_word::Enders::Several, false);
            assert_eq!(s.enlist(n, || w.arm()), Some(true));
        }
        assert!(!s.try_acquire(1) && s.try_acquire(0));
        assert!(s.give(1).unwrap().is_empty());
        assert_eq!(s.give(u32::MAX - 2).unwrap_err(), Error::Misuse);
        let _won = waiters[0].word().expire();
        let mut claimed = s.leave(&nodes[0]);
        assert_eq!(claimed.pop(), Some(&waiters[1] as *const Waiter));
        assert_eq!(claimed.pop(), Some(&waiters[2] as *const Waiter));
        assert_eq!(s.state.load(Relaxed), 0);
    }
}
