//! blocking and blocking_storm: code that holds its thread.

use crate::spawn::WaitGroup;
use frame::{ms, ns_each, Args};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// blocking: `block_in_place` around nothing; ns each.
/// The first call gives this worker's duties to another thread, which keeps them until this task awaits; the rest of
/// the loop is what a call costs from then on. Handing over on each call would cost microseconds.
pub async fn pair(args: Args) {
    for (rep, count) in args.repetitions() {
        let start = Instant::now();
        for i in 0..count {
            tokio::task::block_in_place(|| std::hint::black_box(i));
        }
        args.line("blocking", rep, "pair", ns_each(start, count), "ns");
    }
}

/// blocking_storm: n closures at once, each in a 10 ms sleep, by `spawn_blocking` (at most 512 threads by default).
pub async fn storm(args: Args) {
    for (rep, count) in args.repetitions() {
        let all = WaitGroup::new(count);
        let start = Instant::now();
        for _ in 0..count {
            let all = Arc::clone(&all);
            tokio::task::spawn_blocking(move || {
                std::thread::sleep(Duration::from_millis(10));
                all.done();
            });
        }
        all.wait().await;
        args.line("blocking_storm", rep, "total", ms(start.elapsed()), "ms");
    }
}
