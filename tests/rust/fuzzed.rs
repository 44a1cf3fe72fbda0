//! The bodies of `fuzz/c` under their driver: for a few seconds, with their seeds and with what becomes of them.

use gmp_tests::{root, run, scratch, seed, Ended};
use std::process::Command;
use std::time::Duration;

/// Compiles a body and the driver, with sanitizers, as `make fuzz-NAME` does, and runs them.
pub fn fuzz(name: &str, flags: &[&str]) -> Ended {
    let dir = scratch().join(format!("fuzz-{name}{}-{}", flags.concat(), std::process::id()));
    std::fs::create_dir_all(&dir).expect("the scratch directory can be written");
    let program = dir.join("fuzz");
    let built = Command::new(root().join("scripts/fuzz-c.sh")).args([name, "build"]).arg(&program).args(flags).output();
    let built = built.expect("a shell");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut command = Command::new(program);
    command.args(["3", &seed().to_string()]).arg(root().join(format!("fuzz/seeds-{name}"))).current_dir(&dir);
    let ended = run(&mut command, Duration::from_secs(120)).expect("it starts");
    std::fs::remove_dir_all(dir).expect("it is ours");
    ended
}

/// The body finds nothing.
pub fn finds_nothing(name: &str) {
    let ended = fuzz(name, &[]);
    assert!(ended.status.success(), "seed {}: {}", seed(), ended.report());
    let seeds = std::fs::read_dir(root().join(format!("fuzz/seeds-{name}"))).expect("there are seeds").count();
    assert!(ended.stdout.contains(&format!("{seeds} seeds, ")), "{}", ended.stdout);
}

/// It finds what its PLANTED stands for.
pub fn finds_a_planted_fault(name: &str) {
    let ended = fuzz(name, &["-DPLANTED"]);
    assert!(!ended.status.success() && ended.stderr.contains("fuzz-failed"), "seed {}: {}", seed(), ended.report());
}
