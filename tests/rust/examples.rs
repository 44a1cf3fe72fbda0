//! The C examples do what their pages say: built as a user builds them, and run.

use gmp_tests::{build, root, run};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

fn example(name: &str, flags: &[&str]) -> PathBuf {
    build(&format!("examples/{name}"), &[root().join("examples/c").join(format!("{name}.c"))], flags).unwrap()
}

fn output(command: &mut Command) -> String {
    let ended = run(command, Duration::from_secs(120)).expect("the program starts");
    assert!(ended.status.success(), "{}", ended.report());
    ended.stdout
}

#[test]
fn hello_says_hello() {
    let text = output(&mut Command::new(example("hello", &[])));
    assert!(text.to_lowercase().contains("hello"), "{text}");
}

#[test]
fn hello_has_ten_lines() {
    let text = std::fs::read_to_string(root().join("examples/c/hello.c")).expect("the example is there");
    assert!(text.lines().count() <= 10, "{} lines", text.lines().count());
}

#[test]
fn maxprocs_prints_both_times() {
    let text = output(&mut Command::new(example("maxprocs", &[])));
    assert_eq!(text.lines().filter(|line| line.contains(" ms")).count(), 2, "{text}");
    assert!(text.contains("max_procs 1"), "{text}");
}

/// Where libcrypto is, as pkg-config says it.
fn libcrypto() -> Option<Vec<String>> {
    let found = Command::new("pkg-config").args(["--cflags", "--libs", "libcrypto"]).output().ok()?;
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    found.status.success().then(|| text.split_whitespace().map(str::to_string).collect())
}

#[test]
fn gsum_prints_what_sha256sum_prints() {
    let Some(flags) = libcrypto() else {
        println!("skipped: OpenSSL's libcrypto is not installed (Debian: libssl-dev pkg-config)");
        return;
    };
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let program = example("gsum", &flags);
    output(Command::new(root().join("scripts/compare-gsum.sh")).arg(program));
}
