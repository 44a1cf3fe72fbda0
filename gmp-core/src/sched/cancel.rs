//! Cancelling tasks: a mark in the record, and the end of the wait that the task is in.
//!
//! Owns: the mark `Task::cancelled`, the order of setting it and looking at the wait (fence F5), and who may look at a
//! task's `Extra` from outside.
//!
//! Always true:
//!  - X1. A task that is marked and does not shield itself has no wait that goes on: its wait looks at the mark after it
//!        is armed, its canceller at the wait after the mark, with F5 between on both sides (`task/wait_word.rs` W3).
//!  - X2. A mark names one life of the record, and a wait's claim one wait: a canceller that comes too late does nothing.
//!  - X3. `Extra` is freed by its task's end, after it was closed under the stripe's lock and nobody pins it any more; a
//!        class's `finish` comes after that too.
//!
//! Called by: contexts (for their members) and `gmp_task_cancel`. Blocks: the heavy barrier is a system call; the end of a task
//! waits for who looks at its `Extra`, which is short but for a class's `cancel` (then it waits outside).
//! Model: `model/cancel.rs`, breaking switch `CancelFence`.

use super::{ready, Inside, Shared};
use crate::base::lock::Pause;
use crate::primitive::{fence, yield_thread, Ordering::*};
use crate::task::extra::Extra;
use crate::task::ready_list::ReadyList;
use crate::task::Task;
use std::ptr::null_mut;

/// How often a refused barrier is asked for again before its lack is accepted (a sandbox that came later): the mark is
/// then seen by the wait after the present one.
const TRIES: u32 = 100;
/// In `Extra::pins`: the task is over.
const CLOSED: u32 = 1 << 31;

impl Shared {
    /// The light side is in `sched/wait.rs`; this is the heavy one, once for any number of marks.
    pub fn cancel_barrier(&self) {
        for _ in 0..TRIES {
            if self.barrier.heavy() {
                return;
            }
            yield_thread();
        }
    }

    fn stripe(&self, t: &Task) -> &crate::base::lock::Lock {
        &self.extras[t.index as usize % self.extras.len()]
    }

    /// Calls `f` with a task's `Extra`, which stays meanwhile, if the task has one and is still the one of `generation`.
    pub fn with_extra<R>(&self, t: &Task, generation: u32, f: impl FnOnce(&Extra) -> R) -> Option<R> {
        // After the mark: of the mark and what the task makes for itself, one of both sides sees the other's (`own`).
        fence(SeqCst);
        let lock = self.stripe(t);
        lock.lock();
        let extra = t.extra.shown();
        // SAFETY: X3: under the lock it is there, and pinned it stays.
        let extra = unsafe { extra.as_ref() };
        let Some(extra) =
            extra.filter(|e| t.generation.load(Acquire) == generation && e.pins.load(Relaxed) & CLOSED == 0)
        else {
            lock.unlock();
            return None;
        };
        extra.pins.fetch_add(1, Relaxed);
        lock.unlock();
        let result = f(extra);
        extra.pins.fetch_sub(1, Release);
        Some(result)
    }
}

/// The task is over: nobody begins to look at its `Extra` any more, and nobody does when this returns.
///
/// # Safety
/// The task is the caller's, and has an `Extra`.
pub unsafe fn close_extra(s: &Shared, t: &Task) {
    // SAFETY: the caller's promise.
    let extra = unsafe { &*t.extra.get() };
    let lock = s.stripe(t);
    lock.lock();
    extra.pins.fetch_or(CLOSED, Relaxed);
    lock.unlock();
    let mut pause = Pause::new();
    while extra.pins.load(Acquire) != CLOSED {
        pause.once();
    }
}

/// Frees the `Extra` of a task that has ended.
///
/// # Safety
/// The task is over and the caller's.
#[cold]
pub unsafe fn free_extra(s: &Shared, t: &Task) {
    // SAFETY: the caller's promise; closed, it is nobody else's.
    unsafe {
        close_extra(s, t);
        let lock = s.stripe(t);
        lock.lock();
        let extra = t.extra.replace(null_mut());
        lock.unlock();
        Extra::free(extra);
    }
}

/// Marks a task of which the caller knows that it has not ended.
pub fn mark(t: &Task) {
    t.cancelled.store(t.cancel_mark(), SeqCst);
}

/// Marks the task of `generation`. False: that one is gone.
#[must_use]
pub fn mark_if(t: &Task, generation: u32) -> bool {
    let mark = (generation as u16) << 1 | 1;
    loop {
        let seen = t.cancelled.load(SeqCst);
        if t.generation.load(SeqCst) != generation {
            return false;
        }
        // A mark of a later life is not overwritten: it was not there when the generation was looked at.
        if seen == mark || t.cancelled.compare_exchange(seen, mark, SeqCst, SeqCst).is_ok() {
            return true;
        }
    }
}

/// After the mark and the barrier: ends the wait that the task is in, if it can be cancelled; the task goes to `out`.
pub fn end_wait(t: &Task, generation: u32, out: &mut ReadyList) {
    let Some(armed) = t.wait.cancelable() else { return };
    // The word was read before the generation: if that is still the right one, so is the wait (X2).
    if t.generation.load(Acquire) == generation && t.wait.cancel(armed) {
        // SAFETY: claimed: parked, and ours to make ready.
        unsafe { out.push(t as *const Task as *mut Task) };
    }
}

/// Makes cancelled tasks ready.
pub fn ready_cancelled(s: &Shared, i: Option<Inside>, tasks: &mut ReadyList) {
    ready::ready_all(s, i, tasks);
}
