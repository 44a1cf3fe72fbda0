//! mutex: 8 tasks lock, count one up, unlock, n times in all; ns per lock and unlock. tokio's own mutex, whose waiters
//! are tasks; it is fair: an unlock hands it to the first waiter.

use frame::{ns_each, Args};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;

const TASKS: usize = 8;

async fn count_up(counter: Arc<Mutex<usize>>, each: usize) {
    for _ in 0..each {
        *counter.lock().await += 1;
    }
}

pub async fn measure(args: Args) {
    for (rep, count) in args.repetitions() {
        let each = count / TASKS + 1;
        let counter = Arc::new(Mutex::new(0));
        let start = Instant::now();
        let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(count_up(Arc::clone(&counter), each))).collect();
        for task in tasks {
            task.await.expect("the task ends");
        }
        let pair = ns_each(start, TASKS * each);
        assert_eq!(*counter.lock().await, TASKS * each, "two tasks held the mutex at once");
        args.line("mutex", rep, "pair", pair, "ns");
    }
}
