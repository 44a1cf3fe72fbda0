//! parked: n coroutines wait on one condition; bytes resident each, ms until all wait, ms to wake all and see them end.
//! The starter waits for them on a wait group: with one worker a coroutine that yields is the next to run again.

use frame::{resident_bytes, Args};
use may::go;
use may::sync::{Condvar, Mutex, WaitGroup};
use std::sync::Arc;
use std::time::Instant;

struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

fn wait_at_gate(gate: &Gate, arrived: WaitGroup) {
    let mut open = gate.open.lock().expect("no coroutine panics");
    drop(arrived);
    while !*open {
        open = gate.opened.wait(open).expect("no coroutine panics");
    }
}

fn park_and_wake(args: Args, count: usize, rep: i32) {
    let gate = Arc::new(Gate { open: Mutex::new(false), opened: Condvar::new() });
    let (arrived, all) = (WaitGroup::new(), WaitGroup::new());
    let before = resident_bytes();
    let start = Instant::now();
    for _ in 0..count {
        let (gate, arrived, all) = (Arc::clone(&gate), arrived.clone(), all.clone());
        go!(move || {
            wait_at_gate(&gate, arrived);
            drop(all);
        });
    }
    arrived.wait();
    let created = start.elapsed();
    let grown = resident_bytes() - before;
    let wake = Instant::now();
    *gate.open.lock().expect("no coroutine panics") = true;
    gate.opened.notify_all();
    all.wait();
    args.parked_lines(count, rep, grown, created, wake.elapsed());
}

pub fn measure(args: Args) {
    park_and_wake(args, 100, -1);
    park_and_wake(args, args.n, 0);
}
