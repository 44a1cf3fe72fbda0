//! Chaos, where `GMP_TEST_CHAOS` names a seed; and the bug that `GMP_TEST_BREAK` names.
//!
//! Always true: no step here locks the bus, which would be a barrier. So two threads may draw the same number; the seed makes
//! runs different, not equal.

use super::{Bug, Point};
use crate::base::rng::Rng;
use crate::primitive::{spin_hint, yield_thread, Ordering::*};
use crate::sys::{clock, futex};
// Not `primitive`'s own, which are loom's in a model: there is no chaos there.
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::OnceLock;

/// Out of so many visits of a rare point one sleeps, four yield the CPU, and sixteen spin; of a frequent one as many out of
/// [`FREQUENT`] times as many.
const VISITS: u32 = 128;
const FREQUENT: u32 = 32;
/// Longest sleep, in ns, and longest spin.
const SLEEP: u32 = 100_000;
const SPIN: u32 = 2_000;

static STEPS: AtomicU64 = AtomicU64::new(0);
/// Nobody wakes who sleeps here.
static BED: AtomicU32 = AtomicU32::new(0);
static SEED: OnceLock<Option<u64>> = OnceLock::new();
static BUG: OnceLock<Option<Bug>> = OnceLock::new();

/// Holds the thread up, now and then.
#[inline(never)]
pub fn point(at: Point) {
    let seed = SEED.get_or_init(|| std::env::var("GMP_TEST_CHAOS").ok().and_then(|text| text.parse().ok()));
    let Some(seed) = *seed else { return };
    let step = STEPS.load(Relaxed);
    STEPS.store(step + 1, Relaxed);
    let mut rng = Rng::new(seed ^ step << 8 ^ at as u64);
    match rng.below(if at.is_frequent() { VISITS * FREQUENT } else { VISITS }) {
        0 => {
            futex::wait(&BED, 0, Some(clock::now() + rng.below(SLEEP) as i64));
        }
        1..=4 => yield_thread(),
        5..=20 => (0..rng.below(SPIN)).for_each(|_| spin_hint()),
        _ => {}
    }
}

/// Whether this bug is to be in.
#[inline(never)]
pub fn plants(bug: Bug) -> bool {
    *BUG.get_or_init(|| {
        let name = std::env::var("GMP_TEST_BREAK").ok()?;
        let bug = Bug::named(&name);
        assert!(bug.is_some(), "GMP_TEST_BREAK={name} is unknown");
        bug
    }) == Some(bug)
}
