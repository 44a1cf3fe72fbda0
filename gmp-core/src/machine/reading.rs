//! What the monitor last read of a machine whose task stays away in foreign code.
//!
//! Owns: the two words. Written by the monitor only; read by dumps, which may see the words of two readings.

use crate::primitive::{AtomicI32, AtomicI64, Ordering::Relaxed};

const NOTHING: i32 = -3;
const RUNS: i32 = -2;
const SLEEPS: i32 = -1;

/// See the module.
#[derive(Debug)]
pub struct Reading {
    call: AtomicI32,
    since: AtomicI64,
}

/// A reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away {
    /// It computed.
    pub runs: bool,
    /// It slept, in this system call if that is known.
    pub call: Option<i32>,
    /// When it was first seen in this stretch outside, in nanoseconds of `clock`.
    pub since: i64,
}

impl Default for Reading {
    fn default() -> Reading {
        Reading { call: AtomicI32::new(NOTHING), since: AtomicI64::new(0) }
    }
}

impl Reading {
    /// It was seen so.
    pub fn set(&self, away: Away) {
        self.since.store(away.since, Relaxed);
        self.call.store(if away.runs { RUNS } else { away.call.unwrap_or(SLEEPS) }, Relaxed);
    }

    /// It has been in the runtime since.
    pub fn clear(&self) {
        self.call.store(NOTHING, Relaxed);
    }

    /// The last reading of the present stretch, if there is one.
    pub fn get(&self) -> Option<Away> {
        let call = self.call.load(Relaxed);
        let since = self.since.load(Relaxed);
        (call != NOTHING).then_some(Away { runs: call == RUNS, call: (call >= 0).then_some(call), since })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_read_until_it_is_cleared() {
        let reading = Reading::default();
        assert_eq!(reading.get(), None);
        for (runs, call) in [(true, None), (false, None), (false, Some(0)), (false, Some(35))] {
            let away = Away { runs, call, since: 7 };
            reading.set(away);
            assert_eq!(reading.get(), Some(away));
        }
        reading.clear();
        assert_eq!(reading.get(), None);
    }
}
