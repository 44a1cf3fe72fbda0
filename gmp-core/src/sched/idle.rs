//! The idle protocol: how work that can be stolen meets a machine that is about to give up.
//!
//! Owns: the number of idle processors and of searching machines, and the mark that the monitor sleeps long. Nothing else
//! writes any of them.
//!
//! Always true:
//!  - I1. `idle` is the length of the idle-processor list whenever the scheduler's lock is free.
//!  - I2. If work was published (shared deque, global queue) and a processor is idle, a machine is searching or
//!        has been woken since. (Breaking this does not crash; it loses a core.)
//!
//! Submit: publish the work; fence F1; read `idle` and `searching`; if somebody is idle and nobody searches, become
//! the one who wakes (`searching` 0→1) and start a machine.
//! Give up: put the processor on the idle list (`idle` + 1); leave `searching` (− 1); fence F1's partner; look at every
//! source of published work again; if there is some, take an idle processor back and go on.
//! Both sides skipping is impossible: of "publish, then read the counts" and "change the counts, then read the
//! work", with a full barrier in each, one sees the other. The submit side is the frequent one: it pays the light
//! half of `base/fence.rs`.
//!
//! A machine that finds work while searching passes the search on (`chain`, §7.3), so N pieces of work wake N
//! machines one after another.
//!
//! Private work (run-next, the private ring) is not published: its owner publishes it when it sees `hungry`, at
//! its next call at the latest, and the monitor does it for an owner that stays away (`expose.rs`).
//!
//! Models: `model/idle.rs` and `model/idle_ends.rs`, breaking switches `Break::Idle…`.
//!
//! Tried and dropped: waking one machine per ready task (they woke, found nothing, slept again).

use crate::base::chaos::{self, Point};
use crate::base::fence::Barrier;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{AtomicU32, Ordering::*};

/// In `idle`: the monitor sleeps long, and wants to know of work (`monitor.rs`). In this word, so that who has pushed a
/// task asks for both with one load.
const SLOW: u32 = 1 << 31;

/// See the module.
#[derive(Debug, Default)]
pub struct Idle {
    /// Idle processors, and [`SLOW`].
    idle: AtomicU32,
    searching: AtomicU32,
}

impl Idle {
    /// True when somebody wants to know of work: some processor is idle, or the monitor sleeps long. Of "push, then look
    /// here" and "say so, then look for work" one sees the other where `membarrier` is granted (F3: the other side's heavy
    /// barrier; here the compiler is kept from swapping the steps). Where it is not, a miss costs what `monitor.rs` says.
    #[inline(always)]
    pub fn hungry(&self) -> bool {
        #[cfg(not(loom))]
        crate::primitive::compiler_fence(SeqCst);
        self.idle.load(Relaxed) != 0
    }

    /// True when some processor is idle: published work would be taken. No ordering: a hint.
    #[inline(always)]
    pub fn has_idle(&self) -> bool {
        self.idle() != 0
    }

    /// Idle processors now.
    #[inline(always)]
    pub fn idle(&self) -> u32 {
        self.idle.load(Relaxed) & !SLOW
    }

    /// The monitor is about to sleep long, or sleeps so no more.
    pub fn set_slow(&self, slow: bool) {
        if slow {
            self.idle.fetch_or(SLOW, SeqCst);
        } else {
            self.idle.fetch_and(!SLOW, Relaxed);
        }
    }

    /// Searching machines now.
    pub fn searching(&self) -> u32 {
        self.searching.load(Relaxed)
    }

    /// A processor was put on the idle list, or a machine searches with one that was on it. Under the lock.
    pub fn set_idle(&self, n: usize) {
        let mut word = self.idle.load(Relaxed);
        while let Err(now) = self.idle.compare_exchange(word, word & SLOW | n as u32, Relaxed, Relaxed) {
            word = now;
        }
    }

    /// Submit side, after publishing: true when the caller must start a machine, which is counted as searching
    /// already.
    #[must_use]
    pub fn submitted(&self, barrier: Barrier) -> bool {
        #[cfg(loom)]
        if !Break::IdleSubmitFence.is_on() {
            barrier.light();
        }
        #[cfg(not(loom))]
        barrier.light(); // F1
        self.wants_searcher()
    }

    /// True when somebody is idle and nobody searched: the caller counts as searching now and must start a machine.
    #[must_use]
    pub fn wants_searcher(&self) -> bool {
        self.has_idle()
            && self.searching.load(Relaxed) == 0
            && self.searching.compare_exchange(0, 1, Relaxed, Relaxed).is_ok()
    }

    /// A machine with a processor starts to search.
    pub fn start_search(&self) {
        self.searching.fetch_add(1, Relaxed);
    }

    /// A search ended with work, or its machine could not be had. The caller passes the search on.
    pub fn end_search(&self) {
        self.searching.fetch_sub(1, Relaxed);
    }

    /// Give-up side: leaves the search, after the processor is on the idle list. The caller looks at every source
    /// again afterwards. False: the kernel refused the barrier, and the look may miss something that was published
    /// just now (then the monitor must look).
    #[must_use]
    pub fn give_up(&self, barrier: Barrier) -> bool {
        chaos::point(Point::GiveUp);
        self.searching.fetch_sub(1, Relaxed);
        #[cfg(loom)]
        if Break::IdleGiveUpFence.is_on() {
            return true;
        }
        barrier.heavy() // F1's partner
    }
}
