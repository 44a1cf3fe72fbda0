//! Differential tests: random programs over channels, select and sync run on the library and on a simple model of Go's
//! rules; what comes of them agrees. Prints its seed; `GMP_TEST_SEED` runs one again, `GMP_TEST_ROUNDS` makes it longer.

#[path = "differential/mod.rs"]
mod differential;

use differential::{check, Driver};
use gmp_core::base::rng::Rng;
use gmp_core::{global, runtime, time, Error};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Quiet is a state of the whole process.
fn alone(procs: i32) -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(matches!(global::start(&runtime::Config::default()), Ok(()) | Err(Error::Busy)));
    global::max_procs(procs).unwrap();
    alone
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn seed() -> u64 {
    let seed = env("GMP_TEST_SEED", time::now() as u64);
    eprintln!("seed {seed} (run again with GMP_TEST_SEED={seed})");
    seed
}

fn draw(rng: &mut Rng) -> Vec<u8> {
    let n = 6 + 8 * (1 + rng.below(60));
    (0..n).map(|_| rng.bits() as u8).collect()
}

fn in_lockstep(driver: Driver, rounds: u64) {
    let mut rng = Rng::new(seed());
    let (mut steps, mut waited, mut open, mut wild) = (0, 0, 0, 0);
    for round in 0..env("GMP_TEST_ROUNDS", rounds) {
        let tally = check(&draw(&mut rng), driver).unwrap_or_else(|why| panic!("round {round}: {why}"));
        (steps, waited, open) = (steps + tally.steps, waited + tally.waited, open + tally.open);
        wild += usize::from(tally.wild);
    }
    eprintln!("{steps} steps, {waited} waits seen, {open} with more than one outcome, {wild} programs too wild");
    assert!(waited > steps / 10 && open > 0 && wild * 20 < rounds as usize, "the programs are no good");
}

#[test]
fn lockstep_on_one_processor() {
    let _alone = alone(1);
    in_lockstep(Driver::Task, 1000);
}

#[test]
fn lockstep_beside_a_thread_on_two_processors() {
    let _alone = alone(2);
    in_lockstep(Driver::Thread, 200);
}
