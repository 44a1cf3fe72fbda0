//! Hand-off: a processor goes on without a machine that blocks (§8.3, §9).
//!
//! Owns: the declared blocking section, and who gets a processor that was taken.
//!
//! Entering a section costs two stores: the machine is outside anyway, so its processor can be taken. The monitor
//! takes it after about 20 µs if work waits. When a good part of a processor's sections has lately been taken, and work
//! waits, the entering machine hands over at once instead ([`EAGER`]). Whether that was worth it the kernel says: a
//! thread that has not slept in the section would have been back at once, and counts against the next hand-over.
//!
//! Tried and dropped: judging by the clock (with more threads than CPUs a 2 µs read takes 50 µs of waiting for a CPU, so
//! reading 22,000 small files handed over 26,000 times and took twice as long).
//!
//! Always true: after `give_away` no runnable task or timer depends on the machine that lost the processor (§8.4).

use super::{enter, find, record, taking, token, Locked, Shared};
use crate::base::error::{Error, Result};
use crate::machine::owner::SEIZE;
use crate::machine::Machine;
use crate::primitive::{MutexGuard, Ordering::*};
use crate::processor::Processor;
use crate::sys::thread;

/// From this score on a section hands over at once. A section that is taken adds [`TAKEN`]; one that was handed over adds
/// one if it was worth it and takes [`FOR_NOTHING`] off if not; every [`FADE`] sections one is taken off. So one taken
/// section in sixteen keeps the score where it is.
const EAGER: u32 = 8;
const MOST: u32 = 16;
const TAKEN: u32 = 2;
const FOR_NOTHING: u32 = 4;
const FADE: u32 = 8;

/// The score after the monitor has taken a processor from a declared section.
pub fn taken(score: u32) -> u32 {
    (score + TAKEN).min(MOST)
}

/// The calling task is about to block. `Misuse` when it said so already; nothing outside a task.
#[inline(always)]
pub fn blocking_enter() -> Result<()> {
    let m = enter::task_machine();
    if m.is_null() {
        return Ok(());
    }
    // SAFETY: this thread's machine.
    let m = unsafe { &*m };
    if m.blocking.load(Relaxed) {
        return Err(Error::Misuse);
    }
    m.blocking.store(true, Relaxed);
    record::blocks(m, true);
    // A new tick: the monitor counts the section's time from here.
    m.exit();
    // SAFETY: processors are never freed while the runtime lives; only atomics are read, as a hint.
    let waits = unsafe {
        let p = m.processor.load(Relaxed);
        let s = &*(m.shared as *const Shared);
        !p.is_null() && ((*p).runq.private_len() > 0 || (*p).runq.has_shared())
            || !s.global.is_empty()
            || !m.token.get().is_null() && token::waits_behind(m)
    };
    if waits {
        contended();
    }
    Ok(())
}

/// Work waits behind the section that begins.
#[cold]
fn contended() {
    let Some(i) = enter::enter() else { return };
    let (m, s) = (i.m(), i.s());
    m.blocking.store(true, Relaxed);
    let (score, sections) = (&i.p().blocking_score, &i.p().sections);
    sections.set(sections.get().wrapping_add(1));
    if sections.get().is_multiple_of(FADE) {
        score.set(score.get().saturating_sub(1));
    }
    if score.get() >= EAGER && find::others_wait(i) {
        let locked = s.lock.lock();
        let p = s.unassign(m);
        record::handed_off(s, m, p);
        // The way out will find the processor gone.
        m.owner.request(SEIZE);
        m.slept.set(thread::times_slept() + 1);
        s.tallies.handoffs.fetch_add(1, Relaxed);
        s.give_away(locked, p);
        taking::taken_from(s, m);
    } else {
        s.monitor.attend();
    }
    m.exit();
}

/// The calling task has blocked. `Misuse` without a matching enter; nothing outside a task.
#[inline(always)]
pub fn blocking_exit() -> Result<()> {
    let m = enter::task_machine();
    if m.is_null() {
        return Ok(());
    }
    // SAFETY: this thread's machine.
    let m = unsafe { &*m };
    if !m.blocking.load(Relaxed) {
        return Err(Error::Misuse);
    }
    m.blocking.store(false, Relaxed);
    record::blocks(m, false);
    if m.owner.requested() != 0 {
        returned(m);
    }
    Ok(())
}

/// Something is requested: most likely the processor is gone. Gets one, or queues the task.
#[cold]
fn returned(m: &Machine) {
    let slept = m.slept.replace(0);
    let for_nothing = slept != 0 && thread::times_slept() + 1 == slept;
    let Some(i) = enter::enter() else { return };
    if slept != 0 {
        let score = &i.p().blocking_score;
        score.set(if for_nothing { score.get().saturating_sub(FOR_NOTHING) } else { (score.get() + 1).min(MOST) });
    }
    i.exit();
}

impl Shared {
    /// A processor that was taken from its machine goes to another one if there is work for it, else to the idle list.
    pub fn give_away(&self, mut locked: MutexGuard<'_, Locked>, p: &Processor) {
        if p.runq.private_len() > 0 || self.has_published_work() {
            return self.start_machine(locked, p, false);
        }
        if self.idle.idle() == 0 && self.idle.searching() == 0 && self.has_private_work() {
            // The last one to look around: others may have work that nobody has asked for.
            self.idle.start_search();
            return self.start_machine(locked, p, true);
        }
        self.push_idle(&mut locked, p);
        self.tell_watcher(&mut locked);
        drop(locked);
        self.monitor.attend();
    }
}
