//! Attention: how a monitor that sleeps long is told of work.
//!
//! Owns: the mark that it sleeps long, beside the one that a push reads (`Idle::hungry`), and until when.
//!
//! Always true: of "publish work, then look whether the monitor sleeps long" (`attend`, a push) and "say that it does, then look
//! for work" (the monitor), one sees the other: light and heavy halves of fence F3. A push has no fence of its own: where
//! `membarrier` is refused a miss is possible, and the monitor sleeps 10 ms at most.
//!
//! Model: `model/attention.rs`, breaking switch [`Break::AttentionFence`].

use super::idle::Idle;
use crate::base::fence::Barrier;
use crate::base::note::Note;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{AtomicBool, AtomicI64, Ordering::*};
use crate::source::timer::NEVER;

/// What others see of the monitor.
#[derive(Debug)]
pub struct Attention {
    barrier: Barrier,
    note: Note,
    /// It sleeps long.
    slow: AtomicBool,
    /// Until when, at most ([`NEVER`]: without bound). A hint.
    until: AtomicI64,
}

impl Attention {
    pub fn new(barrier: Barrier) -> Attention {
        Attention { barrier, note: Note::new(), slow: AtomicBool::new(false), until: AtomicI64::new(NEVER) }
    }

    /// There is something to watch: a monitor that sleeps long looks at once. Cheap when it does not. True: it slept.
    #[inline]
    pub fn attend(&self) -> bool {
        self.barrier.light(); // F3: what the caller published comes before the look
        let slept = self.slow.load(Relaxed) && self.slow.swap(false, AcqRel);
        if slept {
            self.note.wake();
        }
        slept
    }

    /// A timer was started that is due at `when`: the monitor does not sleep longer.
    pub fn attend_until(&self, when: i64) {
        self.barrier.light(); // F3, as above
        if self.slow.load(Relaxed) && when < self.until.load(Relaxed) {
            self.attend();
        }
    }

    /// Wakes it whatever it does, to see that the runtime stops.
    pub fn wake(&self) {
        self.note.wake();
    }

    /// The monitor is about to sleep long, and looks for work after this. False: the kernel refused the barrier, and the look
    /// may miss something that was published just now.
    #[must_use]
    pub fn begin_long(&self, idle: &Idle) -> bool {
        self.until.store(NEVER, Relaxed);
        self.slow.store(true, SeqCst);
        idle.set_slow(true);
        #[cfg(loom)]
        if Break::AttentionFence.is_on() {
            return true;
        }
        self.barrier.heavy() // F3's partner
    }

    /// The monitor sleeps. True: somebody asked for attention.
    pub fn sleep(&self, until: i64) -> bool {
        self.until.store(until, Relaxed);
        self.note.sleep((until != NEVER).then_some(until))
    }

    /// After a long sleep.
    pub fn end_long(&self, idle: &Idle) {
        idle.set_slow(false);
        self.slow.store(false, Relaxed);
    }
}
