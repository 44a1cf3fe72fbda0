//! The monitor (Go: sysmon): one thread without a processor that sees to what nobody else can see.
//!
//! Owns: the cadence and the thresholds. Does: retake from declared blocking sections (about 20 µs) and from foreign code that
//! says nothing (`retake.rs`), expose private work whose owner stays away while a processor is idle, end time slices (10 ms, a
//! request), see that due timers are run, retry for machines that could not be had, join threads that have ended, and once a
//! second house-keeping (trim stacks, follow the CPU limit, look for C++).
//!
//! Cadence: 20 µs between rounds; after 50 rounds without effect it doubles up to 10 ms (§10.1), but stays at 400 µs while
//! tasks come in and go out (100 µs while a processor is idle), and is ready when a machine that keeps work waiting is due for
//! a look. When nothing moves and nothing waits it sleeps without bound, though tasks may be away in foreign code: who pushes
//! a task or starts a timer wakes it (`attention.rs`).

use super::retake::{Burners, Suspect, Why, SLICE};
use super::{seeded, taking, token, Shared};
use crate::machine::owner::{CXX, INSIDE, YIELD};
use crate::machine::Machine;
use crate::primitive::Ordering::*;
use crate::processor::Processor;
use crate::source::timer::NEVER;
use crate::sys::{clock, cpu, observe, thread};
use std::ffi::c_void;

const FAST: i64 = 20_000;
/// While a processor is idle.
const HUNGRY: i64 = 100_000;
const ATTENTIVE: i64 = 400_000;
const SLOW: i64 = 10_000_000;
const ROUNDS: u32 = 50;
const DECLARED: i64 = 20_000;
const AWAY: i64 = 50_000;
const HOUSEKEEPING: i64 = 1_000_000_000;
/// House-keeping goes on this many rounds when all is idle, in this rhythm; then the monitor sleeps.
const IDLE_ROUNDS: u32 = 4;
const IDLE_HOUSEKEEPING: i64 = 200_000_000;
/// Stacks trimmed at a time.
const TRIM: usize = 1024;

/// What the monitor saw of one processor last time.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// The machine that it had. Ticks say something about one machine only.
    machine: u32,
    tick: u32,
    since: i64,
    slice: u32,
    slice_since: i64,
    suspect: Suspect,
}

struct Watch<'a> {
    s: &'a Shared,
    seen: Vec<Seen>,
    /// The same of the holders of tokens.
    held: Vec<Seen>,
    housekeeping: i64,
    follow: bool,
    /// A tracer is attached: each look costs more than all that is looked at, so they come every [`SLOW`].
    traced: bool,
    burners: Burners,
    /// House-keeping rounds since all went idle.
    idle_rounds: u32,
    /// A timer is due of a processor that nobody has and no machine can be had for: others must run it (`find.rs`).
    orphans: bool,
    /// Somebody waits for a descriptor, and nobody asks (`poll.rs`).
    unasked: bool,
}

/// What a round found.
struct Found {
    acted: bool,
    running: bool,
    /// Some processor has moved on since the last round.
    moving: bool,
    /// When a machine that keeps work waiting is due for a look ([`NEVER`]: there is none).
    again: i64,
    /// Processors behind whose machines work waits.
    waiting: usize,
}

/// The monitor's thread.
pub extern "C" fn monitor_thread(arg: *mut c_void) -> *mut c_void {
    // SAFETY: `Runtime` passes its `Shared`, which outlives this thread.
    let s = unsafe { &*(arg as *const Shared) };
    let follow = s.settings.follow_procs;
    thread::sleep_sharply();
    let (housekeeping, burners) = (clock::now() + HOUSEKEEPING, Burners::default());
    let traced = observe::is_traced();
    Watch {
        s,
        seen: Vec::new(),
        held: Vec::new(),
        housekeeping,
        follow,
        traced,
        burners,
        idle_rounds: 0,
        orphans: false,
        unasked: false,
    }
    .run();
    std::ptr::null_mut()
}

impl Watch<'_> {
    fn run(&mut self) {
        let s = self.s;
        let (mut delay, mut quiet) = (FAST, 0u32);
        while !s.stopping.load(Acquire) {
            let found = self.round();
            let now = clock::now();
            // Half a millisecond that nobody shall wait for behind foreign code; not for ever.
            let wait = if found.again == NEVER { 0 } else { 2 * HOUSEKEEPING };
            if now >= self.housekeeping + wait {
                self.keep_house(now);
            }
            if found.acted {
                (delay, quiet) = (FAST, 0);
            } else {
                quiet = quiet.saturating_add(1);
                if quiet > ROUNDS {
                    delay = (delay * 2).min(SLOW);
                }
            }
            if found.moving {
                delay = delay.min(if s.idle.has_idle() { HUNGRY } else { ATTENTIVE });
            }
            if self.traced {
                delay = SLOW;
            }
            if self.wait(delay, &found) {
                (delay, quiet) = (FAST, 0);
            }
        }
    }

    /// Sleeps. True: somebody asked for attention.
    fn wait(&mut self, delay: i64, found: &Found) -> bool {
        let s = self.s;
        let now = clock::now();
        let fast = if self.traced { SLOW } else { FAST };
        let mut until = (now + delay).min(found.again.max(now + fast));
        let long = !found.running || until > now + ATTENTIVE && !self.traced;
        if long {
            // Refused: look again soon.
            let sure = s.monitor.begin_long(&s.idle);
            let waiting = self.waiting();
            if waiting > 0 {
                // What the round found is looked at when it is due; what came just now, at once.
                if waiting > found.waiting {
                    until = now + FAST;
                }
            } else if sure && !found.running && !self.anything_to_watch() {
                until = self.idle_until(now);
            } else if sure && s.barrier.is_asymmetric() && delay >= SLOW && !self.is_unserved() {
                until = NEVER;
            }
        }
        let earliest = s.earliest_timer();
        if found.running && earliest > now {
            until = until.min(earliest.max(now + FAST));
        }
        // After `begin_long`: who begins to wait for a descriptor from here on finds the mark.
        until = until.min(s.poller_due().max(now + fast));
        let woken = s.monitor.sleep(until);
        if long {
            s.monitor.end_long(&s.idle);
        }
        woken
    }

    /// All is idle. The machines' watcher sees to timers; without one the monitor does.
    fn idle_until(&mut self, now: i64) -> i64 {
        let watched = !self.s.lock.lock().watcher.is_null();
        let until = self.s.look_for_deadlock(if watched { NEVER } else { self.s.earliest_timer() });
        if self.idle_rounds == IDLE_ROUNDS {
            return until;
        }
        // Stacks age over a few looks before they are trimmed.
        self.idle_rounds += 1;
        self.housekeeping = self.housekeeping.min(now + IDLE_HOUSEKEEPING);
        until.min(self.housekeeping.max(now + FAST))
    }

    /// Behind how many machines work waits.
    fn waiting(&self) -> usize {
        let now = clock::now();
        let waits = |p: &&Processor| {
            let m = p.machine.load(Acquire) as *const Machine;
            // SAFETY: machines are not freed while the runtime lives.
            unsafe { m.as_ref() }.is_some_and(|m| self.waits(p, now) || token::waits_behind(m))
        };
        let mut waiting = self.s.procs().filter(waits).count();
        self.s.each_stranded(|_, _, _| waiting += 1);
        waiting
    }

    /// Work waits for a machine, though a processor is idle.
    fn is_unserved(&self) -> bool {
        self.s.lock.lock().starved || self.s.idle.has_idle() && self.s.has_published_work()
    }

    /// See [`Watch::orphans`].
    fn has_orphans(&self, now: i64) -> bool {
        let s = self.s;
        s.procs().any(|p| p.machine.load(Relaxed).is_null() && p.timers.earliest() <= now)
            && (!s.idle.has_idle() || s.lock.lock().starved)
    }

    /// Something waits that this processor could run.
    fn waits(&self, p: &Processor, now: i64) -> bool {
        p.runq.private_len() > 0
            || p.runq.has_shared()
            || !self.s.global.is_empty()
            || p.timers.earliest() <= now
            || self.orphans
            || self.unasked
    }

    /// Work or running machines, although the last round saw none.
    fn anything_to_watch(&self) -> bool {
        self.s.has_published_work() || self.s.procs().any(|p| !p.machine.load(Relaxed).is_null()) || {
            let locked = self.s.lock.lock();
            // A thread that ends may take its time: its host's destructors run.
            locked.starved || !locked.ended.is_empty()
        }
    }

    fn round(&mut self) -> Found {
        let s = self.s;
        let now = clock::now();
        s.coarse.renew(now);
        s.join_ended();
        let mut found = Found { acted: false, running: false, moving: false, again: NEVER, waiting: 0 };
        self.orphans = self.has_orphans(now);
        self.unasked = s.is_unasked(now);
        // Once: processors may be added meanwhile.
        let made = s.procs_made();
        // A slice that was never seen begins now: it is not over at once.
        self.seen.resize(made as usize, Seen { since: now, slice_since: now, ..Seen::default() });
        for index in 0..made {
            let p = s.processor(index);
            let m = p.machine.load(Acquire) as *const Machine;
            // SAFETY: machines are not freed while the runtime lives.
            if let Some(m) = unsafe { m.as_ref() } {
                found.running = true;
                self.idle_rounds = 0;
                self.look(p, m, now, &mut found);
            }
        }
        self.look_at_tokens(now, &mut found);
        s.see_to_poller(now);
        if s.lock.lock().starved {
            s.retry_starved();
            found.running = true;
        } else if s.idle.has_idle() && s.has_published_work() && s.idle.wants_searcher() {
            // A due timer of a processor that nobody has, or a wake that could not be had.
            s.start_searcher();
            found.acted = true;
        }
        found
    }

    fn look(&mut self, p: &Processor, m: &Machine, now: i64, found: &mut Found) {
        let s = self.s;
        let waits = self.waits(p, now);
        let seen = &mut self.seen[p.index as usize];
        let tick = m.owner.look();
        if tick != seen.tick || tick == INSIDE || m.index != seen.machine {
            (seen.machine, seen.tick) = (m.index, tick);
            seen.since = now;
            seen.suspect.begin(now);
            found.moving = true;
        }
        let slice = p.slice.load(Relaxed);
        if slice != seen.slice {
            seen.slice = slice;
            seen.slice_since = now;
        }
        if !waits && !token::waits_behind(m) {
            return;
        }
        found.waiting += 1;
        if s.settings.seeded && now - seen.since < seeded::PATIENCE {
            found.again = found.again.min(seen.since + seeded::PATIENCE);
            return;
        }
        if self.orphans || p.timers.earliest() <= now {
            // The owner runs them at its next round.
            p.attention.store(true, Relaxed);
        }
        if now - seen.slice_since >= SLICE {
            seen.slice_since = now;
            p.attention.store(true, Relaxed);
            m.owner.request(YIELD);
        }
        let stuck = now - seen.since;
        if m.inbox_len.load(Relaxed) != 0 && tick != INSIDE && stuck >= AWAY {
            taking::revoke(s, m);
        }
        if !waits {
            // Another processor would not help.
            found.again = found.again.min(seen.slice_since + SLICE);
            return;
        }
        if tick == INSIDE {
            return;
        }
        let declared = m.blocking.load(Relaxed) || m.hinted.load(Relaxed);
        let due = if declared {
            if stuck >= DECLARED {
                found.acted |= s.retake(m, p, Why::Declared, seen.since);
            }
            seen.since + DECLARED
        } else if s.idle.has_idle() {
            if stuck >= AWAY && p.runq.private_len() > 0 {
                found.acted |= s.expose(m, p);
            }
            seen.since + AWAY
        } else {
            found.acted |= s.suspect(m, p, &mut seen.suspect, &mut self.burners, seen.since, now);
            seen.suspect.due()
        };
        found.again = found.again.min(due);
    }

    /// Holders of tokens that others wait for, with a processor or without.
    fn look_at_tokens(&mut self, now: i64, found: &mut Found) {
        let (s, all) = (self.s, &mut self.held);
        s.each_stranded(|index, token, m| {
            found.waiting += 1;
            if all.len() <= index {
                all.resize(index + 1, Seen::default());
            }
            let seen = &mut all[index];
            let tick = m.owner.look();
            if tick != seen.tick || m.index != seen.machine {
                (seen.machine, seen.tick, seen.since) = (m.index, tick, now);
                seen.suspect.begin(now);
            }
            if tick == INSIDE {
                return;
            }
            let due = if m.blocking.load(Relaxed) {
                if now - seen.since >= DECLARED {
                    found.acted |= s.take_token(token, m, Why::Declared, seen.since);
                }
                seen.since + DECLARED
            } else {
                found.acted |= s.suspect_holder(token, m, &mut seen.suspect, seen.since, now);
                seen.suspect.due()
            };
            found.again = found.again.min(due);
        });
    }

    fn keep_house(&mut self, now: i64) {
        let s = self.s;
        self.housekeeping = now + HOUSEKEEPING;
        s.depot.trim(TRIM);
        self.traced = observe::is_traced();
        if thread::cxx_probe() {
            for m in s.lock.lock().machines.iter() {
                m.owner.request(CXX);
            }
        }
        if self.follow && !s.procs_fixed.load(Relaxed) {
            let n = cpu::default_procs();
            if n as usize != s.procs_wanted() {
                s.set_procs(n);
            }
        }
    }
}
