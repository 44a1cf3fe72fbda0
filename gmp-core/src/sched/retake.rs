//! Retaking: a processor goes on without a machine that stays away in foreign code (DESIGN 5).
//!
//! Owns: when code that has not said anything loses its processor, and the bound on machines that compute without one.
//! Called by: the monitor, which has seen that work waits behind the machine and that no processor is idle.
//!
//! A machine that has been outside for [`BLOCKED`] ([`FIRST`] where all have lately been on the move) is read (`sys/linux/observe.rs`): asleep in the kernel, its processor goes
//! on at once; computing, after [`SLICE`]. Where tasks have lately been found asleep, the first look comes after [`SOON`].
//!
//! Always true:
//!  - R1. The machine is not touched and not told: it goes on with its task, and needs a processor at its next enter
//!        (`machine/owner.rs`, `enter.rs`).
//!  - R2. All that was queued moves with the processor (`give_away`).
//!  - R3. At most [`BURNERS`] machines for each processor compute without one: the kernel shares the CPUs out among
//!        threads, and each of these takes a share. Those that sleep are bounded by `max_threads` only.
//!  - R4. The token of a class with a lock of its own is taken (`taking.rs`) when the class says that its holder's task is blocked, and
//!        after [`SLICE`]. R3 does not count then: all others of the class would wait behind it, and its lock lets one of them compute
//!        at a time.

use super::record::{self, event::Taken};
use super::token::{self, Token};
use super::{seeded, taking, Locked, Shared};
use crate::base::chaos::{self, Point};
use crate::machine::reading::Away;
use crate::machine::Machine;
use crate::primitive::{MutexGuard, Ordering::*};
use crate::processor::Processor;
use crate::sys::observe::{self, Doing};

/// Asleep for so long: retaken.
const BLOCKED: i64 = 100_000;
/// Where nobody has lately been found asleep, a machine that was seen to move is first read after this: a busy server's always has
/// work waiting behind it, and a look every 100 µs was a tenth of a CPU.
const FIRST: i64 = 400_000;
/// The same where it has happened often.
const SOON: i64 = 0;
/// Computing for so long: retaken (§10).
pub const SLICE: i64 = 10_000_000;
/// A machine that computes is looked at again after [`BLOCKED`], twice that, and so on up to this.
const SELDOM: i64 = 500_000;
/// R3.
const BURNERS: usize = 4;
/// How many machines are asked at a time whether they compute again after a retake for sleeping.
const ASKED: usize = 16;
/// From this score on the first look comes [`SOON`]; a machine found asleep adds [`ASLEEP`], one that computes takes one off.
const EAGER: u8 = 8;
const MOST: u8 = 16;
const ASLEEP: u8 = 3;

/// Why a processor is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its task said that it would block.
    Declared,
    /// Asleep in this call.
    Blocked(Option<i32>),
    Running,
}

/// What is known of the machine behind one processor, in its present stretch outside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Suspect {
    /// When to read it (again), and how long to wait after that.
    at: i64,
    every: i64,
    /// CPU time that it had used, and when, where nothing else can be had.
    used: Option<(i64, i64)>,
    /// See [`EAGER`]. Kept from stretch to stretch.
    score: u8,
}

impl Why {
    fn noted(self) -> Taken {
        match self {
            Why::Declared => Taken::Declared,
            Why::Blocked(_) => Taken::Blocked,
            Why::Running => Taken::Running,
        }
    }
}

impl Suspect {
    /// A new stretch began, or was first seen, now.
    pub fn begin(&mut self, now: i64) {
        self.at = now
            + match self.score {
                EAGER.. => SOON,
                0 => FIRST,
                _ => BLOCKED,
            };
        self.every = BLOCKED;
        self.used = None;
    }

    /// When the next reading is due.
    pub fn due(&self) -> i64 {
        self.at
    }

    fn asleep(&mut self) {
        self.score = (self.score + ASLEEP).min(MOST);
    }

    /// It computes, or nothing is known.
    fn runs(&mut self, now: i64) {
        self.score = self.score.saturating_sub(1);
        self.at = now + self.every;
        self.every = (self.every * 2).min(SELDOM);
    }

    /// What the reading means; `None`: nothing yet.
    fn judge(&mut self, doing: Doing, now: i64) -> Option<Why> {
        match doing {
            Doing::Sleeps(call) => Some(Why::Blocked(call)),
            Doing::Used(used) => {
                let (before, then) = self.used.replace((used, now))?;
                // Less than a quarter of the time on a CPU: it sleeps (or has no CPU, and then loses little).
                let sleeps = (used - before) * 4 < now - then;
                Some(if sleeps { Why::Blocked(None) } else { Why::Running })
            }
            Doing::Runs | Doing::Unknown => Some(Why::Running),
        }
    }
}

/// The machines that compute without a processor. The monitor's own.
#[derive(Default)]
pub struct Burners {
    list: Vec<*const Machine>,
    /// Where the next asking begins.
    at: usize,
}

impl Burners {
    /// True when one more may compute without a processor.
    fn have_room(&mut self, s: &Shared) -> bool {
        let most = BURNERS * s.procs_wanted();
        // SAFETY: machines are not freed while the runtime lives.
        self.list.retain(|&m| unsafe { &*m }.is_burning());
        self.ask(s);
        if self.list.len() >= most {
            // SAFETY: as above.
            self.list.retain(|&m| unsafe { &*m }.still_burns());
        }
        self.list.len() < most && self.list.try_reserve(1).is_ok()
    }

    /// Looks at a few of those that were retaken while they slept: some may compute by now.
    fn ask(&mut self, s: &Shared) {
        let mut some = [std::ptr::null::<Machine>(); ASKED];
        let mut n = 0;
        {
            let locked = s.lock.lock();
            let all = locked.machines.len();
            for _ in 0..all.min(8 * ASKED) {
                self.at = (self.at + 1) % all;
                let m = &*locked.machines[self.at];
                if n < ASKED && m.is_away() && !m.is_burning() {
                    some[n] = m;
                    n += 1;
                }
            }
        }
        for &m in &some[..n] {
            // SAFETY: as above.
            let m = unsafe { &*m };
            if observe::look(m.tid.load(Relaxed)) == Doing::Runs && self.list.try_reserve(1).is_ok() {
                m.burning.store(true, Relaxed);
                self.add(m);
            }
        }
    }

    fn add(&mut self, m: &Machine) {
        if !self.list.contains(&(m as *const Machine)) {
            // Its callers have reserved the place.
            self.list.push(m);
        }
    }
}

impl Machine {
    /// Without a processor, in a task's foreign code. A hint.
    fn is_away(&self) -> bool {
        self.processor.load(Relaxed).is_null() && self.runs_task() && self.owner.look() != crate::machine::owner::INSIDE
    }

    /// It computes without a processor. The mark alone may come late, when the machine is back.
    fn is_burning(&self) -> bool {
        let burning = self.burning.load(Relaxed) && self.is_away();
        if !burning {
            self.burning.store(false, Relaxed);
        }
        burning
    }

    /// Under the scheduler's lock: true when the machine is outside, and will not come in before [`Machine::let_in`] or, with a processor
    /// that was taken, through that lock.
    pub fn hold_outside(&self) -> bool {
        if self.processor.load(Relaxed).is_null() {
            // The request that told it so still stands, and must.
            return self.owner.look() != crate::machine::owner::INSIDE;
        }
        self.owner.seize()
    }

    /// After [`Machine::hold_outside`]: nothing was taken.
    pub fn let_in(&self) {
        if !self.processor.load(Relaxed).is_null() {
            self.owner.withdraw();
        }
    }

    /// Something was taken from it, under the lock: notes what it did then.
    pub fn note_taken(&self, s: &Shared, why: Why, since: i64) {
        match why {
            Why::Declared => s.tallies.handoffs.fetch_add(1, Relaxed),
            Why::Blocked(call) => {
                self.reading.set(Away { runs: false, call, since });
                self.burning.store(false, Relaxed);
                s.calls.count(call);
                s.tallies.retakes_blocked.fetch_add(1, Relaxed)
            }
            Why::Running => {
                self.reading.set(Away { runs: true, call: None, since });
                self.burning.store(true, Relaxed);
                s.tallies.retakes_running.fetch_add(1, Relaxed)
            }
        };
    }

    fn still_burns(&self) -> bool {
        let sleeps = matches!(observe::look(self.tid.load(Relaxed)), Doing::Sleeps(_));
        if sleeps {
            self.burning.store(false, Relaxed);
        }
        !sleeps
    }
}

impl Shared {
    /// Work waits behind `m`, which has been outside since `since` without a word. True: its processor was retaken.
    pub fn suspect(
        &self,
        m: &Machine,
        p: &Processor,
        x: &mut Suspect,
        burners: &mut Burners,
        since: i64,
        now: i64,
    ) -> bool {
        if now < x.at {
            return false;
        }
        let doing = observe::look(m.tid.load(Relaxed));
        match x.judge(doing, now) {
            // Who waits for the lock of its class keeps its processor for a while.
            Some(why @ Why::Blocked(_)) if !token::is_patient(m) => {
                x.asleep();
                return self.retake(m, p, why, since);
            }
            Some(_) => x.runs(now),
            None => {
                x.at = now + BLOCKED;
                return false;
            }
        }
        if self.class_says_blocked(m) == Some(true) {
            return self.retake(m, p, Why::Blocked(None), since);
        }
        let slice = if self.settings.seeded { seeded::PATIENCE_RUNNING } else { SLICE };
        if now - since < slice {
            return false;
        }
        if !burners.have_room(self) {
            // Asking costs a reading for each of them.
            x.at = now + SLICE;
            return false;
        }
        let taken = self.retake(m, p, Why::Running, since);
        if taken {
            burners.add(m);
        }
        taken
    }

    /// Tasks wait for the token that `m` holds, which has been outside since `since`. True: it was taken.
    pub fn suspect_holder(&self, token: &Token, m: &Machine, x: &mut Suspect, since: i64, now: i64) -> bool {
        if now < x.at {
            return false;
        }
        let doing = observe::look(m.tid.load(Relaxed));
        let Some(judged) = x.judge(doing, now) else {
            x.at = now + BLOCKED;
            return false;
        };
        let blocked = self.class_says_blocked(m) == Some(true);
        if let (Why::Blocked(_), true) = (judged, blocked) {
            x.asleep();
            return self.take_token(token, m, judged, since);
        }
        x.runs(now);
        let slice = if self.settings.seeded { seeded::PATIENCE_RUNNING } else { SLICE };
        // Who computes may have given up its class's lock for a moment only.
        match (blocked, now - since) {
            (true, BLOCKED..) => self.take_token(token, m, Why::Blocked(None), since),
            (_, stuck) if stuck >= slice => self.take_token(token, m, Why::Running, since),
            _ => false,
        }
    }

    /// What the class of the task that runs there says, if it has an opinion.
    fn class_says_blocked(&self, m: &Machine) -> Option<bool> {
        let locked = self.lock.lock();
        if locked.classes.iter().all(|class| class.hooks.is_blocked.is_none()) {
            return None;
        }
        if !m.hold_outside() {
            return None;
        }
        // SAFETY: the machine is outside, and comes in through the lock that we hold: its task stays what it is. The
        // hook is the class's own; it may not call the library.
        let says = unsafe {
            let task = m.current.get();
            let class = if task.is_null() { std::ptr::null() } else { (*task).class() };
            class.as_ref().and_then(|class| {
                let data = (*(*task).extra.get()).class_data;
                class.hooks.is_blocked.map(|hook| hook(class.hooks.user, data) != 0)
            })
        };
        m.let_in();
        says
    }

    /// Takes the processor from a machine that has stayed outside since `since`, and gives it away. False: the machine
    /// has come in meanwhile.
    pub fn retake(&self, m: &Machine, p: &Processor, why: Why, since: i64) -> bool {
        let locked = self.lock.lock();
        if !std::ptr::eq(m.processor.load(Relaxed), p) || !m.owner.seize() {
            return false;
        }
        // R4: who computes has done so for a slice.
        let left = if why == Why::Running { self.leave_token(m) } else { None };
        self.take_away(locked, m, why, since);
        if let Some(left) = left {
            self.pass_on(left);
        }
        true
    }

    /// The processor of a seized machine goes to others.
    pub fn take_away(&self, locked: MutexGuard<'_, Locked>, m: &Machine, why: Why, since: i64) {
        let p = self.unassign(m);
        chaos::point(Point::Retake);
        record::retaken(self, m, p, why.noted());
        if why == Why::Declared {
            p.blocking_score.set(super::handoff::taken(p.blocking_score.get()));
        }
        m.note_taken(self, why, since);
        self.give_away(locked, p);
        taking::taken_from(self, m);
    }
}
