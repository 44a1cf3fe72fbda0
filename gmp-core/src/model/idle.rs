//! The idle protocol (`sched/idle.rs`): submitters against machines that give up.
//!
//! Threads: machines that search and find nothing, and submitters. The published work is a number; a machine that is
//! started goes on in the thread of the one that started it. The steps are those of `sched/pool.rs` and `sched/run.rs`.
//! Checked: I2, at the end: all machines sleep, all processors are idle, and no work is left.

use super::{fails, holds, race, Break};
use crate::base::fence::Barrier;
use crate::primitive::{fence, AtomicU32, Mutex, Ordering::*};
use crate::sched::idle::Idle;

const LOST: &str = "work is left and all sleep";

struct World {
    idle: Idle,
    /// The scheduler's lock: the length of the idle list.
    idle_procs: Mutex<usize>,
    /// Published pieces of work.
    work: AtomicU32,
    barrier: Barrier,
}

impl World {
    /// So many machines search with a processor each; none is idle.
    fn new(machines: usize) -> World {
        let world = World {
            idle: Idle::default(),
            idle_procs: Mutex::new(0),
            work: AtomicU32::new(0),
            barrier: Barrier::fences(),
        };
        for _ in 0..machines {
            world.idle.start_search();
        }
        world
    }

    fn has_published_work(&self) -> bool {
        self.work.load(Relaxed) != 0
    }

    fn submit(&self) {
        self.work.fetch_add(1, Relaxed);
        if self.idle.submitted(self.barrier) {
            self.start_searcher();
        }
    }

    fn start_searcher(&self) {
        let mut idle_procs = self.idle_procs.lock();
        if self.pop_idle(&mut idle_procs) {
            drop(idle_procs);
            self.machine(true);
        } else {
            self.idle.end_search();
        }
    }

    fn pop_idle(&self, idle_procs: &mut usize) -> bool {
        if *idle_procs == 0 {
            return false;
        }
        *idle_procs -= 1;
        self.idle.set_idle(*idle_procs);
        true
    }

    fn take(&self) -> bool {
        let mut n = self.work.load(Relaxed);
        while n > 0 {
            match self.work.compare_exchange(n, n - 1, AcqRel, Relaxed) {
                Ok(_) => return true,
                Err(now) => n = now,
            }
        }
        false
    }

    /// A machine with a processor, until it sleeps.
    fn machine(&self, mut searching: bool) {
        loop {
            if self.take() {
                if std::mem::replace(&mut searching, false) {
                    self.stop_searching();
                }
            } else if !searching {
                self.idle.start_search();
                searching = true;
            } else if self.give_up() {
                searching = false;
            } else {
                return;
            }
        }
    }

    fn stop_searching(&self) {
        self.idle.end_search();
        fence(SeqCst);
        if self.has_published_work() && self.idle.wants_searcher() {
            self.start_searcher();
        }
    }

    /// True: it has a processor again and is not searching.
    fn give_up(&self) -> bool {
        let mut idle_procs = self.idle_procs.lock();
        *idle_procs += 1;
        self.idle.set_idle(*idle_procs);
        drop(idle_procs);
        assert!(self.idle.give_up(self.barrier));
        let mut idle_procs = self.idle_procs.lock();
        !Break::IdleRecheck.is_on() && self.has_published_work() && self.pop_idle(&mut idle_procs)
    }

    fn check(&self, procs: usize) {
        assert_eq!(self.idle.searching(), 0);
        assert_eq!(self.idle.idle() as usize, procs);
        assert_eq!(*self.idle_procs.lock(), procs);
        assert_eq!(self.work.load(Relaxed), 0, "{LOST}");
    }
}

fn one_machine_one_submitter() {
    race(World::new(1), &[|w| w.machine(true), World::submit]).check(1);
}

fn one_machine_two_submitters() {
    race(World::new(1), &[|w| w.machine(true), World::submit, World::submit]).check(1);
}

fn two_machines_one_submitter() {
    race(World::new(2), &[|w| w.machine(true), |w| w.machine(true), World::submit]).check(2);
}

/// A submitter saw an idle processor, and it is gone: while it finds that out it counts as searching, and others
/// leave their work to it.
fn a_start_that_finds_no_processor() {
    let world = World::new(2);
    race(world, &[World::start_searcher, |w| w.machine(true), World::submit]).check(1);
}

#[test]
fn model_idle_holds() {
    holds(None, one_machine_one_submitter);
}

#[test]
fn model_idle_holds_with_two_submitters() {
    holds(Some(3), one_machine_two_submitters);
}

#[test]
fn model_idle_holds_with_two_machines() {
    holds(Some(3), two_machines_one_submitter);
}

#[test]
fn model_idle_holds_when_a_start_finds_no_processor() {
    holds(Some(3), a_start_that_finds_no_processor);
}

#[test]
fn model_idle_fails_without_the_submit_fence() {
    fails(Break::IdleSubmitFence, LOST, None, one_machine_one_submitter);
}

#[test]
fn model_idle_fails_without_the_give_up_fence() {
    fails(Break::IdleGiveUpFence, LOST, None, one_machine_one_submitter);
}

#[test]
fn model_idle_fails_without_the_second_look() {
    fails(Break::IdleRecheck, LOST, None, one_machine_one_submitter);
}
