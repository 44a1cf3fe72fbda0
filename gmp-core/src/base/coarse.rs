//! The coarse clock: about when something happened, for one load.
//!
//! Owns: one word, the time in ticks of 2^22 ns (4.2 ms), and when it began.
//! Always true: who stamps reads no clock. The word is renewed by the monitor at each of its rounds and by whoever gives a
//! processor to a machine; so while tasks run and the monitor watches them it is at most about 10 ms old.
//! A tick has 32 bits: an age is right up to 208 days, and starts again then.
//!
//! Called by: parks (read), the monitor and the pool (renewal), dumps (ages). Never blocks.

use crate::primitive::{AtomicU32, Ordering::Relaxed};

/// The binary logarithm of a tick's nanoseconds.
const SHIFT: u32 = 22;
/// A stamp that is so little ahead of the clock was made by somebody whose clock was read later.
const AHEAD: u32 = 1 << 10;

/// See the module. On a line of its own: its neighbours' writers would make each park wait for the line.
#[derive(Debug)]
#[repr(align(64))]
pub struct Coarse {
    ticks: AtomicU32,
    began: i64,
}

impl Coarse {
    pub fn new(now: i64) -> Coarse {
        Coarse { ticks: AtomicU32::new(ticks(now)), began: now }
    }

    /// When it was made.
    pub fn began(&self) -> i64 {
        self.began
    }

    /// A stamp for what happens now.
    #[inline(always)]
    pub fn stamp(&self) -> u32 {
        self.ticks.load(Relaxed)
    }

    /// It is `now`. Written only when it has changed, so that readers keep their line.
    #[inline]
    pub fn renew(&self, now: i64) {
        if self.ticks.load(Relaxed) != ticks(now) {
            self.ticks.store(ticks(now), Relaxed);
        }
    }
}

/// The stamp of a time.
#[inline]
fn ticks(now: i64) -> u32 {
    (now >> SHIFT) as u32
}

/// How long ago a stamp was made, in nanoseconds.
pub fn age(stamp: u32, now: i64) -> i64 {
    let ticks_ago = ticks(now).wrapping_sub(stamp);
    if ticks_ago >= 0u32.wrapping_sub(AHEAD) {
        return 0;
    }
    now - (((now >> SHIFT) - ticks_ago as i64) << SHIFT)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const TICK: i64 = 1 << SHIFT;

    #[test]
    fn an_age_is_right_to_a_tick_also_when_the_word_has_gone_round() {
        for then in [0, 1, 5 * TICK + 7, (u32::MAX as i64) * TICK, (u32::MAX as i64 + 3) * TICK + 9] {
            let coarse = Coarse::new(then);
            for later in [0, 1, TICK, 1000 * TICK, 3_000_000_000 * TICK] {
                let seen = age(coarse.stamp(), then + later);
                assert!((later..later + TICK).contains(&seen), "{then} + {later}: {seen}");
            }
        }
    }

    #[test]
    fn a_stamp_from_the_future_is_new() {
        let coarse = Coarse::new(10 * TICK);
        coarse.renew(12 * TICK);
        assert_eq!(age(coarse.stamp(), 10 * TICK), 0);
        assert_eq!(coarse.began(), 10 * TICK);
    }
}
