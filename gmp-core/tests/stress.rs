//! Seeded stress: random trees of tasks that spawn, join, yield, sleep, block and wait, while the number of processors
//! changes. Prints its seed; `GMP_TEST_SEED` runs one again, `GMP_TEST_ROUNDS` makes it longer.

use gmp_core::base::rng::Rng;
use gmp_core::sync::wait_group::WaitGroup;
use gmp_core::{blocking, global, spawn, time, yield_now};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::Arc;

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn seed() -> u64 {
    let seed = env("GMP_TEST_SEED", time::now() as u64);
    eprintln!("seed {seed} (run again with GMP_TEST_SEED={seed})");
    seed
}

/// Runs a random subtree and counts its leaves.
fn tree(seed: u64, depth: u32, leaves: Arc<AtomicU64>) -> u64 {
    let mut rng = Rng::new(seed);
    if depth == 0 {
        leaves.fetch_add(1, Relaxed);
        return 1;
    }
    let children: Vec<_> = (0..1 + rng.below(4))
        .map(|_| {
            let (seed, leaves) = (rng.bits(), leaves.clone());
            spawn(move || tree(seed, depth - 1, leaves)).unwrap()
        })
        .collect();
    match rng.below(6) {
        0 => yield_now(),
        1 => time::sleep(rng.below(50_000) as i64).unwrap(),
        2 => blocking::block(std::thread::yield_now),
        _ => {}
    }
    let mut sum = 0;
    let mut order: Vec<_> = children.into_iter().collect();
    while !order.is_empty() {
        let at = rng.below(order.len() as u32) as usize;
        sum += order.swap_remove(at).join().unwrap();
    }
    sum
}

#[test]
fn random_trees_lose_no_task_while_processors_come_and_go() {
    let mut rng = Rng::new(seed());
    for round in 0..env("GMP_TEST_ROUNDS", 60) {
        let leaves = Arc::new(AtomicU64::new(0));
        let seeds: Vec<u64> = (0..4).map(|_| rng.bits()).collect();
        let roots: Vec<_> = seeds
            .iter()
            .map(|&seed| {
                let leaves = leaves.clone();
                spawn(move || tree(seed, 6, leaves)).unwrap()
            })
            .collect();
        for _ in 0..rng.below(4) {
            global::max_procs(1 + rng.below(6) as i32).unwrap();
        }
        let sum: u64 = roots.into_iter().map(|r| r.join().unwrap()).sum();
        assert_eq!(sum, leaves.load(Relaxed), "round {round}");
    }
}

#[test]
fn wait_groups_release_tasks_and_threads_and_may_be_freed_at_once() {
    let mut rng = Rng::new(seed());
    for _ in 0..env("GMP_TEST_ROUNDS", 60) * 4 {
        let waiters = 1 + rng.below(5) as u64;
        let doners = 1 + rng.below(5) as i64;
        let released = Arc::new(AtomicU64::new(0));
        let group = Arc::new(WaitGroup::default());
        group.change(doners).unwrap();
        let tasks: Vec<_> = (0..waiters)
            .map(|n| {
                let (group, released) = (group.clone(), released.clone());
                let patience = if n % 3 == 2 { time::after(rng.below(20_000) as i64) } else { time::FOREVER };
                spawn(move || {
                    if group.wait(patience).is_err() {
                        group.wait(time::FOREVER).unwrap();
                    }
                    released.fetch_add(1, Relaxed);
                })
                .unwrap()
            })
            .collect();
        let done: Vec<_> = (0..doners)
            .map(|_| {
                let group = group.clone();
                spawn(move || {
                    yield_now();
                    group.change(-1).unwrap();
                })
                .unwrap()
            })
            .collect();
        group.wait(time::FOREVER).unwrap();
        tasks.into_iter().chain(done).for_each(|t| t.join().unwrap());
        assert_eq!(released.load(Relaxed), waiters);
    }
}
