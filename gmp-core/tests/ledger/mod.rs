//! Values that are counted: each made once and dropped once, or the ledger does not balance. And what seeded tests share.
#![allow(dead_code)]

use gmp_core::base::rng::Rng;
use gmp_core::time;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::*};
use std::sync::Arc;

/// Far more than anything here takes.
pub const SOON: i64 = 60_000_000_000;

pub struct Ledger {
    drops: Vec<AtomicU8>,
    made: AtomicUsize,
}

/// One line of the ledger.
pub struct Counted {
    id: usize,
    ledger: Arc<Ledger>,
}

impl Ledger {
    /// With room for so many.
    pub fn new(room: usize) -> Arc<Ledger> {
        Arc::new(Ledger { drops: (0..room).map(|_| AtomicU8::new(0)).collect(), made: AtomicUsize::new(0) })
    }

    pub fn make(self: &Arc<Ledger>) -> Counted {
        Counted { id: self.made.fetch_add(1, Relaxed), ledger: self.clone() }
    }

    pub fn made(&self) -> usize {
        self.made.load(Relaxed)
    }

    /// Those that are still there.
    pub fn left(&self) -> usize {
        self.drops[..self.made()].iter().filter(|drops| drops.load(Relaxed) == 0).count()
    }

    /// Every value was dropped once.
    pub fn balance(&self) {
        let wrong: Vec<_> =
            self.drops[..self.made()].iter().enumerate().filter(|(_, n)| n.load(Relaxed) != 1).collect();
        assert!(wrong.is_empty(), "dropped not at all or twice: {wrong:?}");
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let before = self.ledger.drops[self.id].fetch_add(1, Relaxed);
        if before != 0 && !std::thread::panicking() {
            panic!("value {} was dropped twice", self.id);
        }
    }
}

pub fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

pub fn rounds() -> u64 {
    env("GMP_TEST_ROUNDS", 60)
}

pub fn seeded() -> Rng {
    let seed = env("GMP_TEST_SEED", time::now() as u64);
    eprintln!("seed {seed} (run again with GMP_TEST_SEED={seed})");
    Rng::new(seed)
}

/// Yields until `so` is true.
pub fn until(what: &str, so: impl Fn() -> bool) {
    let limit = time::after(SOON);
    while !so() {
        assert!(time::now() < limit, "{what}: not in a minute");
        gmp_core::yield_now();
    }
}
