//! ping_pong, skynet, mutex, timers and idle: coroutines that talk and wait.
//!
//! may's channels have no bound: a sender never waits. That changes nothing in ping_pong but who parks when; in skynet
//! it spares each node a wait.

use frame::{cpu_time, draw_sleep, ns_each, Args, PERIOD, PERIODS};
use may::coroutine::sleep;
use may::go;
use may::sync::mpsc::{channel, Sender};
use may::sync::{Mutex, WaitGroup};
use std::sync::Arc;
use std::time::Instant;

/// ping_pong: two coroutines, two channels, n messages each way; ns per message.
pub fn ping_pong(args: Args) {
    for (rep, count) in args.repetitions() {
        let (ping_in, ping_out) = channel::<usize>();
        let (pong_in, pong_out) = channel::<usize>();
        let start = Instant::now();
        let one = go!(move || {
            for i in 0..count {
                ping_in.send(i).expect("the other coroutine listens");
                assert_eq!(pong_out.recv(), Ok(i));
            }
        });
        let two = go!(move || {
            for _ in 0..count {
                let value = ping_out.recv().expect("the other coroutine sends");
                pong_in.send(value).expect("the other coroutine listens");
            }
        });
        one.join().expect("the first coroutine ends");
        two.join().expect("the second coroutine ends");
        args.line("ping_pong", rep, "message", ns_each(start, 2 * count), "ns");
    }
}

fn skynet(up: Sender<usize>, first: usize, leaves: usize) {
    if leaves == 1 {
        return up.send(first).expect("the node above listens");
    }
    let (sender, below) = channel();
    for i in 0..10 {
        let sender = sender.clone();
        go!(move || skynet(sender, first + i * (leaves / 10), leaves / 10));
    }
    let sum = (0..10).map(|_| below.recv().expect("a node below sends")).sum();
    up.send(sum).expect("the node above listens");
}

/// skynet: a tree of coroutines, ten below each, n leaves; total ms and ns per coroutine.
pub fn skynet_row(args: Args) {
    for (rep, _) in args.repetitions() {
        let leaves = args.leaves(rep);
        let (sender, root) = channel();
        let start = Instant::now();
        go!(move || skynet(sender, 0, leaves));
        let sum = root.recv().expect("the root sends");
        args.skynet_lines(rep, leaves, sum, start.elapsed());
    }
}

/// mutex: 8 coroutines lock, count one up, unlock, n times in all; ns per lock and unlock.
pub fn mutex(args: Args) {
    const TASKS: usize = 8;
    for (rep, count) in args.repetitions() {
        let each = count / TASKS + 1;
        let counter = Arc::new(Mutex::new(0));
        let all = WaitGroup::new();
        let start = Instant::now();
        for _ in 0..TASKS {
            let (counter, all) = (Arc::clone(&counter), all.clone());
            go!(move || {
                for _ in 0..each {
                    *counter.lock().expect("no coroutine panics") += 1;
                }
                drop(all);
            });
        }
        all.wait();
        let pair = ns_each(start, TASKS * each);
        assert_eq!(*counter.lock().expect("no coroutine panics"), TASKS * each);
        args.line("mutex", rep, "pair", pair, "ns");
    }
}

/// timers: n coroutines sleep 0 to 100 ms; ms until all have ended beyond the longest sleep, and ms of CPU time.
pub fn timers(args: Args) {
    for (rep, count) in args.repetitions() {
        let all = WaitGroup::new();
        let (cpu, start) = (cpu_time(), Instant::now());
        for i in 0..count {
            let all = all.clone();
            go!(move || {
                sleep(draw_sleep(i));
                drop(all);
            });
        }
        all.wait();
        args.timers_lines(rep, count, start.elapsed(), cpu_time() - cpu);
    }
}

/// idle: n coroutines sleep 200 ms again and again, all in step; µs of CPU time a second over eight of their periods.
pub fn idle(args: Args) {
    let all = WaitGroup::new();
    for _ in 0..args.n {
        let all = all.clone();
        go!(move || {
            for _ in 0..PERIODS + 2 {
                sleep(PERIOD);
            }
            drop(all);
        });
    }
    sleep(PERIOD + PERIOD / 8);
    let (cpu, start) = (cpu_time(), Instant::now());
    sleep(PERIODS * PERIOD);
    args.idle_line(cpu_time() - cpu, start.elapsed());
    all.wait();
}
