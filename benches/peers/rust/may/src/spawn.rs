//! spawn_wait, spawn_join and fib: coroutines that are started and waited for.

use frame::{ns_each, Args};
use may::go;
use may::sync::WaitGroup;
use std::time::Instant;

/// spawn_wait: one coroutine spawns n that do nothing and waits for all of them; ns per coroutine.
pub fn wait(args: Args) {
    for (rep, count) in args.repetitions() {
        let all = WaitGroup::new();
        let start = Instant::now();
        for _ in 0..count {
            let all = all.clone();
            go!(move || drop(all));
        }
        all.wait();
        args.line("spawn_wait", rep, "task", ns_each(start, count), "ns");
    }
}

/// spawn_join: spawn one coroutine, join it for its result, n times over; ns each.
pub fn join(args: Args) {
    for (rep, count) in args.repetitions() {
        let start = Instant::now();
        for i in 0..count {
            let result = go!(move || i).join().expect("the coroutine ends");
            assert_eq!(result, i);
        }
        args.line("spawn_join", rep, "task", ns_each(start, count), "ns");
    }
}

fn fib(depth: usize) -> usize {
    if depth < 2 {
        return depth;
    }
    let left = go!(move || fib(depth - 1));
    let right = fib(depth - 2);
    left.join().expect("the coroutine ends") + right
}

/// fib: each call spawns a coroutine for fib(n - 1), computes fib(n - 2) itself and joins; total ms and ns each.
pub fn fib_row(args: Args) {
    for (rep, _) in args.repetitions() {
        let depth = args.fib_depth(rep);
        let start = Instant::now();
        let value = fib(depth);
        args.fib_lines(rep, depth, value, start.elapsed());
    }
}
