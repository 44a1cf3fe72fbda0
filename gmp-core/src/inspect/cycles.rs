//! Who waits for whom, when nothing moves: cycles over what has a known holder, and how many wait for each object.
//!
//! Owns: the search. A task that waits for a join waits for that task, exactly; for a mutex or a write lock, for the task that took it last (a
//! thread that is no task has no place in a cycle: it would be up, or lie). What a channel, a condition or a count waits for nobody can
//! tell.
//!
//! Always true: the tasks are parked and nobody moves them, so what they wait for stands. Should a thread that has never called in move
//! one in this very moment, a line is wrong; and an object that is freed then must lie in memory that can still be read.
//!
//! Called by: the report of a deadlock. Blocks: nothing.

use super::text::Text;
use crate::base::error::{Error, Result};
use crate::primitive::Ordering::Relaxed;
use crate::sched::Shared;
use crate::sync::mutex::Mutex;
use crate::sync::rwlock::RwLock;
use crate::sync::sema::mark_of;
use crate::task::state::Status;
use crate::task::{reason_name, Reason, Task};
use std::mem::offset_of;

/// Most cycles, members of one, and objects that are written.
const CYCLES: usize = 10;
const MEMBERS: usize = 32;
const OBJECTS: usize = 20;
const NOBODY: usize = usize::MAX;

/// One task.
struct Waiting {
    mark: u32,
    task: *const Task,
    reason: Reason,
    object: usize,
    /// Whom it waits for, in the same list; [`NOBODY`] if that is not known.
    whom: usize,
    /// The walk that came by, from 1.
    walk: usize,
}

/// Writes the cycles, and what is waited for otherwise.
pub fn write(s: &Shared, text: &mut Text) -> Result<()> {
    let mut all = collect(s)?;
    link(s, &mut all);
    let mut found = 0;
    for start in 0..all.len() {
        let mut at = start;
        while at != NOBODY && all[at].walk == 0 {
            all[at].walk = start + 1;
            at = all[at].whom;
        }
        if at != NOBODY && all[at].walk == start + 1 && found < CYCLES {
            found += 1;
            cycle(s, text, &all, at)?;
        }
    }
    objects(text, &mut all)
}

/// Every task that waits, in the order of their marks.
fn collect(s: &Shared) -> Result<Vec<Waiting>> {
    let mut all = Vec::new();
    for task in (0..s.slab.count()).filter_map(|index| s.slab.get(index)) {
        // SAFETY: records are never freed while the runtime lives.
        let t = unsafe { &*task };
        let reason = t.reason.get();
        let object = match t.status.status() {
            Status::Parked => t.link.get() as usize,
            // Its child runs on its stack.
            Status::Running if reason == Reason::JoinInPlace => 0,
            _ => continue,
        };
        all.try_reserve(1).map_err(|_| Error::NoMemory)?;
        all.push(Waiting { mark: mark_of(task), task, reason, object, whom: NOBODY, walk: 0 });
    }
    all.sort_unstable_by_key(|w| w.mark);
    Ok(all)
}

fn place(all: &[Waiting], mark: u32) -> usize {
    all.binary_search_by_key(&mark, |w| w.mark).unwrap_or(NOBODY)
}

fn link(s: &Shared, all: &mut [Waiting]) {
    for at in 0..all.len() {
        let w = &all[at];
        let mark = match w.reason {
            // The object is the cell in the other's record.
            Reason::Join if w.object != 0 => Some(mark_of((w.object - offset_of!(Task, join)) as *mut Task)),
            // SAFETY: a task waits there, so it stands.
            Reason::Mutex if w.object != 0 => unsafe { (*(w.object as *const Mutex)).holder() },
            Reason::RwLockRead | Reason::RwLockWrite if w.object != 0 => {
                // SAFETY: as above.
                unsafe { (*(w.object as *const RwLock)).writer() }
            }
            _ => None,
        };
        let whom = mark.filter(|&mark| mark != 0).map_or(NOBODY, |mark| place(all, mark));
        // SAFETY: records are never freed while the runtime lives.
        let host = unsafe { (*w.task).host.get() }.checked_sub(1).and_then(|index| s.slab.get(index));
        if whom != NOBODY {
            all[at].whom = whom;
        }
        if let Some(host) = host {
            // On whose stack it runs in place: that one waits for its end.
            let host = place(all, mark_of(host));
            if host != NOBODY && all[host].reason == Reason::JoinInPlace {
                all[host].whom = at;
            }
        }
    }
}

fn cycle(s: &Shared, text: &mut Text, all: &[Waiting], first: usize) -> Result<()> {
    text.push(b"cycle:")?;
    let mut at = first;
    for member in 0.. {
        let w = &all[at];
        if member == MEMBERS {
            text.push(b"; and so on")?;
            break;
        }
        text.push(if member == 0 { b" " } else { b"; " })?;
        name(s, text, w.task)?;
        match w.reason {
            Reason::Join | Reason::JoinInPlace => text.push(b" waits for the join of ")?,
            reason => text.add(format_args!(" waits for {} {:#x} held by ", reason_name(reason as u8), w.object))?,
        }
        name(s, text, all[w.whom].task)?;
        at = w.whom;
        if at == first {
            break;
        }
    }
    text.push(b"\n")
}

fn name(s: &Shared, text: &mut Text, task: *const Task) -> Result<()> {
    // SAFETY: records are never freed while the runtime lives.
    let t = unsafe { &*task };
    text.add(format_args!("task {}", t.id.get()))?;
    let named = s.with_extra(t, t.generation.load(Relaxed), |extra| match extra.name.is_empty() {
        true => Ok(()),
        false => {
            text.push(b" ")?;
            text.quote(&extra.name)
        }
    });
    named.unwrap_or(Ok(()))
}

/// How many wait for each object.
fn objects(text: &mut Text, all: &mut [Waiting]) -> Result<()> {
    let key = |w: &Waiting| (w.object, w.reason as u8);
    all.sort_unstable_by_key(key);
    let mut most: [(usize, usize); OBJECTS] = [(0, 0); OBJECTS];
    let mut at = 0;
    for same in all.chunk_by(|a, b| key(a) == key(b)) {
        if same[0].object != 0 {
            let least = most.iter_mut().min_by_key(|(n, _)| *n);
            if let Some(least) = least.filter(|(n, _)| *n < same.len()) {
                *least = (same.len(), at);
            }
        }
        at += same.len();
    }
    most.sort_unstable_by_key(|&(n, at)| (std::cmp::Reverse(n), at));
    for (n, at) in most.into_iter().filter(|&(n, _)| n > 0) {
        let w = &all[at];
        text.add(format_args!("waited for: {} {:#x} tasks={n}\n", reason_name(w.reason as u8), w.object))?;
    }
    Ok(())
}
