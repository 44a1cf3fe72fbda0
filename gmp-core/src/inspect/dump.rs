//! The dump: every task, machine and processor as text.
//!
//! Owns: the form of the whole (`gmp_dump` in the C header describes it), and when tasks are grouped.
//! Always true: nobody is stopped for it, and no lock is held while the text is made longer than a copy takes (`machines.rs`,
//! `tasks.rs`); what is written in short is counted and said.
//!
//! Called by: `gmp_dump`, and whoever reports on a runtime. Blocks: the thread on the scheduler's lock, briefly, and on the
//! dynamic loader's for names; a task must be outside.

use super::groups::Groups;
use super::machines::{call_name, yes, Machines};
use super::place;
use super::stats;
use super::tasks::{self, State, TaskSeen};
use super::text::Text;
use super::trace::Tracer;
use crate::base;
use crate::base::error::{Error, Result};
use crate::primitive::Ordering::*;
use crate::sched::Shared;
use crate::sys::clock;
use crate::task::reason_name;

/// Up to so many tasks each has its lines.
const ALL: usize = 1000;
/// With more, so many of each group have.
const SHOWN: u64 = 3;

/// The text for a process without a runtime.
pub const NOT_RUNNING: &str = concat!("gmp dump version=", env!("CARGO_PKG_VERSION"), " not running\n");

/// A task that may be shown, and how many of its group came before it.
struct Kept {
    seen: TaskSeen,
    before: u64,
}

/// The whole runtime as text. `NoMemory`.
pub fn text(s: &Shared) -> Result<Vec<u8>> {
    let now = clock::now();
    let mut machines = Machines::see(s)?;
    let mut groups = Groups::default();
    let mut kept: Vec<Kept> = Vec::new();
    let mut counts = [0u64; State::ALL.len()];
    tasks::each(s, &machines, now, |seen| {
        counts[seen.state as usize] += 1;
        let before = groups.add(&seen)?;
        if kept.len() < ALL || before < SHOWN {
            kept.try_reserve(1).map_err(|_| Error::NoMemory)?;
            kept.push(Kept { seen, before });
        }
        Ok(())
    })?;
    let total: u64 = counts.iter().sum();
    let mut text = Text::default();
    head(s, &mut text, &counts, &machines, now)?;
    // Deadlines are of the tasks' clock, which may be virtual.
    machines.write(&mut text, base::clock::now())?;
    if let Some(threads) = s.threads_up_while_still() {
        text.add(format_args!("still: nothing can move a task but {threads} threads of the program's own\n"))?;
    }
    for (call, times) in s.calls.counted() {
        let name = call.map_or(Some("unknown"), call_name);
        match name {
            Some(name) => text.add(format_args!("retaken call={name} times={times}\n"))?,
            None => text.add(format_args!("retaken call={} times={times}\n", call.unwrap_or(-1)))?,
        }
    }
    if total > ALL as u64 {
        kept.retain(|kept| kept.before < SHOWN);
        text.add(format_args!(
            "grouped: {total} tasks by state, reason and spawn site; {} of each group in full, {} in all\n",
            SHOWN,
            kept.len()
        ))?;
        write_groups(&mut text, groups)?;
    }
    kept.sort_unstable_by_key(|kept| kept.seen.look.id);
    let tracer = Tracer::new();
    for kept in &kept {
        kept.seen.write(s, &mut text)?;
        tracer.write(s, &mut text, &kept.seen)?;
    }
    Ok(text.into_bytes())
}

fn head(s: &Shared, text: &mut Text, counts: &[u64; State::ALL.len()], machines: &Machines, now: i64) -> Result<()> {
    text.push(concat!("gmp dump version=", env!("CARGO_PKG_VERSION"), " uptime=").as_bytes())?;
    text.seconds(now - s.coarse.began())?;
    let n = stats::stats(s);
    text.add(format_args!(
        " procs={} threads={} global-queue={} starved={} refusing={}\n",
        n.procs,
        n.threads,
        machines.global,
        yes(machines.starved),
        yes(s.refusing.load(Relaxed)),
    ))?;
    text.push(b"tasks")?;
    for state in State::ALL {
        text.add(format_args!(" {}={}", state.name(), counts[state as usize]))?;
    }
    text.add(format_args!(" created={} finished={}\n", n.tasks_created, n.tasks_ended))?;
    text.add(format_args!(
        "counters switches={} steals={} parks={} wakes={} handoffs={} retakes-blocked={} retakes-running={} \
         timers-fired={} thread-limit-hits={} deadlocks={} stack-bytes-reserved={} stack-bytes-resident={}\n",
        n.switches,
        n.steals,
        n.parks,
        n.wakes,
        n.handoffs,
        n.retakes_blocked,
        n.retakes_running,
        n.timers_fired,
        n.thread_limit_hits,
        n.deadlocks,
        n.stack_bytes_reserved,
        n.stack_bytes_resident,
    ))
}

fn write_groups(text: &mut Text, groups: Groups) -> Result<()> {
    let others = groups.others;
    for group in groups.by_size() {
        let (state, reason, site) = group.key;
        text.add(format_args!("group tasks={} state={}", group.tasks, state.name()))?;
        if state == State::Parked {
            text.add(format_args!(" reason={}", reason_name(reason)))?;
        }
        if group.oldest.age >= 0 {
            text.push(b" oldest=")?;
            text.seconds(group.oldest.age)?;
        }
        text.add(format_args!(" example={} site=", group.oldest.look.id))?;
        place::write(text, site)?;
        text.push(b"\n")?;
    }
    if others > 0 {
        text.add(format_args!("group tasks={others} of more groups than are told apart\n"))?;
    }
    Ok(())
}
