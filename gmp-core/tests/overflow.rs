//! The stack-overflow reporter in a Rust executable, where the standard library has a handler of its own.
//!
//! Each test runs itself again in a child and looks at what that died of.

#![cfg(target_os = "linux")]

use gmp_core::{global, runtime, spawn};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

const CHILD: &str = "GMP_TEST_OVERFLOW_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// This test again, in a child.
fn child(test: &str) -> (Output, String) {
    let program = std::env::current_exe().expect("a test knows its program");
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("the test's own program can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

fn start_reporting() {
    // A core of each child would be in the way.
    // SAFETY: a valid limit.
    #[allow(unsafe_code, reason = "there is no safe call for it")]
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
    }
    global::start(&runtime::Config { max_procs: 1, overflow_handler: true, ..Default::default() }).unwrap();
}

#[inline(never)]
fn dig(level: u64) -> u64 {
    let mut room = [level; 64];
    std::hint::black_box(&mut room);
    if level == u64::MAX {
        return 0;
    }
    dig(level + 1) + room[(level % 64) as usize]
}

#[test]
fn an_overflow_is_told_and_kills_although_std_has_a_handler() {
    if is_child() {
        start_reporting();
        let _ = spawn(|| dig(0)).unwrap().join();
        return;
    }
    let (output, said) = child("an_overflow_is_told_and_kills_although_std_has_a_handler");
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{said}");
    assert_eq!(said.matches("gmp: task ").count(), 1, "{said}");
    assert!(said.contains("stack overflow (size 196608, used "), "{said}");
}

#[test]
fn an_overflow_of_a_thread_is_told_by_std_and_not_by_us() {
    if is_child() {
        start_reporting();
        let _ = std::thread::Builder::new().name("plain".into()).spawn(|| dig(0)).unwrap().join();
        return;
    }
    let (output, said) = child("an_overflow_of_a_thread_is_told_by_std_and_not_by_us");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{said}");
    assert!(said.contains("has overflowed its stack"), "{said}");
    assert!(!said.contains("gmp: "), "{said}");
}

#[test]
fn a_null_dereference_in_a_task_kills_in_silence() {
    if is_child() {
        start_reporting();
        #[allow(unsafe_code, reason = "a fault is what is wanted")]
        // SAFETY: none; the process ends here.
        let read = || unsafe { std::hint::black_box(std::ptr::null::<u8>()).read_volatile() };
        let _ = spawn(read).unwrap().join();
        return;
    }
    let (output, said) = child("a_null_dereference_in_a_task_kills_in_silence");
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{said}");
    assert!(!said.contains("gmp: "), "{said}");
}
