//! Dumps and leak reports from Rust.

use gmp_core::{global, spawn, Semaphore};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("no name here is odd")
}

#[test]
fn parked_tasks_are_in_the_dump_and_in_the_leak_report() {
    let permits = Arc::new(Semaphore::new(0));
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let permits = permits.clone();
            spawn(move || permits.acquire(1).map(drop)).unwrap()
        })
        .collect();
    let end = Instant::now() + Duration::from_secs(20);
    let leaks = loop {
        let leaks = text(global::leaks(0).unwrap());
        if leaks.contains("leak tasks=10 reason=semaphore ") {
            break leaks;
        }
        assert!(Instant::now() < end, "{leaks}");
        std::thread::yield_now();
    };
    assert_eq!(leaks.lines().filter(|line| line.starts_with("leak ")).count(), 1, "{leaks}");
    let dump = text(global::dump().unwrap());
    assert_eq!(dump.lines().filter(|line| line.contains(" state=parked reason=semaphore for=")).count(), 10, "{dump}");
    assert_eq!(global::leaks(-1), Err(gmp_core::Error::Invalid));
    permits.release(10).unwrap();
    for task in waiting {
        task.join().unwrap().unwrap();
    }
}
