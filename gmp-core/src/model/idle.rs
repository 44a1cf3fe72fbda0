//! The idle protocol (`sched/idle.rs`): submitters against machines that give up.
//!
//! Threads: machines that search, and submitters. The published work is a number; a machine that is started goes on in
//! the thread of the one that started it. The steps are those of `sched/pool.rs` and `sched/run.rs`; the searches that
//! end in another way are in `idle_ends.rs`.
//! Checked: I1 and I2, at the end: all machines sleep, all processors are idle, and no work is left.
//! Bounded: with three threads, to three interruptions.

use super::{fails, holds, race, Break};
use crate::base::fence::Barrier;
use crate::primitive::{fence, AtomicU32, Mutex, Ordering::*};
use crate::sched::idle::Idle;

pub(super) const LOST: &str = "work is left and all sleep";

pub(super) struct World {
    pub(super) idle: Idle,
    /// The scheduler's lock: the length of the idle list.
    pub(super) idle_procs: Mutex<usize>,
    /// Published pieces of work.
    pub(super) work: AtomicU32,
    pub(super) barrier: Barrier,
}

impl World {
    /// So many count as searching, so many processors are idle, so much work is published.
    pub(super) fn new(searching: usize, idle: usize, work: u32) -> World {
        let world = World {
            idle: Idle::default(),
            idle_procs: Mutex::new(idle),
            work: AtomicU32::new(work),
            barrier: Barrier::fences(),
        };
        world.idle.set_idle(idle);
        for _ in 0..searching {
            world.idle.start_search();
        }
        world
    }

    fn has_published_work(&self) -> bool {
        self.work.load(Relaxed) != 0
    }

    pub(super) fn submit(&self) {
        self.work.fetch_add(1, Relaxed);
        if self.idle.submitted(self.barrier) {
            self.start_searcher();
        }
    }

    pub(super) fn start_searcher(&self) {
        let mut idle_procs = self.idle_procs.lock();
        let popped = self.pop_idle(&mut idle_procs);
        if !popped && !Break::IdleStartUnlocked.is_on() {
            // Under the lock: who puts a processor on the list after this, and gives up, is not taken for the search
            // that ends here by a submitter.
            self.idle.end_search();
        }
        drop(idle_procs);
        if popped {
            self.machine(true);
        } else if Break::IdleStartUnlocked.is_on() {
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

    pub(super) fn take(&self) -> bool {
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
    pub(super) fn machine(&self, mut searching: bool) {
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

    pub(super) fn stop_searching(&self) {
        self.idle.end_search();
        if !Break::IdleEndFence.is_on() {
            fence(SeqCst);
        }
        if !self.idle.has_idle() {
            return;
        }
        if !Break::IdleEndFence.is_on() {
            assert!(self.barrier.heavy());
        }
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
        self.look_again()
    }

    pub(super) fn look_again(&self) -> bool {
        let mut idle_procs = self.idle_procs.lock();
        !Break::IdleRecheck.is_on() && self.has_published_work() && self.pop_idle(&mut idle_procs)
    }

    pub(super) fn check(&self, procs: usize) {
        assert_eq!(self.idle.searching(), 0);
        assert_eq!(self.idle.idle() as usize, procs);
        assert_eq!(*self.idle_procs.lock(), procs);
        assert_eq!(self.work.load(Relaxed), 0, "{LOST}");
    }
}

fn one_submitter() {
    race(World::new(1, 0, 0), &[|w| w.machine(true), World::submit]).check(1);
}

fn two_submitters() {
    race(World::new(1, 0, 0), &[|w| w.machine(true), World::submit, World::submit]).check(1);
}

fn two_machines() {
    race(World::new(2, 0, 0), &[|w| w.machine(true), |w| w.machine(true), World::submit]).check(2);
}

#[test]
fn model_idle_holds() {
    holds(None, one_submitter);
}

#[test]
fn model_idle_holds_with_three_threads() {
    holds(Some(3), two_submitters);
    holds(Some(3), two_machines);
}

#[test]
fn model_idle_fails_without_the_submit_fence() {
    fails(Break::IdleSubmitFence, LOST, None, one_submitter);
}

#[test]
fn model_idle_fails_without_the_give_up_fence() {
    fails(Break::IdleGiveUpFence, LOST, None, one_submitter);
}

#[test]
fn model_idle_fails_without_the_second_look() {
    fails(Break::IdleRecheck, LOST, None, one_submitter);
}
