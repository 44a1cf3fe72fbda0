//! The operating system of a model: an error number, and a futex that loom understands.
//!
//! Always true: as in the kernel, `wait` compares the word and falls asleep as one step that no `wake` can come
//! between. One list of sleepers serves all words, so a sleeper may be woken without a reason.
//! A deadline has passed whenever it is looked at: *when* that is, the model explores.

/// An error number (always positive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

pub mod futex {
    use crate::primitive::{AtomicU32, Ordering::Relaxed};
    use loom::sync::{Condvar, Mutex};

    /// Why [`wait`] came back.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Wait {
        Woken,
        Changed,
        TimedOut,
    }

    loom::lazy_static! {
        static ref SLEEPERS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    /// Sleeps while `word` is `expected`, until woken; with a deadline not at all.
    pub fn wait(word: &AtomicU32, expected: u32, deadline: Option<i64>) -> Wait {
        let (lock, sleepers) = &*SLEEPERS;
        let guard = lock.lock().unwrap();
        if word.load(Relaxed) != expected {
            return Wait::Changed;
        }
        if deadline.is_some() {
            return Wait::TimedOut;
        }
        drop(sleepers.wait(guard).unwrap());
        Wait::Woken
    }

    /// Wakes the sleepers. The word is not touched: it may be gone.
    pub fn wake(_word: *const AtomicU32, _n: i32) {
        let (lock, sleepers) = &*SLEEPERS;
        let _guard = lock.lock().unwrap();
        sleepers.notify_all();
    }
}

pub mod poll {
    /// No model listens for a bell.
    pub fn ring(_bell: i32) {}
}

pub mod clock {
    //! A clock that a model sets: each look at it takes so long.

    use std::cell::Cell;

    thread_local! {
        // Loom runs all threads of a model on one, so this is one clock; each run of a model starts it anew.
        static NOW: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
    }

    /// From now on it is 1, and `step` more after each look.
    pub fn start(step: i64) {
        NOW.set((1, step));
    }

    pub fn now() -> i64 {
        let (now, step) = NOW.get();
        NOW.set((now + step, step));
        now
    }
}
