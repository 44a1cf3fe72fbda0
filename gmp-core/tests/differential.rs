//! Differential tests: random programs over channels, select and sync run on the library and on a simple model of Go's
//! rules; what comes of them agrees. Prints its seed; `GMP_TEST_SEED` runs one again, `GMP_TEST_ROUNDS` makes it longer.

#[path = "differential/mod.rs"]
mod differential;

use differential::model::Wrong;
use differential::program::Program;
use differential::{body, check, free, lockstep, Driver, PATIENCE};
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
    in_lockstep(Driver::Task, 1500);
}

#[test]
fn lockstep_among_the_tasks_on_two_processors() {
    let _alone = alone(2);
    in_lockstep(Driver::Task, 300);
}

#[test]
fn lockstep_beside_a_thread_on_two_processors() {
    let _alone = alone(2);
    in_lockstep(Driver::Thread, 300);
}

fn freely(procs: i32, threads: bool, rounds: u64) {
    let _alone = alone(procs);
    let mut rng = Rng::new(seed());
    let mut ended = 0;
    let rounds = env("GMP_TEST_ROUNDS", rounds);
    for round in 0..rounds {
        let bytes = draw(&mut rng);
        let all = free::confluent(&bytes, threads, &mut rng, PATIENCE);
        ended += u64::from(all.unwrap_or_else(|why| panic!("round {round}: bytes {bytes:02x?}\n{why}")));
    }
    eprintln!("{ended} of {rounds} programs ended");
    assert!(ended > rounds / 50 && ended < rounds, "the programs are no good");
}

#[test]
fn confluent_programs_end_as_the_model_says_on_one_processor() {
    freely(1, false, 1000);
}

#[test]
fn confluent_programs_end_as_the_model_says_on_two_processors() {
    freely(2, true, 500);
}

#[test]
fn whatever_runs_freely_loses_and_doubles_nothing() {
    let mut rng = Rng::new(seed());
    for procs in [1, 2] {
        let _alone = alone(procs);
        for round in 0..env("GMP_TEST_ROUNDS", 300) {
            let bytes = draw(&mut rng);
            free::any(&bytes, PATIENCE)
                .unwrap_or_else(|why| panic!("{procs} processors, round {round}: bytes {bytes:02x?}\n{why}"));
        }
    }
}

/// The fuzz target's body as an ordinary test: on its seeds, and on what a fuzzer begins with.
#[test]
fn seeds_and_odd_bytes_agree_with_the_model() {
    let _alone = alone(2);
    let seeds = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds")).expect("the seeds");
    let mut all: Vec<Vec<u8>> = seeds.map(|seed| std::fs::read(seed.unwrap().path()).unwrap()).collect();
    assert!(all.len() >= 9);
    for n in [0, 1, 5, 6, 7, 14, 200, 2000] {
        all.push(vec![0; n]);
        all.push(vec![255; n]);
        all.push((0..n).map(|n| n as u8).collect());
    }
    let mut rng = Rng::new(seed());
    all.extend((0..env("GMP_TEST_ROUNDS", 50)).map(|_| draw(&mut rng)));
    all.iter().for_each(|bytes| body(bytes));
}

/// Each rule of the model is needed: with any of them wrong the comparison fails soon.
#[test]
fn planted_wrong_rules_are_noticed() {
    let _alone = alone(1);
    let mut rng = Rng::new(seed());
    for wrong in Wrong::ALL {
        let noticed = (1..3000).find(|_| {
            let program = Program::read(&draw(&mut rng));
            lockstep(&program, Driver::Task, Some(wrong), PATIENCE).is_err()
        });
        eprintln!("{wrong:?} after {noticed:?} programs");
        assert!(noticed.is_some(), "{wrong:?} is not noticed");
    }
}
