//! Stress of the ownership protocol on the real machine: a machine that comes in and goes out against a party that seizes,
//! with plain data between them. With the heavy barrier left out the same stress must see the two in there at once.

use super::owner::Owner;
use crate::base::fence::Barrier;
use crate::base::rng::Rng;
use crate::primitive::{AtomicBool, AtomicU64, Mutex, Ordering::*};
use std::time::{Duration, Instant};

struct World {
    owner: Owner,
    lock: Mutex<()>,
    /// What belongs to the processor: two numbers that are changed one after the other, with plain loads and stores.
    left: AtomicU64,
    right: AtomicU64,
    wrong: AtomicBool,
    stop: AtomicBool,
}

impl World {
    fn touch(&self) {
        let (left, right) = (self.left.load(Relaxed), self.right.load(Relaxed));
        if left != right {
            self.wrong.store(true, Relaxed);
        }
        self.left.store(left + 1, Relaxed);
        self.right.store(right + 1, Relaxed);
    }

    fn machine(&self, mut rng: Rng) -> u64 {
        let (mut tick, mut entries) = (2, 0);
        while !self.stop.load(Relaxed) {
            // Of different lengths, so that the two do not keep step.
            for _ in 0..rng.below(8) {
                std::hint::spin_loop();
            }
            if !self.owner.enter() {
                let _locked = self.lock.lock();
                self.owner.take_requests();
            }
            self.touch();
            tick += 2;
            self.owner.exit(tick);
            entries += 1;
        }
        entries
    }

    fn retaker(&self) -> u64 {
        let mut taken = 0;
        while !self.stop.load(Relaxed) {
            let _locked = self.lock.lock();
            if self.owner.seize() {
                self.touch();
                self.owner.withdraw();
                taken += 1;
            }
        }
        taken
    }
}

/// Until something is wrong, or for so long. (Wrong, entries, seizures.)
fn run(barrier: Barrier, at_most: Duration) -> (bool, u64, u64) {
    let world = World {
        owner: Owner::new(barrier),
        lock: Mutex::new(()),
        left: AtomicU64::new(0),
        right: AtomicU64::new(0),
        wrong: AtomicBool::new(false),
        stop: AtomicBool::new(false),
    };
    world.owner.exit(2);
    let (entries, taken) = std::thread::scope(|scope| {
        let machine = scope.spawn(|| world.machine(Rng::new(7)));
        let retaker = scope.spawn(|| world.retaker());
        let end = Instant::now() + at_most;
        while Instant::now() < end && !world.wrong.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        world.stop.store(true, Relaxed);
        (machine.join().unwrap(), retaker.join().unwrap())
    });
    let lost = world.left.load(Relaxed) != entries + taken;
    (world.wrong.load(Relaxed) || lost, entries, taken)
}

#[test]
fn no_two_are_in_the_processor_at_once() {
    for barrier in [Barrier::new(), Barrier::fences()] {
        let (wrong, entries, taken) = run(barrier, Duration::from_millis(500));
        println!("{entries} entries, {taken} seizures");
        assert!(!wrong, "after {entries} entries and {taken} seizures");
    }
}

#[test]
fn without_the_heavy_barrier_they_are() {
    if std::thread::available_parallelism().map_or(1, |n| n.get()) < 2 {
        return;
    }
    let (wrong, entries, taken) = run(Barrier::broken(), Duration::from_secs(60));
    println!("{entries} entries, {taken} seizures");
    assert!(wrong, "not seen in {entries} entries and {taken} seizures");
}
