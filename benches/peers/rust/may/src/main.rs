//! The may peer: one program, the row as its first argument.
//!
//! Always true: P workers; the timed section is a coroutine. may maps a guarded stack per live coroutine, two mappings
//! each, so at the default `vm.max_map_count` about 30,000 can live at once: the harness asks for sizes below that.

mod parked;
mod spawn;
mod talk;

use frame::{ns_each, Args};
use may::go;
use std::time::Instant;

/// Coroutines kept with their stacks, where many start and end again: the default of 1000 would time `mmap` instead.
const POOLED: usize = 20_000;

/// yield: two coroutines call `yield_now`; ns per call.
fn yielding(args: Args) {
    let yield_often = |count| {
        for _ in 0..count {
            may::coroutine::yield_now();
        }
    };
    for (rep, count) in args.repetitions() {
        let start = Instant::now();
        let one = go!(move || yield_often(count));
        let two = go!(move || yield_often(count));
        one.join().expect("the first coroutine ends");
        two.join().expect("the second coroutine ends");
        args.line("yield", rep, "yield", ns_each(start, 2 * count), "ns");
    }
}

fn main() {
    let (row, args) = frame::parse("may");
    may::config().set_workers(args.procs);
    if ["spawn_wait", "fib", "skynet", "timers"].contains(&row.as_str()) {
        may::config().set_pool_capacity(POOLED);
    }
    let root = match row.as_str() {
        "yield" => go!(move || yielding(args)),
        "spawn_wait" => go!(move || spawn::wait(args)),
        "spawn_join" => go!(move || spawn::join(args)),
        "fib" => go!(move || spawn::fib_row(args)),
        "parked" => go!(move || parked::measure(args)),
        "ping_pong" => go!(move || talk::ping_pong(args)),
        "skynet" => go!(move || talk::skynet_row(args)),
        "mutex" => go!(move || talk::mutex(args)),
        "timers" => go!(move || talk::timers(args)),
        "idle" => go!(move || talk::idle(args)),
        _ => frame::die("no such row"),
    };
    if root.join().is_err() {
        frame::die("the row's coroutine panicked");
    }
}
