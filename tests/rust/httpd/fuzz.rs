//! The parser's glue under the fuzzer of `fuzz/c`: for a few seconds, with the seeds and with what becomes of them.

use super::llhttp;
use gmp_tests::{root, run, scratch, seed};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Compiles the body and the driver, with sanitizers, as `make fuzz` does.
fn fuzzer(more: &[&str], name: &str) -> Option<PathBuf> {
    llhttp()?;
    let program = scratch().join(format!("{name}-{}", std::process::id()));
    let built =
        Command::new(root().join("scripts/fuzz-c.sh")).args(["httpd", "build"]).arg(&program).args(more).output();
    let built = built.expect("a shell");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(program)
}

fn fuzz(program: &Path, seconds: &str) -> gmp_tests::Ended {
    let dir = scratch().join(format!(
        "fuzz-{}-{}",
        std::process::id(),
        program.file_name().expect("a name").to_string_lossy()
    ));
    std::fs::create_dir_all(&dir).expect("the scratch directory can be written");
    let mut command = Command::new(program);
    command.args([seconds, &seed().to_string()]).arg(root().join("fuzz/seeds-httpd")).current_dir(&dir);
    let ended = run(&mut command, Duration::from_secs(120)).expect("it starts");
    std::fs::remove_file(program).expect("it is ours");
    std::fs::remove_dir_all(dir).expect("and this");
    ended
}

#[test]
fn glue_says_the_same_however_the_bytes_are_cut() {
    let Some(program) = fuzzer(&[], "fuzz-httpd") else { return };
    let ended = fuzz(&program, "3");
    assert!(ended.status.success(), "seed {}: {}", seed(), ended.report());
    assert!(ended.stdout.contains("12 seeds, "), "{}", ended.stdout);
}

#[test]
fn fuzzer_finds_a_planted_fault() {
    let Some(program) = fuzzer(&["-DPLANTED"], "fuzz-planted") else { return };
    let ended = fuzz(&program, "3");
    assert!(!ended.status.success() && ended.stderr.contains("fuzz-failed"), "seed {}: {}", seed(), ended.report());
}
