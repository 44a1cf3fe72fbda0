//! The numbers of `gmp_stats`: counters since start, and levels now.
//!
//! Owns: how they are put together. Always true: levels are exact when the runtime is at rest; while it runs they are
//! sums of values read one after another, never negative.

use crate::primitive::Ordering::*;
use crate::sched::Shared;

/// See `gmp_stats_t` in the C header for the meaning of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub tasks_created: u64,
    pub tasks_ended: u64,
    pub switches: u64,
    pub steals: u64,
    pub parks: u64,
    pub wakes: u64,
    pub handoffs: u64,
    pub retakes_blocked: u64,
    pub retakes_running: u64,
    pub polls: u64,
    pub timers_fired: u64,
    pub thread_limit_hits: u64,
    pub deadlocks: u64,
    pub tasks_runnable: i64,
    pub tasks_running: i64,
    pub tasks_blocked: i64,
    pub tasks_parked: i64,
    pub timers_pending: i64,
    pub poll_waiters: i64,
    pub procs: i32,
    pub procs_idle: i32,
    pub threads: i32,
    pub threads_idle: i32,
    pub threads_searching: i32,
    pub threads_peak: i32,
    pub stack_bytes_reserved: u64,
    pub stack_bytes_resident: u64,
}

/// The numbers now.
pub fn stats(s: &Shared) -> Stats {
    let wakes = s.sum(|c| c.wakes.get());
    let parks = s.sum(|c| c.parks.get());
    let ended = s.sum(|c| c.tasks_ended.get());
    let created = s.sum(|c| c.tasks_created.get());
    let mut stats = Stats {
        tasks_created: created,
        tasks_ended: ended,
        switches: s.sum(|c| c.switches.get()),
        steals: s.sum(|c| c.steals.get()),
        parks,
        wakes,
        handoffs: s.tallies.handoffs.load(Relaxed),
        retakes_blocked: s.tallies.retakes_blocked.load(Relaxed),
        retakes_running: s.tallies.retakes_running.load(Relaxed),
        polls: s.poller.looks(),
        timers_fired: s.sum(|c| c.timers_fired.get()),
        thread_limit_hits: s.tallies.thread_limit_hits.load(Relaxed),
        deadlocks: s.deadlock.count(),
        tasks_parked: (parks as i64 - wakes as i64).max(0),
        timers_pending: s.procs().map(|p| p.timers.len() as i64).sum(),
        poll_waiters: s.poller.waiters().max(0),
        stack_bytes_reserved: s.depot.bytes_reserved() as u64,
        stack_bytes_resident: s.depot.bytes_resident() as u64,
        ..Stats::default()
    };
    let locked = s.lock.lock();
    for m in locked.machines.iter() {
        if m.runs_task() {
            // Retaken while it slept, and not back yet: it blocks too.
            let sleeps = m.reading.get().is_some_and(|away| !away.runs);
            match m.blocking.load(Relaxed) || sleeps {
                true => stats.tasks_blocked += 1,
                false => stats.tasks_running += 1,
            }
        }
    }
    let others = stats.tasks_parked + stats.tasks_running + stats.tasks_blocked;
    stats.tasks_runnable = (created as i64 - ended as i64 - others).max(0);
    stats.procs = locked.procs;
    stats.procs_idle = locked.idle_procs.len() as i32;
    stats.threads = locked.machine_count;
    stats.threads_idle = locked.idle_machines.len() as i32;
    stats.threads_searching = s.idle.searching() as i32;
    stats.threads_peak = locked.threads_peak;
    stats
}
