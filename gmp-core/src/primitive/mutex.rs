//! The blocking lock: one word that threads sleep on, and nothing beside it.
//!
//! Owns: the word's three values. Always true: a lock is its word, so in a fork's child one that is made anew is free,
//! whoever held others, or waited for them, when the child was made.
//!
//! | word | means |
//! |---|---|
//! | 0 | free |
//! | 1 | held |
//! | 2 | held, and somebody may sleep: the unlock wakes one, who takes it as 2 again, as more may sleep |
//!
//! Blocks: looks for a moment, then gives the CPU away, then sleeps.
//! Tried and dropped: `parking_lot`'s raw mutex. Its sleepers stand in a table of the process whose locks a thread that does
//! not exist in a fork's child may hold; a thread's first sleep takes all of them when the table has to grow.

use crate::primitive::{spin_hint, yield_thread, AtomicU32, Ordering::*};
use crate::sys::futex;
use lock_api::{GuardSend, RawMutex};

const FREE: u32 = 0;
const HELD: u32 = 1;
const AWAITED: u32 = 2;

/// Rounds of looking, each twice as long as the one before, and then of giving the CPU away.
const SPINS: u32 = 4;
const YIELDS: u32 = 6;

/// See the module.
pub struct RawLock(AtomicU32);

/// A value and its lock.
pub type Mutex<T> = lock_api::Mutex<RawLock, T>;
/// The right to the value.
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawLock, T>;

impl RawLock {
    #[cold]
    fn lock_slowly(&self) {
        for round in 0..SPINS + YIELDS {
            match self.0.load(Relaxed) {
                FREE => {
                    if self.0.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok() {
                        return;
                    }
                }
                // Who sleeps has looked long enough, and so will we.
                AWAITED => break,
                _ if round < SPINS => (0..1 << round).for_each(|_| spin_hint()),
                _ => yield_thread(),
            }
        }
        while self.0.swap(AWAITED, Acquire) != FREE {
            futex::wait(&self.0, AWAITED, None);
        }
    }
}

// SAFETY: one holder at a time: each way in changes the word from 0 in one atomic step (Acquire), and only the holder sets it
// to 0 (Release).
unsafe impl RawMutex for RawLock {
    #[allow(clippy::declare_interior_mutable_const, reason = "the trait's way to make one")]
    const INIT: RawLock = RawLock(AtomicU32::new(FREE));

    type GuardMarker = GuardSend;

    #[inline(always)]
    fn lock(&self) {
        if self.0.compare_exchange(FREE, HELD, Acquire, Relaxed).is_err() {
            self.lock_slowly();
        }
    }

    #[inline(always)]
    fn try_lock(&self) -> bool {
        self.0.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()
    }

    /// The word is touched once; the wake uses its address only.
    #[inline(always)]
    unsafe fn unlock(&self) {
        if self.0.swap(FREE, Release) == AWAITED {
            wake(&self.0);
        }
    }

    fn is_locked(&self) -> bool {
        self.0.load(Relaxed) != FREE
    }
}

#[cold]
fn wake(word: *const AtomicU32) {
    futex::wake(word, 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_nobody_sleeps_for_ever() {
        let count = Mutex::new(0u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..20_000 {
                        let mut held = count.lock();
                        let seen = *held;
                        if round % 64 == 0 {
                            yield_thread();
                        }
                        *held = seen + 1;
                    }
                });
            }
        });
        assert_eq!(*count.lock(), 80_000);
    }

    #[test]
    fn a_held_lock_is_refused_and_a_forced_unlock_frees_it() {
        let lock = Mutex::new(());
        std::mem::forget(lock.lock());
        assert!(lock.try_lock().is_none() && lock.is_locked());
        // SAFETY: held by this thread, whose guard is forgotten.
        unsafe { lock.force_unlock() };
        assert!(lock.try_lock().is_some());
    }
}
