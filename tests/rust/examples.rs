//! The C examples and the guide's programs do what their pages say: built as a user builds them, and run.

#[path = "echo.rs"]
mod echo;
#[path = "fuzzed.rs"]
mod fuzzed;
#[path = "guide.rs"]
mod guide;
#[path = "httpd.rs"]
mod httpd;
#[path = "kvd.rs"]
mod kvd;
#[path = "tls.rs"]
mod tls;

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

#[test]
fn sieve_prints_the_primes() {
    let text = output(Command::new(example("sieve", &[])).arg("200"));
    let printed: Vec<u32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    let prime = |n: &u32| (2..*n).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    assert_eq!(printed, (2..).filter(prime).take(200).collect::<Vec<u32>>());
}

#[test]
fn ping_prints_a_time_for_each_number_of_processors() {
    let text = output(Command::new(example("ping", &[])).arg("20000"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, procs) in lines.iter().zip(1..) {
        assert!(line.starts_with(&format!("max_procs {procs}: 20000 messages, ")), "{text}");
        assert!(line.ends_with(" ns each"), "{text}");
    }
}

#[test]
fn lost_update_is_found_by_some_seeds_and_shown_again() {
    let text = output(&mut Command::new(example("lost_update", &[])));
    let count = |name: &str| -> u32 {
        let line = text
            .lines()
            .find(|line| line.starts_with(name) && line.ends_with("seeds lose money, and each did it twice"));
        let number = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|word| word.parse().ok());
        number.unwrap_or_else(|| panic!("no line for {name}: {text}"))
    };
    assert!((1..1000).contains(&count("careless")), "{text}");
    assert_eq!(count("careful"), 0, "{text}");
}

/// A tree of files, and what the pipeline should count in it.
fn tree() -> (PathBuf, String) {
    let top = gmp_tests::scratch().join(format!("pipeline-{}", std::process::id()));
    let (mut files, mut lines, mut words, mut bytes) = (0, 0, 0, 0);
    for number in 0..300 {
        let dir = top.join(format!("d{}/e{}", number % 7, number % 3));
        std::fs::create_dir_all(&dir).expect("the scratch directory can be written");
        // Words across chunks, no line end at the end, nothing at all.
        let text = "two  words\n\tand\r\x0b\x0cmore".repeat(number * number / 20);
        std::fs::write(dir.join(format!("f{number}")), &text).expect("and so can this");
        files += 1;
        lines += text.matches('\n').count();
        words += text.split(|c| " \t\n\x0b\x0c\r".contains(c)).filter(|word| !word.is_empty()).count();
        bytes += text.len();
    }
    let _ = std::os::unix::fs::symlink("nowhere", top.join("link"));
    (top, format!("{files} files, {lines} lines, {words} words, {bytes} bytes\n"))
}

#[test]
fn pipeline_counts_and_gives_up_as_a_whole() {
    let program = example("pipeline", &[]);
    let (top, wanted) = tree();
    for counters in ["1", "3", "50"] {
        assert_eq!(output(Command::new(&program).args(["-n", counters]).arg(&top)), wanted);
    }
    let gives_up = |arguments: &[&str], says: &str| {
        let ended = run(Command::new(&program).args(arguments).arg(&top), Duration::from_secs(120)).expect("it starts");
        assert_eq!(ended.status.code(), Some(1), "{}", ended.report());
        assert!(ended.stdout.is_empty() && ended.stderr.contains(says), "{}", ended.report());
    };
    gives_up(&["nowhere"], "pipeline: nowhere: No such file");
    gives_up(&["-n", "1", "nowhere"], "pipeline: nowhere: No such file");
    gives_up(&["/proc/self/mem"], "pipeline: /proc/self/mem: "); // it opens, and the first read fails
    gives_up(&["-t", "0"], "pipeline: ");
    std::fs::remove_dir_all(&top).expect("it is ours");
}

/// Where a library is, as pkg-config says it.
fn library(name: &str) -> Option<Vec<String>> {
    let found = Command::new("pkg-config").args(["--cflags", "--libs", name]).output().ok()?;
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    found.status.success().then(|| text.split_whitespace().map(str::to_string).collect())
}

#[test]
fn gsum_prints_what_sha256sum_prints() {
    let Some(flags) = library("libcrypto") else {
        println!("skipped: OpenSSL's libcrypto is not installed (Debian: libssl-dev pkg-config)");
        return;
    };
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let program = example("gsum", &flags);
    output(Command::new(root().join("scripts/compare-gsum.sh")).arg(program));
}
