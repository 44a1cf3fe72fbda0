//! A program of random operations on channels and sync objects, run on the library and on a model, and compared.
//!
//! Used by `tests/differential.rs` and by the fuzz target (`fuzz/fuzz_targets/differential.rs`), which only make bytes.

mod confluent;
pub mod free;
pub mod lockstep;
pub mod model;
mod model_chan;
mod model_sync;
pub mod program;
pub mod real;
pub mod world;

use gmp_core::base::rng::Rng;
use gmp_core::{global, runtime, spawn, Error};
use model::Wrong;
use program::Program;
use std::sync::Once;

pub use lockstep::{Tally, PATIENCE};

/// When a failing program is made smaller, a hang is believed sooner.
const IMPATIENCE: i64 = 500_000_000;

/// Who drives the parties: a task, which takes turns with them on its processor, or a thread beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    Task,
    Thread,
}

/// Runs a program in lock-step.
pub fn lockstep(program: &Program, driver: Driver, wrong: Option<Wrong>, patience: i64) -> Result<Tally, String> {
    match driver {
        Driver::Thread => lockstep::run(program, wrong, patience),
        Driver::Task => {
            let program = program.clone();
            let driven = spawn(move || lockstep::run(&program, wrong, patience)).and_then(|task| task.join());
            driven.map_err(|e| format!("the driver: {e}"))?
        }
    }
}

/// The same for a program in bytes; one that fails is made smaller.
pub fn check(bytes: &[u8], driver: Driver) -> Result<Tally, String> {
    let program = Program::read(bytes);
    lockstep(&program, driver, None, PATIENCE).map_err(|why| {
        let fails = |program: &Program| lockstep(program, driver, None, IMPATIENCE).err();
        match smaller(program, fails) {
            Some(smallest) => format!("bytes {bytes:02x?}\n{why}\nsmaller:\n{smallest}"),
            None => format!("bytes {bytes:02x?}\n{why}\n(it did not fail a second time)"),
        }
    })
}

/// What is done with bytes of any kind: each way of running them. Panics when something differs.
pub fn body(bytes: &[u8]) {
    static START: Once = Once::new();
    START.call_once(|| {
        let started = global::start(&runtime::Config { max_procs: 2, ..Default::default() });
        assert!(matches!(started, Ok(()) | Err(Error::Busy)), "{started:?}");
    });
    let odd = bytes.last().is_some_and(|last| last % 2 == 1);
    let driver = if odd { Driver::Thread } else { Driver::Task };
    let mut rng = Rng::new(bytes.len() as u64);
    let all = check(bytes, driver)
        .and_then(|_| free::any(bytes, PATIENCE))
        .and_then(|()| free::confluent(bytes, odd, &mut rng, PATIENCE));
    if let Err(why) = all {
        panic!("{why}");
    }
}

/// Leaves steps out as long as it fails; how the smallest does.
fn smaller(mut program: Program, fails: impl Fn(&Program) -> Option<String>) -> Option<String> {
    let mut story = None;
    let mut part = program.steps.len().max(1);
    while part > 0 {
        let mut from = 0;
        while from < program.steps.len() {
            let mut less = program.clone();
            less.steps.drain(from..(from + part).min(program.steps.len()));
            match fails(&less) {
                Some(why) => (program, story) = (less, Some(why)),
                None => from += part,
            }
        }
        part /= 2;
    }
    story
}
