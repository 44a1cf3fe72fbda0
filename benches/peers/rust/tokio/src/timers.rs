//! timers and idle: tasks that sleep. tokio's timers count whole milliseconds and round up.

use crate::spawn::WaitGroup;
use frame::{cpu_time, draw_sleep, Args, PERIOD, PERIODS};
use std::sync::Arc;
use std::time::Instant;
use tokio::time::sleep;

/// timers: n tasks sleep 0 to 100 ms; ms until all have ended beyond the longest of the sleeps, and ms of CPU time.
pub async fn measure(args: Args) {
    for (rep, count) in args.repetitions() {
        let all = WaitGroup::new(count);
        let (cpu, start) = (cpu_time(), Instant::now());
        for i in 0..count {
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                sleep(draw_sleep(i)).await;
                all.done();
            });
        }
        all.wait().await;
        args.timers_lines(rep, count, start.elapsed(), cpu_time() - cpu);
    }
}

/// idle: n tasks sleep 200 ms again and again, all in step; µs of CPU time a second over eight of their periods.
pub async fn idle(args: Args) {
    let all = WaitGroup::new(args.n);
    for _ in 0..args.n {
        let all = Arc::clone(&all);
        tokio::spawn(async move {
            for _ in 0..PERIODS + 2 {
                sleep(PERIOD).await;
            }
            all.done();
        });
    }
    sleep(PERIOD + PERIOD / 8).await;
    let (cpu, start) = (cpu_time(), Instant::now());
    sleep(PERIODS * PERIOD).await;
    args.idle_line(cpu_time() - cpu, start.elapsed());
    all.wait().await;
}
