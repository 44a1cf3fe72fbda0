//! What is said of a task that has run past its stack.
//!
//! Owns: which fault is an overflow, whose it is, and the line. It is said; what happens then is the host's affair (`sys/linux/fault.rs`).
//!
//! Always true:
//!  - O1. Runs in a signal handler, on the thread that faulted: no lock, no memory, nothing that may change threads. What it reads of other tasks it
//!        may find half changed, and prints.
//!  - O2. A fault that is not in the guard of a slot of ours, or not on a machine of a runtime that was asked to tell, is nobody's
//!        business here.
//!
//! Whose overflow: the fault is in a guard. If it is the guard of the stack that the current task runs on (its own, or its joiner's), it is that
//! task's. Else the frame was so large that it reached the guard of a neighbour: the stack pointer is below the current task's stack. Without a
//! current task it was about to leave its stack: it is the one that owns it. Else a pointer went astray: who ran and whose guard it was is
//! said, but not that anything overflowed. (In the few instructions between a successor being made current and the switch, which need less stack
//! than what came before them, it would be taken for the successor's.)

use super::Shared;
use crate::base::line::Line;
use crate::machine::Machine;
use crate::primitive::tls;
use crate::stack::{Place, Stack};
use crate::sys::fault::{self, Fault};
use crate::task::Task;
use std::mem::ManuallyDrop;

/// What handlers of signals have, on threads of ours that have no alternate stack already.
pub const ALTERNATE_STACK: usize = 64 << 10;

/// The longest part of a task's name that is said.
const NAME: usize = 128;

/// Tasks that run in place on each other's stacks, at most: a longer list is one that is just changing.
const HOSTS: usize = 1 << 16;

/// Says so if `fault` is in a guard of ours. True if it was.
pub fn report(fault: &Fault) -> bool {
    let m = tls::get() as *const Machine;
    if m.is_null() {
        return false;
    }
    // SAFETY: the calling thread's machine, which outlives it, as the runtime does.
    let (s, current) = unsafe { (&*((*m).shared as *const Shared), (*m).current.get().as_ref()) };
    if !s.settings.overflow_handler {
        return false;
    }
    let Some(place) = s.depot.contains(fault.address).filter(|place| fault.address < place.limit) else { return false };
    let mut line = Line::new();
    line.text("gmp: ");
    match whose(s, fault, &place, current) {
        Some((t, place)) => overflow(&mut line, s, fault, t, &place),
        None => astray(&mut line, s, fault, current, &place),
    }
    fault::say(line.text("\n").bytes());
    true
}

/// The task that has overflowed, and the slot it runs on.
fn whose<'a>(s: &'a Shared, fault: &Fault, place: &Place, current: Option<&'a Task>) -> Option<(&'a Task, Place)> {
    if let Some(t) = current.filter(|t| t.limit.get() == place.limit) {
        return Some((t, *place));
    }
    let Some(t) = current else {
        let on = s.depot.contains(fault.sp).is_some_and(|on| on == *place);
        return owner(s, place).filter(|_| on).map(|t| (t, *place));
    };
    let own = s.depot.contains(t.limit.get())?;
    (fault.sp < own.limit && fault.sp >= place.low).then_some((t, own))
}

/// The task whose own stack a slot is.
fn owner<'a>(s: &'a Shared, place: &Place) -> Option<&'a Task> {
    // SAFETY: below the count, and records stay.
    let mut records = (0..s.slab.count()).map(|index| unsafe { &*s.slab.at(index) });
    records.find(|t| {
        // SAFETY: a word-sized read of a cell that its owner may be writing (O1); the value is compared only.
        let raw = unsafe { t.stack.as_ptr().read_volatile() };
        // SAFETY: looked at only, and never given back.
        raw != 0 && unsafe { ManuallyDrop::new(Stack::from_raw(raw)) }.limit() as usize == place.limit
    })
}

fn overflow(line: &mut Line, s: &Shared, fault: &Fault, t: &Task, place: &Place) {
    task(line, t);
    let used = if fault.sp <= place.top { place.top - fault.sp } else { place.top.saturating_sub(fault.address) };
    line.text(": stack overflow (size ").number((place.top - place.limit) as u64);
    line.text(", used ").number(used as u64);
    let host = host(s, t);
    if let Some(host) = host {
        line.text(", on the stack of task ").number(host.id.get());
    }
    line.text(", spawned at ");
    site(line, t.site.get());
    line.text(")");
}

fn astray(line: &mut Line, s: &Shared, fault: &Fault, current: Option<&Task>, place: &Place) {
    match current {
        Some(t) => task(line, t),
        None => _ = line.text("a machine"),
    }
    line.text(": access to ").address(fault.address).text(", in the guard of ");
    match owner(s, place) {
        Some(t) => _ = line.text("the stack of task ").number(t.id.get()),
        None => _ = line.text("a stack that no task has"),
    }
}

fn task(line: &mut Line, t: &Task) {
    line.text("task ").number(t.id.get());
    // SAFETY: the current task's own box, on its thread; the name was set before the task was visible. Another task's is not asked for
    // but in the moment of its leaving.
    if let Some(extra) = unsafe { t.extra.shown().as_ref() }.filter(|extra| !extra.name.is_empty()) {
        let name = extra.name.get(..NAME).unwrap_or(&extra.name);
        line.text(" (").raw(name).text(")");
    }
}

/// The task on whose stack `t` runs in place.
fn host<'a>(s: &'a Shared, t: &'a Task) -> Option<&'a Task> {
    let above = |t: &Task| match t.host.get() {
        0 => None,
        // SAFETY: the index of a record, which stays.
        index => Some(unsafe { &*s.slab.at(index - 1) }),
    };
    std::iter::successors(above(t), |t| above(t)).take(HOSTS).last()
}

fn site(line: &mut Line, site: usize) {
    if site == 0 {
        line.text("an unknown place");
        return;
    }
    line.address(site);
    if let Some(module) = fault::module_of(site) {
        line.text(" = ").raw(module.name()).text("+").address(module.offset);
    }
}
