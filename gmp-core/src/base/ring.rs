//! A ring of records of three words: one thread puts in, another takes out, neither waits.
//!
//! Owns: the slots, and how far each side has come.
//!
//! Always true: a slot is written before `put` says so and read before `taken` does; one that would overwrite what was
//! not taken is lost, and counted.
//!
//! Called by: `sched/record.rs` (puts), `inspect/recording.rs` (takes). Never blocks.
//!
//! Model: `model/ring.rs`, breaking switches `RingPutEarly`, `RingTakenEarly`.

#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{AtomicU64, Ordering::*};

/// What a slot holds.
pub type Words = [u64; 3];

/// See the module.
pub struct Ring {
    slots: Box<[[AtomicU64; 3]]>,
    /// How many were ever put in. The putting side's.
    put: AtomicU64,
    /// How many were ever taken out. The taking side's.
    taken: AtomicU64,
    /// How many found no room. The putting side's.
    lost: AtomicU64,
}

impl Ring {
    /// A ring for `n` records; None: there is no memory.
    pub fn new(n: usize) -> Option<Ring> {
        let mut slots = Vec::new();
        slots.try_reserve_exact(n).ok()?;
        slots.extend((0..n).map(|_| [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)]));
        let (put, taken, lost) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Some(Ring { slots: slots.into_boxed_slice(), put, taken, lost })
    }

    /// Puts a record in; one at a time. False: there was no room.
    pub fn put(&self, words: Words) -> bool {
        let at = self.put.load(Relaxed);
        // Acquire: the taking side has read the slot.
        if at - self.taken.load(Acquire) == self.slots.len() as u64 {
            self.lost.store(self.lost.load(Relaxed) + 1, Relaxed);
            return false;
        }
        #[cfg(loom)]
        if Break::RingPutEarly.is_on() {
            self.put.store(at + 1, Release);
        }
        for (slot, word) in self.slot(at).iter().zip(words) {
            slot.store(word, Relaxed);
        }
        // Release: what is counted is written.
        self.put.store(at + 1, Release);
        true
    }

    /// Takes out all that is there, oldest first; one caller at a time.
    pub fn take(&self, mut each: impl FnMut(Words)) {
        let from = self.taken.load(Relaxed);
        // Acquire: pairs with the Release in `put`.
        let to = self.put.load(Acquire);
        #[cfg(loom)]
        if Break::RingTakenEarly.is_on() {
            self.taken.store(to, Release);
        }
        for at in from..to {
            let [a, b, c] = self.slot(at);
            each([a.load(Relaxed), b.load(Relaxed), c.load(Relaxed)]);
        }
        // Release: pairs with the Acquire in `put`.
        self.taken.store(to, Release);
    }

    /// How many were lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    fn slot(&self, at: u64) -> &[AtomicU64; 3] {
        &self.slots[at as usize % self.slots.len()]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_the_rest_keeps_its_order() {
        let ring = Ring::new(4).unwrap();
        let mut seen = Vec::new();
        for round in 0..3 {
            for n in 0..6 {
                assert_eq!(ring.put([round, n, 0]), n < 4);
            }
            ring.take(|words| seen.push((words[0], words[1])));
        }
        let all: Vec<_> = (0..3).flat_map(|round| (0..4).map(move |n| (round, n))).collect();
        assert_eq!(seen, all);
        assert_eq!(ring.lost(), 6);
    }
}
