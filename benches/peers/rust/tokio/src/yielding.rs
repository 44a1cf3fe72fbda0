//! yield: two tasks call `yield_now`; ns per call. tokio looks at its timers and sockets between two yields of the
//! last runnable task of a worker; that is part of what a yield costs there.

use frame::{ns_each, Args};
use std::time::Instant;
use tokio::task::yield_now;

async fn yield_often(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

pub async fn measure(args: Args) {
    for (rep, count) in args.repetitions() {
        let start = Instant::now();
        let one = tokio::spawn(yield_often(count));
        let two = tokio::spawn(yield_often(count));
        one.await.expect("the first task ends");
        two.await.expect("the second task ends");
        args.line("yield", rep, "yield", ns_each(start, 2 * count), "ns");
    }
}
