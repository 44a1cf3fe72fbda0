//! Tasks from Rust, through the public API, on the process's runtime.

use gmp_core::{spawn, yield_now, Error};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::Arc;

fn in_task<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    spawn(f).unwrap().join().unwrap()
}

#[test]
fn a_result_comes_back() {
    assert_eq!(in_task(|| 6 * 7), 42);
}

#[test]
fn fork_join_gives_the_right_sum() {
    fn fib(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let left = spawn(move || fib(n - 1)).unwrap();
        let right = fib(n - 2);
        left.join().unwrap() + right
    }
    assert_eq!(in_task(|| fib(20)), 6765);
}

#[test]
fn many_yielding_tasks_all_end() {
    let sum = Arc::new(AtomicU64::new(0));
    let total = sum.clone();
    in_task(move || {
        let tasks: Vec<_> = (0..1000)
            .map(|n| {
                let sum = sum.clone();
                spawn(move || {
                    for _ in 0..100 {
                        yield_now();
                    }
                    sum.fetch_add(n, Relaxed);
                })
                .unwrap()
            })
            .collect();
        tasks.into_iter().for_each(|t| t.join().unwrap());
    });
    assert_eq!(total.load(Relaxed), 499_500);
}

#[test]
fn sleeping_tasks_wake_no_earlier_than_asked() {
    in_task(|| {
        let tasks: Vec<_> = (0..100i64)
            .map(|n| {
                spawn(move || {
                    let (start, ns) = (gmp_core::time::now(), n * 100_000);
                    gmp_core::time::sleep(ns).unwrap();
                    assert!(gmp_core::time::now() - start >= ns);
                })
                .unwrap()
            })
            .collect();
        tasks.into_iter().for_each(|t| t.join().unwrap());
    });
}

#[test]
fn a_panic_goes_on_in_the_joiner() {
    let caught = std::panic::catch_unwind(|| in_task(|| std::panic::panic_any(7u8)));
    assert_eq!(caught.unwrap_err().downcast_ref::<u8>(), Some(&7));
}

#[test]
fn a_dropped_handle_lets_the_task_go_on() {
    let (send, receive) = std::sync::mpsc::channel();
    drop(spawn(move || send.send(5).unwrap()).unwrap());
    assert_eq!(receive.recv().unwrap(), 5);
}

#[test]
fn a_declared_blocking_call_does_not_stop_the_others() {
    let (send, receive) = std::sync::mpsc::channel::<()>();
    in_task(move || {
        let blocked = spawn(move || gmp_core::blocking::block(|| receive.recv().unwrap())).unwrap();
        yield_now();
        let waker = spawn(move || send.send(()).unwrap()).unwrap();
        blocked.join().unwrap();
        waker.join().unwrap();
    });
}

#[test]
fn an_error_is_small_and_has_a_code() {
    assert_eq!(Error::Misuse.code(), -4100);
}
