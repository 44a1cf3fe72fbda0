//! Quiet and stop: waiting until no task is left, and ending all machines.
//!
//! Owns: the count of live tasks as seen from outside, and the order of stopping:
//!  1. `refusing`: new tasks are refused;  2. wait until no task is left;  3. `stopping`: machines leave their loops
//!  when they are about to sleep, the monitor leaves its own;  4. all are woken and joined;  5. memory goes back.
//! Always true: the sum here is 0 only if at some moment no task lived: ends are read before creations, and whoever
//! sees an end sees its creation.

use super::wait::FOREVER;
use super::{attach, Shared};
use crate::base::attached::{Place, Slot};
use crate::base::counters::Counters;
use crate::base::error::{Error, Result};
use crate::primitive::{fence, sanitizer, yield_thread, AtomicU32, Ordering::*};
use crate::sys::{clock, futex};

/// Who waits for the last task to end.
#[derive(Debug, Default)]
pub struct Quiet {
    waiters: AtomicU32,
    /// Grows when somebody should look again.
    epoch: AtomicU32,
}

impl Quiet {
    /// A machine is about to sleep: if that was the last task, whoever waits is told; and if no other one can go on, the monitor.
    pub fn look(&self, s: &Shared) {
        if self.waiters.load(SeqCst) != 0 && s.tasks() == 0 {
            self.wake();
        }
        s.came_to_rest();
    }

    /// Whoever waits looks again.
    pub fn wake(&self) {
        self.epoch.fetch_add(1, SeqCst);
        futex::wake(&self.epoch, i32::MAX);
    }
}

impl Shared {
    /// Sums one counter over all writers.
    pub fn sum(&self, f: impl Fn(&Counters) -> u64) -> u64 {
        let sum = self.procs().map(|p| f(&p.counters)).sum::<u64>() + f(&self.foreign.lock().counters);
        // Who sees that something was counted sees what was done before.
        sanitizer::acquired(&self.quiet);
        sum
    }

    /// Live tasks: created and not ended. Exact when at rest.
    pub fn tasks(&self) -> i64 {
        let ended = self.sum(|c| c.tasks_ended.get().wrapping_add(c.spawns_over.get()));
        fence(Acquire);
        let created = self.sum(|c| c.tasks_created.get().wrapping_add(c.spawns_begun.get()));
        created as i64 - ended as i64
    }

    /// Blocks the calling thread (not a task) until no task is left. The deadline is the system's clock's. `Deadlock`: there is none,
    /// and no task can ever go on.
    pub fn wait_quiet(&self, deadline: i64) -> Result<()> {
        self.quiet.waiters.fetch_add(1, SeqCst);
        // Of "refuse, then count the tasks" and "count a task, then look whether they are refused" one sees the other
        // (`spawn::spawn_fired`).
        fence(SeqCst);
        let slot = attach::slot().filter(|_| deadline == FOREVER);
        let result = loop {
            let epoch = self.quiet.epoch.load(SeqCst);
            if self.tasks() == 0 {
                break Ok(());
            }
            if deadline == 0 {
                break Err(Error::Again);
            }
            if deadline <= clock::now() {
                break Err(Error::TimedOut);
            }
            // A machine that finds nothing looks here before it sleeps; between two such looks nothing can have
            // become quiet. The bound is for a machine that lost its processor while it ended the last task.
            let until = deadline.min(clock::now() + 100_000_000);
            if let Some(slot) = slot {
                attach::lie_down(slot, Place::Quiet);
            }
            futex::wait(&self.quiet.epoch, epoch, Some(until));
            match slot.map(Slot::rise) {
                // To look again. (It lay until now, so a verdict that counted it as lying finds it up or lying again: what it
                // does when no task is left matters to none.)
                Some(true) => attach::all().look_up(),
                Some(false) if self.tasks() != 0 => break Err(Error::Deadlock),
                _ => {}
            }
        };
        self.quiet.waiters.fetch_sub(1, SeqCst);
        result
    }

    /// Ends all machines and the monitor. No task is left, and no other thread is in a call.
    pub fn stop_machines(&self) {
        self.stopping.store(true, SeqCst);
        loop {
            // Who has just woken the last task may still make a machine: read before the machines are looked at.
            let visited = self.visitors.load(SeqCst) != 0;
            let threads = {
                let mut locked = self.lock.lock();
                for m in locked.machines.iter() {
                    m.note.wake();
                }
                std::mem::take(&mut locked.threads)
            };
            self.monitor.wake();
            if threads.is_empty() && !visited {
                break;
            }
            if threads.is_empty() {
                yield_thread();
            }
            threads.into_iter().for_each(|(_, thread)| thread.join());
        }
    }
}
