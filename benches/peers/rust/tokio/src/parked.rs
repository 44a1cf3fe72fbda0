//! parked: n tasks wait on one `Notify`; bytes resident per task, ms until all wait, ms to wake all and see them end.

use crate::spawn::WaitGroup;
use frame::{resident_bytes, Args};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;
use tokio::task::yield_now;

struct Gate {
    opened: Notify,
    arrived: AtomicUsize,
}

/// The waiter is enabled before it is counted: `notify_waiters` wakes only those that wait already.
async fn wait_at_gate(gate: Arc<Gate>, all: Arc<WaitGroup>) {
    {
        let mut opened = std::pin::pin!(gate.opened.notified());
        opened.as_mut().enable();
        gate.arrived.fetch_add(1, Ordering::Relaxed);
        opened.await;
    }
    all.done();
}

async fn park_and_wake(args: Args, count: usize, rep: i32) {
    let gate = Arc::new(Gate { opened: Notify::new(), arrived: AtomicUsize::new(0) });
    let all = WaitGroup::new(count);
    let before = resident_bytes();
    let start = Instant::now();
    for _ in 0..count {
        tokio::spawn(wait_at_gate(Arc::clone(&gate), Arc::clone(&all)));
    }
    while gate.arrived.load(Ordering::Relaxed) < count {
        yield_now().await;
    }
    let created = start.elapsed();
    let grown = resident_bytes() - before;
    let wake = Instant::now();
    gate.opened.notify_waiters();
    all.wait().await;
    args.parked_lines(count, rep, grown, created, wake.elapsed());
}

pub async fn measure(args: Args) {
    park_and_wake(args, 100, -1).await;
    park_and_wake(args, args.n, 0).await;
}
