//! The mutex as tasks and threads use it: the protocol of `mutex.rs` with trying, parking, waking and time.
//!
//! Owns: how long is tried before a wait, and when a waiter has waited for too long.
//!
//! Always true: who owns `WOKEN` takes the mutex, queues, or gives the bit back; no way out of `lock` forgets it.
//!
//! Called by: any task or thread. Blocks: `lock` parks the task, or blocks a thread that is no task.
//!
//! Tried and dropped: asking in `unlock` whether others wait for the processor (one cycle in 18 of a lock and unlock; see
//! `Mutex::ask`); entering the runtime before the mutex is given up (the task may lose its processor there, with the mutex).

use super::mutex::{Mutex, Turn, GIVEN};
use super::sema::{again, asked, caller, inside, side_of, wake, Place, Queued};
use crate::base::clock;
use crate::base::error::Result;
use crate::primitive::{sanitizer, spin_hint};
use crate::sched::wait::{self, Outcome, FOREVER};
use crate::sched::{ready, Inside};
use crate::task::wait_queue::{Claimed, Node};
use crate::task::waiter::Waiter;
use crate::task::Reason;
use std::cell::Cell;

/// Who has waited longer than this, in ns, is given the mutex (§22.3).
const PATIENCE: i64 = 1_000_000;
/// Tries before a wait, and pauses between two of them (§22.5).
const TRIES: u32 = if cfg!(loom) { 1 } else { 4 };
const PAUSES: u32 = if cfg!(loom) { 0 } else { 30 };

/// One party's wait for a mutex.
struct Wait<'a> {
    mutex: &'a Mutex,
    turn: Cell<Turn>,
}

impl Queued for Wait<'_> {
    fn enlist(&self, node: &Node, arm: impl FnOnce() -> bool) -> Option<bool> {
        // Before: once it is armed, this wait may be over.
        let turn = self.turn.replace(Turn::default());
        self.mutex.enlist(node, turn, arm)
    }

    fn address(&self) -> usize {
        &raw const *self.mutex as usize
    }

    fn leave(&self, node: &Node) -> Claimed {
        self.mutex.leave(node);
        Claimed::none()
    }
}

impl Wait<'_> {
    fn is_woken(&self) -> bool {
        self.turn.get().woken
    }

    fn try_lock(&self) -> bool {
        if self.is_woken() {
            return self.mutex.try_lock_woken();
        }
        !self.mutex.is_held() && self.mutex.try_lock()
    }

    /// Tries for a moment: only where the holder may run meanwhile.
    fn spin(&self, i: Option<Inside>) -> bool {
        if i.is_some_and(|i| i.s().procs_wanted() < 2) {
            return self.try_lock();
        }
        let is_new = !self.is_woken();
        for _ in 0..TRIES {
            if self.try_lock() {
                return true;
            }
            if self.mutex.is_starving() {
                break;
            }
            if !self.is_woken() && self.mutex.tell_awake() {
                self.turn.set(Turn { woken: true, ..self.turn.get() });
            }
            for _ in 0..PAUSES {
                spin_hint();
            }
        }
        if self.try_lock() {
            return true;
        }
        if is_new {
            // Who has not waited yet queues behind those who have: the oldest is to be woken again.
            self.give_back(i);
        }
        false
    }

    /// Gives `WOKEN` back if it is ours.
    fn give_back(&self, i: Option<Inside>) {
        if self.turn.replace(Turn::default()).woken {
            // SAFETY: claimed by us; `i` is where we are.
            unsafe { ready::finish_all(i, self.mutex.give_wake_back()) };
        }
    }
}

impl Mutex {
    /// Locks it. The order of what is looked at is that of every wait (`sched/wait.rs`).
    #[inline(always)]
    pub fn lock(&self, deadline: i64) -> Result<()> {
        if sanitizer::watches() {
            return self.lock_watched(deadline);
        }
        if !self.try_lock() {
            return self.lock_slowly(deadline);
        }
        if self.took() {
            asked(self);
        }
        Ok(())
    }

    /// By who has just taken it: says so. True: others have waited for long for the caller's processor.
    #[inline(always)]
    pub fn took(&self) -> bool {
        let (who, is_asked) = caller();
        self.set_taker(who);
        is_asked
    }

    /// The same where a tool watches: as a tail call, so that nothing is kept for it where none does.
    #[cold]
    #[inline(never)]
    pub fn lock_watched(&self, deadline: i64) -> Result<()> {
        if self.try_lock_told() {
            if self.took() {
                asked(self);
            }
            return Ok(());
        }
        self.lock_slowly(deadline)
    }

    /// `try_lock`, told to the tool that watches, if any does.
    #[inline(always)]
    #[must_use]
    pub fn try_lock_told(&self) -> bool {
        let locked = self.try_lock();
        if locked {
            sanitizer::acquired(self);
        }
        locked
    }

    /// The same after it was tried.
    #[inline(never)]
    pub fn lock_slowly(&self, deadline: i64) -> Result<()> {
        inside(|i| {
            wait::may_wait(i, deadline)?;
            // SAFETY: inside if a task.
            unsafe { self.acquire(i, deadline, true) }?;
            self.took();
            sanitizer::acquired(self);
            Ok(())
        })
    }

    /// Locks it for a caller that is inside already if it is a task; cancellation does not end the wait.
    ///
    /// # Safety
    /// `i` is where the calling task is now.
    pub unsafe fn lock_again(&self, i: Option<Inside>) {
        if !self.try_lock() {
            // SAFETY: the caller's promise.
            let locked = unsafe { self.acquire(i, FOREVER, false) };
            debug_assert!(locked.is_ok(), "a wait without deadline and cancellation ends by a wake");
        }
        self.took();
        sanitizer::acquired(self);
    }

    /// # Safety
    /// `i` is where the calling task is now; None for a thread that is no task.
    unsafe fn acquire(&self, mut i: Option<Inside>, deadline: i64, cancelable: bool) -> Result<()> {
        let since = clock::patience();
        let place = Place::new(Wait { mutex: self, turn: Cell::new(Turn::default()) }, 0);
        let wait = &place.object;
        loop {
            if wait.spin(i) {
                return Ok(());
            }
            // SAFETY: the caller's promise, and `i` is anew after each wait.
            let outcome = unsafe {
                if cancelable {
                    wait::wait(i, Reason::Mutex, deadline, &place, |_| ())
                } else {
                    wait::wait_shielded(i, Reason::Mutex, deadline, &place, |_| ())
                }
            };
            i = again(i);
            match outcome {
                Ok(Outcome::Done) => return Ok(()),
                Ok(Outcome::Woken) if place.tag() == GIVEN => {
                    if clock::patience() - since < PATIENCE {
                        self.end_starving();
                    }
                    return Ok(());
                }
                Ok(Outcome::Woken) => {}
                Err(e) => {
                    wait.give_back(i);
                    return Err(e);
                }
            }
            wait.turn.set(Turn { woken: true, starving: false });
            if wait.try_lock() {
                return Ok(());
            }
            wait.turn.set(Turn { woken: true, starving: clock::patience() - since > PATIENCE });
            if let (true, Err(e)) = (cancelable, wait::may_wait(i, deadline)) {
                wait.give_back(i);
                return Err(e);
            }
        }
    }

    /// Unlocks it, and wakes the one whose turn it is. `Misuse`, and no change, when nobody holds it.
    #[inline(always)]
    pub fn unlock(&self) -> Result<()> {
        // Where a tool watches, `release` tells it.
        if !sanitizer::watches() && self.try_release() {
            return Ok(());
        }
        self.unlock_slowly()
    }

    /// The same after it was tried (`Mutex::try_release`).
    #[inline(never)]
    pub fn unlock_slowly(&self) -> Result<()> {
        wake(self.release()?);
        Ok(())
    }

    /// The same for the one who commits the park of `waiter`, or is it: the first half.
    pub(super) fn unlock_for(&self, waiter: &Waiter) -> impl FnOnce() + use<> {
        // A misuse that comes in between is the other party's.
        let claimed = self.release().unwrap_or(Claimed::none());
        // SAFETY: called by the waiting side.
        let i = unsafe { side_of(waiter) };
        // SAFETY: claimed above.
        move || unsafe { ready::finish_all(i, claimed) }
    }
}
