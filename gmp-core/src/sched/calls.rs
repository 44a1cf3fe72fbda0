//! In which system calls tasks blocked without saying so: how often each cost a processor.
//!
//! Owns: the counters. Written by the monitor only.

use crate::base::counters::Counter;

/// System calls have numbers below this on every architecture that we know.
const CALLS: usize = 512;

/// See the module.
#[derive(Debug)]
pub struct Calls {
    by_number: Box<[Counter]>,
    /// Asleep, and nobody knows in what.
    unknown: Counter,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls { by_number: (0..CALLS).map(|_| Counter::default()).collect(), unknown: Counter::default() }
    }
}

impl Calls {
    /// A processor was taken from a machine that slept in this call. The monitor only.
    pub fn count(&self, call: Option<i32>) {
        call.and_then(|call| self.by_number.get(call as usize)).unwrap_or(&self.unknown).inc();
    }

    /// Those that are not zero, by number; `None` is for what is not known.
    pub fn counted(&self) -> impl Iterator<Item = (Option<i32>, u64)> + '_ {
        let by_number = self.by_number.iter().enumerate().map(|(call, n)| (Some(call as i32), n.get()));
        by_number.chain([(None, self.unknown.get())]).filter(|&(_, n)| n > 0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_their_number() {
        let calls = Calls::default();
        for call in [Some(0), Some(35), Some(0), None, Some(100_000)] {
            calls.count(call);
        }
        assert_eq!(calls.counted().collect::<Vec<_>>(), [(Some(0), 2), (Some(35), 1), (None, 2)]);
    }
}
