//! The order of looking for work (§5, §6).
//!
//! Owns: the order. [`local`] is what a leaving task tries on its own stack: it never waits nor searches elsewhere.
//! [`anywhere`] goes on with everybody else's work, from the machine's own stack.
//!
//! Order: expired timers; descriptors, if nobody has asked for a while (`poll.rs`); every 61st slice one from the global queue and one from the own shared deque; run-next
//! (same slice); ring; own shared deque; a batch of the global queue; then others' shared deques, in random order,
//! and others' timers.

use super::{poll, ready, record, seeded, Inside, Shared};
use crate::base::chaos::{self, Point};
use crate::base::clock;
use crate::primitive::Ordering::*;
use crate::processor::runq::Entry;
use crate::processor::Processor;
use crate::task::ready_list::ReadyList;
use crate::task::Task;

/// Every how many slices the global queue is looked at first (§4.10).
const FAIR: u32 = 61;
/// Every how many slices the clock is read while this processor has timers; the monitor bounds the rest.
const TIMER_SLICES: u32 = 16;
/// How often a search goes over all processors before it gives up (§6.1).
const STEAL_ROUNDS: u32 = 4;

/// The next task of this processor, already `Running`; None: search.
#[inline(always)]
pub fn local(i: Inside) -> Option<*mut Task> {
    let p = i.p();
    if p.attention.load(Relaxed) {
        if let Some(task) = attend(i) {
            return Some(task);
        }
    }
    let slice = p.slice.load(Relaxed);
    if slice == p.look_at.get() {
        if let Some(task) = look(i, slice) {
            return Some(task);
        }
    }
    if let Some(task) = p.runq.pop_next() {
        return Some(task);
    }
    p.slice.store(slice.wrapping_add(1), Relaxed);
    if let Some(task) = p.runq.pop_front() {
        if i.s().idle.hungry() && p.runq.ring_len() > 0 {
            ready::offer(i);
        }
        return Some(task);
    }
    slower(i)
}

/// The next task if it is simply the ring's first and can be switched to as it is: what a yield usually finds.
#[inline(always)]
pub fn plain(i: Inside) -> Option<*mut Task> {
    let p = i.p();
    let slice = p.slice.load(Relaxed);
    if p.attention.load(Relaxed) || slice == p.look_at.get() || i.s().idle.hungry() {
        return None;
    }
    let task = p.runq.pop_plain()?;
    p.slice.store(slice.wrapping_add(1), Relaxed);
    Some(task)
}

/// Something asked for a look at what is not looked at every time.
#[cold]
fn attend(i: Inside) -> Option<*mut Task> {
    let (p, m) = (i.p(), i.m());
    if i.s().settings.seeded {
        return seeded::choose(i);
    }
    p.attention.store(false, Relaxed);
    expire_own(i);
    // A retired processor's, or an idle one's that no machine can be had for.
    for of in i.s().procs().filter(|of| of.machine.load(Relaxed).is_null()) {
        expire(i, of);
    }
    ready::demote_next(i);
    if m.inbox_len.load(Relaxed) == 0 {
        return None;
    }
    super::inbox::take(i)
}

/// The clock is read every [`TIMER_SLICES`] slices while there are timers; the global queue and the own shared deque
/// are looked at first every [`FAIR`] slices, by turns.
#[cold]
fn look(i: Inside, slice: u32) -> Option<*mut Task> {
    let p = i.p();
    let timers = p.timers.earliest() != crate::source::timer::NEVER;
    let since = slice.wrapping_sub(p.fair_at.get());
    let fair = since >= FAIR || since == 0;
    if fair {
        p.fair_at.set(slice);
    }
    let rest = FAIR - if fair { 0 } else { since };
    p.look_at.set(slice.wrapping_add(if timers { rest.min(TIMER_SLICES) } else { rest }));
    if timers {
        expire_own(i);
    }
    if !fair {
        return None;
    }
    poll::ask_if_due(i);
    if slice / FAIR % 2 == 1 {
        if let Some(task) = p.runq.pop_shared() {
            return Some(task);
        }
    }
    let task = i.s().global.pop()?;
    // SAFETY: popped: ours.
    unsafe { (*task).status.start() };
    Some(task)
}

#[inline(never)]
fn slower(i: Inside) -> Option<*mut Task> {
    let p = i.p();
    if let Some(task) = p.runq.pop_shared() {
        return Some(task);
    }
    if !i.s().global.is_empty() {
        if let Some(task) = from_global(i) {
            return Some(task);
        }
    }
    // The last chance before leaving for the machine's own stack: a timer that is due.
    if p.timers.earliest() != crate::source::timer::NEVER && expire_own(i) {
        return p.runq.pop_next().or_else(|| p.runq.pop_front());
    }
    None
}

/// A batch of the global queue: the first task, the others into the private ring (empty at this point).
fn from_global(i: Inside) -> Option<*mut Task> {
    let s = i.s();
    let mut batch = s.global.take(s.procs_wanted());
    let first = batch.pop()?;
    while let Some(task) = batch.pop() {
        // SAFETY: taken from the queue: ours. Long parked: its frames are in nobody's cache, and it runs soon.
        prefetch(unsafe { (*task).sp.get() });
        // SAFETY: as above.
        if let Err(rest) = i.p().runq.push_back(unsafe { entry_of(task) }) {
            ready::overflow(i, rest);
        }
    }
    if i.p().runq.ring_len() > 0 && s.idle.hungry() {
        ready::offer(i);
    }
    // SAFETY: taken from the queue: ours.
    unsafe { (*first).status.start() };
    Some(first)
}

/// The private entry of a task of the global queue.
///
/// # Safety
/// `task` was taken from the queue.
#[inline(always)]
pub unsafe fn entry_of(task: *mut Task) -> Entry {
    // SAFETY: the caller's promise.
    let plain = unsafe { (*task).sp.get() != 0 && (*task).class().is_null() };
    if plain {
        Entry::ready(task)
    } else {
        Entry::special(task)
    }
}

/// Starts to load what a parked task's switch will read: three lines at its stack pointer.
#[inline(always)]
fn prefetch(sp: usize) {
    for line in 0..3 {
        crate::primitive::prefetch(sp.wrapping_add(line * 64));
    }
}

/// Sees to this processor's deadlines and timers that are due. True when there were any: tasks may have become ready.
pub fn expire_own(i: Inside) -> bool {
    expire(i, i.p())
}

fn expire(i: Inside, of: &Processor) -> bool {
    let earliest = of.timers.earliest();
    if earliest == crate::source::timer::NEVER {
        return false;
    }
    let now = clock::now();
    if earliest > now {
        return false;
    }
    let mut list = ReadyList::new();
    let fired = of.timers.expire(now, &mut list);
    i.p().counters.timers_fired.add(fired);
    if list.len() == 1 {
        ready::ready_all(i.s(), Some(i), &mut list);
    }
    // Several: in the order of their deadlines (through run-next the last would be first).
    while let Some(task) = list.pop() {
        // SAFETY: expired and parked: ours to make ready.
        unsafe { ready::ready_behind(i, task) };
    }
    fired > 0
}

/// True when another task could run here instead of the caller (used by yield and checkpoint).
#[inline(always)]
pub fn others_wait(i: Inside) -> bool {
    let (p, s) = (i.p(), i.s());
    p.runq.private_len() > 0
        || !s.global.is_empty()
        || p.runq.has_shared()
        || i.m().inbox_len.load(Relaxed) != 0
        || !i.m().token.get().is_null() && super::token::others_wait(i)
        || p.timers.earliest() != crate::source::timer::NEVER && p.timers.earliest() <= clock::now()
}

/// Work from anywhere, for a machine on its own stack. None: give up.
pub fn anywhere(i: Inside) -> Option<*mut Task> {
    let (m, s) = (i.m(), i.s());
    if m.inbox_len.load(Relaxed) != 0 {
        if let Some(task) = super::inbox::take(i) {
            return Some(task);
        }
    }
    if let Some(task) = local(i) {
        return Some(task);
    }
    if poll::ask(i) {
        if let Some(task) = local(i) {
            return Some(task);
        }
    }
    if s.settings.virtual_time && seeded::advance(i) {
        return local(i);
    }
    if !m.searching.replace(true) {
        s.idle.start_search();
    }
    // There is nobody to wait for where there is one processor.
    let rounds = if s.procs_made() == 1 { 1 } else { STEAL_ROUNDS };
    for round in 0..rounds {
        if let Some(task) = steal(i, round + 1 == rounds) {
            return Some(task);
        }
        if s.stopping.load(Relaxed) || m.owner.requested() != 0 {
            break;
        }
        if round + 1 == rounds {
            break;
        }
        // A moment for an owner that has just seen that somebody is hungry.
        for _ in 0..64 {
            crate::primitive::spin_hint();
        }
    }
    from_global(i)
}

/// One pass over all processors, from a random one, with a step coprime to their number (§6.1); the last pass runs
/// their expired timers too (§6.2).
fn steal(i: Inside, last: bool) -> Option<*mut Task> {
    let (p, s) = (i.p(), i.s());
    let n = s.procs_made();
    // SAFETY: the generator belongs to the processor, which is ours.
    let rng = unsafe { &mut *p.rng.get() };
    // One processor draws nothing: how often a machine looks in vain must not change a seed's choices.
    let (mut at, mut step) = if n > 1 { (rng.below(n), rng.below(n).max(1)) } else { (0, 1) };
    while gcd(step, n) != 1 {
        step = step % n + 1;
    }
    for _ in 0..n {
        at = (at + step) % n;
        let victim = s.processor(at);
        if last && expire(i, victim) {
            if let Some(task) = p.runq.pop_next().or_else(|| p.runq.pop_front()) {
                return Some(task);
            }
        }
        if at != p.index && victim.runq.has_shared() {
            chaos::point(Point::Steal);
            if let Some(task) = victim.runq.steal_into(&p.runq) {
                p.counters.steals.inc();
                record::steals(i);
                return Some(task);
            }
        }
    }
    None
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

impl Shared {
    /// True when something that any machine could take is published, or a timer is due: what a machine that gives
    /// up looks at again, and what a hand-off asks. (Must agree with [`anywhere`], §5.16.)
    pub fn has_published_work(&self) -> bool {
        if self.settings.virtual_time && self.can_advance() {
            return true;
        }
        !self.global.is_empty() || self.procs().any(|p| p.runq.has_shared()) || self.earliest_timer() <= clock::now()
    }

    /// True when some processor has private work that its owner could share.
    pub fn has_private_work(&self) -> bool {
        self.procs().any(|p| p.runq.private_len() > 0)
    }

    /// The earliest expiry of all timers that time itself brings about.
    pub fn earliest_timer(&self) -> i64 {
        if self.settings.virtual_time {
            return crate::source::timer::NEVER;
        }
        self.procs().map(|p| p.timers.earliest()).min().unwrap_or(crate::source::timer::NEVER)
    }
}
