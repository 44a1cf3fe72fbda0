//! Machines and processors as a dump sees them.
//!
//! Owns: the copy of what they hold, and its lines. Always true: the copy is made under the scheduler's lock, in memory that was
//! had before; the kernel is asked and text is written after it was let go.

use super::text::Text;
use crate::base::error::{Error, Result};
use crate::machine::Machine;
use crate::primitive::Ordering::*;
use crate::processor::Processor;
use crate::sched::Shared;
use crate::source::timer::NEVER;
use crate::sys::observe::{self, Doing};
use crate::sys::thread;
use crate::task::Task;

/// One machine.
#[derive(Clone, Copy, Debug)]
pub struct MachineSeen {
    pub index: u32,
    /// 0 while its thread has yet to begin.
    pub tid: i32,
    /// The task that it runs; not to be followed but as a record.
    pub task: *const Task,
    /// The index of its processor.
    pub processor: Option<u32>,
    pub asleep: bool,
    pub searching: bool,
    /// It runs one task only.
    pub locked: bool,
    /// In a declared blocking section.
    pub blocking: bool,
    pub doing: Doing,
    /// Since when the monitor has seen it away in foreign code; not every stretch is looked at.
    pub away_since: Option<i64>,
}

/// One processor.
#[derive(Clone, Copy, Debug)]
struct ProcessorSeen {
    index: u32,
    /// The index of its machine.
    machine: Option<u32>,
    alive: bool,
    private: u32,
    shared: bool,
    timers: usize,
    due: i64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Machines {
    /// In the order of the records that they run, to be found by those.
    seen: Vec<MachineSeen>,
    processors: Vec<ProcessorSeen>,
    pub global: usize,
    pub starved: bool,
}

/// What a system call is called.
pub fn call_name(number: i32) -> Option<&'static str> {
    syscalls::Sysno::new(number as usize).map(|call| call.name())
}

impl Machines {
    /// Copies, then asks the kernel about the threads that run tasks.
    pub fn see(s: &Shared) -> Result<Machines> {
        let mut all = Machines::default();
        loop {
            let locked = s.lock.lock();
            let (machines, processors) = (locked.machines.len(), s.procs_made() as usize);
            if all.seen.capacity() >= machines && all.processors.capacity() >= processors {
                all.seen.extend(locked.machines.iter().map(|m| see_machine(m)));
                all.processors.extend(s.procs().take(processors).map(see_processor));
                all.starved = locked.starved;
                break;
            }
            drop(locked);
            all.seen.try_reserve(machines + machines / 8 + 1).map_err(|_| Error::NoMemory)?;
            all.processors.try_reserve(processors + 1).map_err(|_| Error::NoMemory)?;
        }
        all.global = s.global.len();
        // Of itself a thread would say that it asks.
        let me = thread::current_tid();
        for m in all.seen.iter_mut().filter(|m| m.tid != 0 && m.tid != me && !m.task.is_null()) {
            m.doing = observe::look(m.tid);
        }
        all.seen.sort_unstable_by_key(|m| m.task as usize);
        Ok(all)
    }

    /// The machine that ran `task` when the machines were looked at.
    pub fn of(&self, task: *const Task) -> Option<&MachineSeen> {
        let at = self.seen.binary_search_by_key(&(task as usize), |m| m.task as usize).ok()?;
        Some(&self.seen[at])
    }

    pub fn write(&mut self, text: &mut Text, now: i64) -> Result<()> {
        for p in &self.processors {
            write_processor(text, p, now)?;
        }
        self.seen.sort_unstable_by_key(|m| m.index);
        for m in self.seen.iter().filter(|m| m.tid != 0) {
            write_machine(text, m)?;
        }
        self.seen.sort_unstable_by_key(|m| m.task as usize);
        Ok(())
    }
}

fn see_machine(m: &Machine) -> MachineSeen {
    let p = m.processor.load(Relaxed);
    MachineSeen {
        index: m.index,
        tid: m.tid.load(Relaxed),
        task: m.seen_task(),
        // SAFETY: processors are not freed while the runtime lives; the index never changes.
        processor: unsafe { p.as_ref() }.map(|p| p.index),
        asleep: m.asleep.get(),
        searching: m.is_seen_searching(),
        locked: m.is_seen_locked(),
        blocking: m.blocking.load(Relaxed),
        doing: Doing::Unknown,
        away_since: m.reading.get().map(|away| away.since),
    }
}

fn see_processor(p: &Processor) -> ProcessorSeen {
    let m = p.machine.load(Acquire) as *const Machine;
    ProcessorSeen {
        index: p.index,
        // SAFETY: machines are not freed while the runtime lives; the index never changes.
        machine: unsafe { m.as_ref() }.map(|m| m.index),
        alive: p.alive.get(),
        private: p.runq.private_len(),
        shared: p.runq.has_shared(),
        timers: p.timers.len(),
        due: p.timers.earliest(),
    }
}

fn write_processor(text: &mut Text, p: &ProcessorSeen, now: i64) -> Result<()> {
    let state = match (p.alive, p.machine) {
        (false, _) => "retired",
        (true, None) => "idle",
        (true, Some(_)) => "busy",
    };
    text.add(format_args!("processor {} state={state}", p.index))?;
    if let Some(m) = p.machine {
        text.add(format_args!(" machine={m}"))?;
    }
    text.add(format_args!(" private={} shared={} timers={}", p.private, yes(p.shared), p.timers))?;
    if p.due != NEVER {
        text.push(b" next-timer=")?;
        text.seconds(p.due - now)?;
    }
    text.push(b"\n")
}

fn write_machine(text: &mut Text, m: &MachineSeen) -> Result<()> {
    let state = match (m.task.is_null(), m.asleep || m.locked, m.searching) {
        (false, _, _) => "running",
        (true, true, _) => "asleep",
        (true, false, true) => "searching",
        (true, false, false) => "between",
    };
    text.add(format_args!("machine {} thread={} state={state}", m.index, m.tid))?;
    // SAFETY: records are never freed while the runtime lives.
    if let Some(task) = unsafe { m.task.as_ref() }.and_then(|task| task.look()) {
        text.add(format_args!(" task={}", task.id))?;
    }
    text.push(if m.locked { b" locked" } else { b"" })?;
    match m.processor {
        Some(p) => text.add(format_args!(" processor={p}"))?,
        None if !m.task.is_null() => text.push(b" processor=none")?,
        None => {}
    }
    write_call(text, m.doing)?;
    text.push(b"\n")
}

/// The system call that a thread sleeps in.
pub fn write_call(text: &mut Text, doing: Doing) -> Result<()> {
    match doing {
        Doing::Sleeps(Some(number)) => match call_name(number) {
            Some(name) => text.add(format_args!(" call={name}")),
            None => text.add(format_args!(" call={number}")),
        },
        _ => Ok(()),
    }
}

pub fn yes(is: bool) -> &'static str {
    match is {
        true => "yes",
        false => "no",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_their_names() {
        assert_eq!(call_name(libc::SYS_read as i32), Some("read"));
        assert_eq!(call_name(libc::SYS_clock_nanosleep as i32), Some("clock_nanosleep"));
        assert_eq!(call_name(-1), None);
        assert_eq!(call_name(100_000), None);
    }
}
