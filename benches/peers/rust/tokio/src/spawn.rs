//! spawn_wait, spawn_join and fib: tasks that are started and waited for.

use frame::{ns_each, Args};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

/// A wait group: the last `done` wakes the waiter. tokio itself has none; `TaskTracker` of tokio-util is built alike.
pub struct WaitGroup {
    left: AtomicUsize,
    ended: Notify,
}

impl WaitGroup {
    pub fn new(count: usize) -> Arc<Self> {
        Arc::new(WaitGroup { left: AtomicUsize::new(count), ended: Notify::new() })
    }

    pub fn done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ended.notify_one();
        }
    }

    /// `notify_one` leaves a permit, so a wake before the wait is not lost.
    pub async fn wait(&self) {
        self.ended.notified().await;
    }
}

/// spawn_wait: one task spawns n that do nothing and waits for all of them; ns per task.
pub async fn wait(args: Args) {
    for (rep, count) in args.repetitions() {
        let all = WaitGroup::new(count);
        let start = Instant::now();
        for _ in 0..count {
            let all = Arc::clone(&all);
            tokio::spawn(async move { all.done() });
        }
        all.wait().await;
        args.line("spawn_wait", rep, "task", ns_each(start, count), "ns");
    }
}

/// spawn_join: spawn one task, await it for its result, n times over; ns each.
pub async fn join(args: Args) {
    for (rep, count) in args.repetitions() {
        let start = Instant::now();
        for i in 0..count {
            let result = tokio::spawn(async move { i }).await.expect("the task ends");
            assert_eq!(result, i);
        }
        args.line("spawn_join", rep, "task", ns_each(start, count), "ns");
    }
}

/// The right half is a direct recursive call, boxed as an async recursion must be.
fn fib(depth: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        if depth < 2 {
            return depth;
        }
        let left = tokio::spawn(fib(depth - 1));
        let right = fib(depth - 2).await;
        left.await.expect("the task ends") + right
    })
}

/// fib: each call spawns a task for fib(n - 1), computes fib(n - 2) itself and joins; total ms and ns per task.
pub async fn fib_row(args: Args) {
    for (rep, _) in args.repetitions() {
        let depth = args.fib_depth(rep);
        let start = Instant::now();
        let value = fib(depth).await;
        args.fib_lines(rep, depth, value, start.elapsed());
    }
}
