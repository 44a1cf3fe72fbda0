//! Tasks as a dump sees them.
//!
//! Owns: what a task's state is called, the walk over all records, and a task's line.
//! Always true: the walk stops nobody. A task that lives from before the walk to after it is met exactly once, as its record
//! is its own for that long; others may be met or not. Nothing of a task's is followed but its `Extra`, pinned (`sched/cancel.rs`),
//! for as long as its bytes are copied.

use super::machines::{self, MachineSeen, Machines};
use super::place;
use super::text::Text;
use crate::base::coarse;
use crate::base::error::{Error, Result};
use crate::machine::Machine;
use crate::primitive::Ordering::Relaxed;
use crate::sched::Shared;
use crate::stack::Class;
use crate::sys::observe::Doing;
use crate::task::extra::{BOND_LOCKED, BOND_STICKY};
use crate::task::look::Look;
use crate::task::state::Status;
use crate::task::{reason_name, Reason, Task, FLAG_BLOCKING, FLAG_SHIELDED};
use std::ffi::CStr;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It waits for its first run.
    New,
    /// It waits to go on.
    Runnable,
    Running,
    /// In a declared blocking section.
    Blocking,
    /// Its thread sleeps in the kernel, in code that did not say so.
    Blocked,
    Parked,
    /// Over; its handle was neither joined nor given up.
    Ended,
}

impl State {
    pub const ALL: [State; 7] =
        [State::New, State::Runnable, State::Running, State::Blocking, State::Blocked, State::Parked, State::Ended];

    pub fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Runnable => "runnable",
            State::Running => "running",
            State::Blocking => "blocking",
            State::Blocked => "blocked",
            State::Parked => "parked",
            State::Ended => "ended",
        }
    }
}

/// One task.
#[derive(Clone, Copy, Debug)]
pub struct TaskSeen {
    pub task: *const Task,
    pub look: Look,
    pub state: State,
    /// A `Reason` by number.
    pub reason: u8,
    /// How long it has been parked, or is known to have been away in foreign code; −1: neither, or not known.
    pub age: i64,
    /// The thread that runs it, and what that does.
    thread: Option<(i32, Doing)>,
}

impl TaskSeen {
    fn new(task: &Task, look: Look, machine: Option<&MachineSeen>, now: i64) -> TaskSeen {
        // Its joiner's place in the stack is below the task that it runs; the record says that it runs.
        let hosts = look.reason == Reason::JoinInPlace as u8;
        let state = match look.status {
            Status::NewPrivate | Status::NewShared | Status::NewGlobal | Status::Free => State::New,
            Status::Ready => State::Runnable,
            Status::Parked => State::Parked,
            Status::Ended => State::Ended,
            Status::Running if hosts => State::Parked,
            Status::Running => match machine {
                Some(m) if m.blocking => State::Blocking,
                Some(m) if matches!(m.doing, Doing::Sleeps(_)) => State::Blocked,
                _ => State::Running,
            },
        };
        let age = match state {
            State::Parked if !hosts => coarse::age(look.parked_at, now),
            State::Blocking | State::Blocked => machine.and_then(|m| m.away_since).map_or(-1, |since| now - since),
            _ => -1,
        };
        let reason = if state == State::Parked { look.reason } else { 0 };
        let thread = machine.filter(|_| look.status == Status::Running && !hosts).map(|m| (m.tid, m.doing));
        TaskSeen { task, look, state, reason, age, thread }
    }

    /// Its line.
    pub fn write(&self, s: &Shared, text: &mut Text) -> Result<()> {
        text.add(format_args!("task {} state={}", self.look.id, self.state.name()))?;
        if self.state == State::Parked {
            text.add(format_args!(" reason={}", reason_name(self.reason)))?;
            if (Reason::FdRead as u8..=Reason::Fd as u8).contains(&self.reason) {
                text.add(format_args!(" fd={}", self.look.object))?;
            }
        }
        if self.age >= 0 {
            text.push(b" for=")?;
            text.seconds(self.age)?;
        }
        if let Some((tid, doing)) = self.thread {
            text.add(format_args!(" thread={tid}"))?;
            machines::write_call(text, doing)?;
        }
        if self.look.has_extra && self.state != State::Ended {
            self.write_extra(s, text)?;
        }
        for (is, mark) in [
            (self.look.cancelled, " cancelled"),
            (self.look.flags & FLAG_SHIELDED != 0, " shielded"),
            (self.look.flags & FLAG_BLOCKING != 0, " will-block"),
        ] {
            text.push(if is { mark.as_bytes() } else { b"" })?;
        }
        if let Some(host) = self.look.host.checked_sub(1) {
            // SAFETY: a record's index, of this runtime; records are never freed while it lives.
            if let Some(host) = s.slab.get(host).and_then(|host| unsafe { &*host }.look()) {
                text.add(format_args!(" on-stack-of={}", host.id))?;
            }
        }
        let class = Class::ALL[self.look.stack_class as usize % Class::ALL.len()];
        text.add(format_args!(" stack={}K site=", class.slot() / 1024))?;
        place::write(text, self.look.site)?;
        text.push(b"\n")
    }

    /// Name, class, context: copied while the task cannot end, written after.
    fn write_extra(&self, s: &Shared, text: &mut Text) -> Result<()> {
        let (mut name, mut class) = (Text::default(), Text::default());
        let (mut bonds, mut tid) = (0, 0);
        // SAFETY: records are never freed while the runtime lives.
        let task = unsafe { &*self.task };
        let copied = s.with_extra(task, self.look.generation, |extra| {
            name.push(&extra.name)?;
            // SAFETY: classes live as long as the runtime; a class's name is its owner's, and stays as long.
            if let Some(named) = unsafe { extra.class.as_ref() } {
                let bytes = match named.hooks.name.is_null() {
                    true => b"unnamed".as_slice(),
                    // SAFETY: as above.
                    false => unsafe { CStr::from_ptr(named.hooks.name) }.to_bytes(),
                };
                class.push(bytes)?;
            }
            // SAFETY: the task may be changing the two: bytes and words, read once. Machines are not freed while the runtime
            // lives.
            unsafe {
                bonds = (&raw const extra.bonds).read_volatile();
                let pin = (&raw const extra.pin).read_volatile() as *const Machine;
                tid = pin.as_ref().map_or(0, |m| m.tid.load(Relaxed));
            }
            Ok::<bool, Error>(extra.member.is_in_a_context())
        });
        let Some(in_a_context) = copied.transpose()? else { return Ok(()) };
        let (name, class) = (name.into_bytes(), class.into_bytes());
        for (label, bytes) in [(" name=", name), (" class=", class)] {
            if !bytes.is_empty() {
                text.push(label.as_bytes())?;
                text.quote(&bytes)?;
            }
        }
        text.push(if in_a_context { b" context" } else { b"" })?;
        text.push(if bonds & BOND_STICKY != 0 { b" sticky" } else { b"" })?;
        text.push(if bonds & BOND_LOCKED != 0 { b" locked" } else { b"" })?;
        match tid {
            0 => Ok(()),
            tid => text.add(format_args!(" bound-to={tid}")),
        }
    }
}

/// Calls `each` with every task.
pub fn each(s: &Shared, machines: &Machines, now: i64, mut each: impl FnMut(TaskSeen) -> Result<()>) -> Result<()> {
    for index in 0..s.slab.count() {
        let Some(task) = s.slab.get(index) else { break };
        // SAFETY: records are never freed while the runtime lives.
        let task = unsafe { &*task };
        let Some(look) = task.look() else { continue };
        let machine = if look.status == Status::Running { machines.of(task) } else { None };
        each(TaskSeen::new(task, look, machine, now))?;
    }
    Ok(())
}
