//! Deadlock: recognising that no task can ever run again, and telling those who wait for it (Go: `checkdead`).
//!
//! Owns: what was seen at the last look, which state was told of, and how often.
//!
//! A state is *frozen* when all of this holds:
//!  - tasks live, and none is queued anywhere; every processor is idle and every machine sleeps without one (so no task runs,
//!    is in foreign code or in a declared section, and no hook of a class runs);
//!  - no deadline and no timer is pending, and nobody waits for a descriptor;
//!  - nobody is up: every attached foreign thread lies (`base/attached.rs`).
//!
//! Always true:
//!  - D1. A frozen state changes only by a thread that has never called in, or a handler of a signal. For: to make a task ready
//!        takes a machine that is awake, a timer, or a foreign thread that is up; a machine is woken by one of those, and a
//!        thread gets up by one of those, before it can go on (A1).
//!  - D2. What [`Shared::frozen`] reads one after the other was so at one moment. The first and the last thing that it reads is who is
//!        up: nobody, twice, with the same epoch, so nobody was in between (A2). Machines are looked at under the scheduler's
//!        lock, and one that sleeps there is woken under it only.
//!  - D3. No false verdict: two looks at least [`SETTLE`] apart find the same frozen state. A thread that has never called in may
//!        be about to: if the kernel lists one that is neither ours nor attached, the state must have lasted for [`STRANGERS`].
//!    A thread is counted as up before the list has it, and the state is looked at once more after the kernel's list: so one that was
//!    no stranger there is seen here.
//!  - D4. No verdict is missed: whoever makes a state frozen asks for a look ([`Shared::came_to_rest`]): the machine that goes to sleep,
//!        after it stands in the list of those; the thread that lies down or ends, after it is counted so. Both then take the
//!        scheduler's lock, and the second one sees the first. The monitor looks before it sleeps without bound.
//!
//! A verdict is told once for a state of the tasks (none was made, ended or made ready since): on standard error, and in the
//! statistics. Threads that wait, without a deadline, for a task's end or for that of all tasks get `Deadlock`, each time.
//! Nothing is broken after it: who comes later may send, and the tasks go on.
//!
//! Called by: the monitor (`look`), machines and foreign threads (`came_to_rest`). Blocks: writing to standard error.
//! Model: `model/deadlock.rs`, with the breaking switches of `base/attached.rs`.

use super::{attach, Shared};
use crate::base::attached::{Look, Place};
use crate::machine::Machine;
use crate::primitive::{AtomicU64, Mutex, Ordering::*};
use crate::source::timer::NEVER;
use crate::sys::{clock, peers, process, thread};
use crate::task::state::Status;
use crate::task::waiter::Waiter;
use crate::task::{Kind, Reason};

/// How long a state must last (`Settings::deadlock_ns`).
pub const SETTLE: i64 = 10_000_000;
/// The same while the process has threads that never called in.
const STRANGERS: i64 = 3_000_000_000;
/// How soon it is looked again whether it still has.
const AGAIN: i64 = 100_000_000;

/// The tasks' part of a state: the same as long as none is made, ends or is made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tasks {
    created: u64,
    ended: u64,
    wakes: u64,
}

/// A frozen state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    threads: Look,
    tasks: Tasks,
}

#[derive(Debug, Default)]
struct Seen {
    stamp: Option<Stamp>,
    since: i64,
    told: Option<Tasks>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Deadlock {
    /// The monitor's.
    seen: Mutex<Seen>,
    count: AtomicU64,
}

impl Deadlock {
    /// Verdicts so far.
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }
}

impl Shared {
    /// Everything but who is up.
    fn is_still(&self) -> Option<Tasks> {
        if self.earliest_timer() != NEVER || self.poller.waiters() != 0 {
            return None;
        }
        {
            let locked = self.lock.lock();
            // One that is dismissed may run a hook until its record is spare.
            if locked.idle_procs.len() != locked.procs as usize {
                return None;
            }
            // One that is locked to a parked task sleeps beside the list.
            let asleep = locked.machines.iter().filter(|m| m.asleep.get()).count();
            let asleep = asleep + locked.spare_machines.len() == locked.machines.len()
                && locked.machines.iter().all(|m| m.inbox_len.load(Relaxed) == 0 && !m.is_wanted());
            if !asleep || locked.starved || self.has_published_work() || self.visitors.load(SeqCst) != 0 {
                return None;
            }
        }
        let created = self.sum(|c| c.tasks_created.get().wrapping_add(c.spawns_begun.get()));
        let ended = self.sum(|c| c.tasks_ended.get().wrapping_add(c.spawns_over.get()));
        let wakes = self.sum(|c| c.wakes.get());
        (created != ended && self.earliest_timer() == NEVER).then_some(Tasks { created, ended, wakes })
    }

    /// The state, if it is frozen (D2).
    fn frozen(&self) -> Option<Stamp> {
        let threads = attach::all().look();
        if !threads.nobody_is_up() {
            return None;
        }
        let tasks = self.is_still()?;
        (attach::all().look() == threads).then_some(Stamp { threads, tasks })
    }

    /// Something came to rest just now: if that was the last, the monitor shall look (D4).
    pub fn came_to_rest(&self) {
        if self.frozen().is_some() {
            self.monitor.attend_until(clock::now() + SETTLE);
        }
    }

    /// By the monitor, before it sleeps until `until`: gives the verdict if it is time for it. Until when it may sleep.
    pub fn look_for_deadlock(&self, until: i64) -> i64 {
        until.min(self.look(clock::now()))
    }

    /// When to look again.
    fn look(&self, now: i64) -> i64 {
        let mut seen = self.deadlock.seen.lock();
        let mut stamp = self.frozen();
        if stamp.is_none() && !attach::all().look().nobody_is_up() && self.is_still().is_some() && attach::sweep() {
            stamp = self.frozen();
        }
        let Some(stamp) = stamp else {
            seen.stamp = None;
            return NEVER;
        };
        if seen.stamp != Some(stamp) {
            (seen.stamp, seen.since) = (Some(stamp), now);
        }
        let lasted = now - seen.since;
        if lasted < self.settings.deadlock_ns {
            return seen.since + self.settings.deadlock_ns;
        }
        if lasted < STRANGERS && self.has_strangers() {
            // One that has just ended may still be listed.
            return (seen.since + STRANGERS).min(now + AGAIN);
        }
        // Who was no stranger was counted as up before (`attach.rs`), perhaps after the first look at who is up.
        if self.frozen() != Some(stamp) {
            seen.stamp = None;
            return now + SETTLE;
        }
        if seen.told != Some(stamp.tasks) {
            if !self.all_wait() {
                // Cannot be, by D1; a verdict is not worth trusting it blindly.
                debug_assert!(false, "frozen, but some task is not parked");
                return NEVER;
            }
            seen.told = Some(stamp.tasks);
            self.deadlock.count.fetch_add(1, Relaxed);
            (self.settings.on_deadlock)(self);
            if self.settings.deadlock_abort {
                process::abort();
            }
        }
        self.tell();
        NEVER
    }

    /// True when every task that lives is parked. A task whose child runs on its stack, and is parked there, counts as running.
    fn all_wait(&self) -> bool {
        (0..self.slab.count()).filter_map(|index| self.slab.get(index)).all(|task| {
            // SAFETY: records are never freed while the runtime lives.
            let t = unsafe { &*task };
            match t.status.status() {
                Status::Free | Status::Ended | Status::Parked => true,
                Status::Running => t.reason.get() == Reason::JoinInPlace,
                // A ticket of a class or machine is no task (`Kind`).
                _ => t.kind.get() != Kind::Task,
            }
        })
    }

    /// True when the process has threads that are neither ours nor attached, or that cannot be told.
    fn has_strangers(&self) -> bool {
        let own = thread::current_tid();
        let is_ours = |tid| {
            if self.record.tid.load(Relaxed) == tid {
                return true;
            }
            let locked = self.lock.lock();
            let is_over = |m: &Machine| locked.spare_machines.iter().any(|&spare| std::ptr::eq(spare, m));
            locked.machines.iter().any(|m| m.tid.load(Relaxed) == tid && !is_over(m))
        };
        peers::has_other_thread(|tid| tid != own && !attach::slots().any(|slot| slot.tid() == tid) && !is_ours(tid))
    }

    /// Ends the waits of those who shall know.
    fn tell(&self) {
        for slot in attach::slots() {
            slot.judge(|place| match place {
                Place::Waiter(waiter) => {
                    // SAFETY: A3: its thread waits for us.
                    let waiter = unsafe { &*(waiter as *const Waiter) };
                    if waiter.word().end_by_verdict() {
                        attach::all().get_up();
                        waiter.wake_ended();
                    }
                }
                Place::Quiet => {
                    attach::all().get_up();
                    self.quiet.wake();
                }
                Place::Plain => {}
            });
        }
    }

    /// How many attached threads are up although nothing else can move a task: why there is no verdict. For dumps.
    pub fn threads_up_while_still(&self) -> Option<u32> {
        let up = attach::all().look().up();
        (up != 0 && self.is_still().is_some()).then_some(up)
    }
}
