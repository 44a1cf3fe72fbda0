//! In lock-step: a burst of steps (mostly one), then quiet, then what is seen is compared with what the model allows.
//!
//! Always true: quiet means that every task is parked, except the one that asks, and that no machine works and no deadline
//! is on its way. So what is seen then stays until somebody is told something.

use super::free::disperse;
use super::model::{explore, Wrong};
use super::program::{Op, Program, Step, MUTEXES, ONCES};
use super::real::{lock, obey, perform, Arena};
use super::world::{Doing, Got, Life, Outcome, World};
use gmp_core::{global, task_api, time, yield_now};
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::atomic::Ordering::*;
use std::sync::Arc;

/// How long it may take until the world is quiet, in ns: only a lost wake takes so long.
pub const PATIENCE: i64 = 20_000_000_000;
/// Rounds of ending everything before it is given up.
pub const ROUNDS: usize = 64;

/// Waits until every task but the caller is parked. False: `patience` ns were not enough.
pub fn quiet(patience: i64) -> bool {
    let deadline = time::after(patience);
    let inside = i64::from(task_api::self_id() != 0);
    let mut seen = None;
    loop {
        let s = global::stats();
        let others = (s.tasks_created - s.tasks_ended) as i64 - inside;
        let rests = s.tasks_parked == others
            && s.procs_idle as i64 == s.procs as i64 - inside
            && s.timers_pending == 0
            && s.tasks_running == inside;
        // Twice the same: the numbers are read one after the other.
        if rests && seen == Some(s.parks) {
            return true;
        }
        seen = rests.then_some(s.parks);
        if time::now() > deadline {
            eprintln!("not quiet: {s:?}");
            return false;
        }
        if !rests {
            yield_now();
            // The other machine may want this core.
            std::thread::yield_now();
        }
    }
}

/// What is seen when it is quiet.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    logs: Vec<Vec<Outcome>>,
    idle: Vec<bool>,
    lens: Vec<usize>,
    held: Vec<bool>,
    zero: bool,
    done: Vec<bool>,
}

impl Seen {
    fn really(arena: &Arena) -> Seen {
        Seen {
            logs: arena.seats.iter().map(|seat| std::mem::take(&mut *lock(&seat.log))).collect(),
            idle: arena.seats.iter().map(|seat| !seat.busy.load(Acquire)).collect(),
            lens: arena.chans.iter().map(|chan| chan.len()).collect(),
            held: (0..MUTEXES).map(|n| arena.mutexes[n].is_held()).collect(),
            zero: arena.group.is_zero(),
            done: (0..ONCES).map(|n| arena.onces[n].is_done()).collect(),
        }
    }

    fn of_model(world: &World) -> Seen {
        Seen {
            logs: world.parties.iter().map(|p| p.log.clone()).collect(),
            idle: world.parties.iter().map(|p| p.doing == Doing::Idle).collect(),
            lens: world.chans.iter().map(|c| c.buffer.len()).collect(),
            held: world.mutexes.iter().map(|m| m.held).collect(),
            zero: world.count == 0,
            done: world.onces.iter().map(|o| o.done).collect(),
        }
    }

    fn tell(&self) -> String {
        let mut text = String::new();
        for (n, log) in self.logs.iter().enumerate() {
            for Outcome { step, result, chosen, got } in log {
                let _ = write!(text, " [{n}: step {step} {result:?}");
                if let Some(case) = chosen {
                    let _ = write!(text, " case {case}");
                }
                if *got != Got::Untouched {
                    let _ = write!(text, " {got:?}");
                }
                text.push(']');
            }
        }
        let waiting: Vec<usize> = (0..self.idle.len()).filter(|&n| !self.idle[n]).collect();
        let _ = write!(text, " waiting {waiting:?} lens {:?} held {:?} zero {}", self.lens, self.held, self.zero);
        let _ = write!(text, " done {:?}", self.done);
        text
    }
}

/// What a program came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub steps: usize,
    pub waited: usize,
    pub open: usize,
    /// The model gave up.
    pub wild: bool,
}

struct Trial {
    arena: Arc<Arena>,
    worlds: HashSet<World>,
    steps: Vec<Step>,
    wrong: Option<Wrong>,
    patience: i64,
    driver: usize,
    /// Who drives is no task.
    beside: bool,
    tally: Tally,
    story: String,
}

/// Runs a program step by step; the error tells the story. `patience`: how long the world may take to be quiet.
pub fn run(program: &Program, wrong: Option<Wrong>, patience: i64) -> Result<Tally, String> {
    let mut trial = Trial {
        arena: Arena::new(program, obey),
        worlds: HashSet::from([World::new(program)]),
        steps: Vec::new(),
        wrong,
        patience,
        driver: program.parties,
        beside: task_api::self_id() == 0,
        tally: Tally::default(),
        story: format!("{:?}, count {}\n", program.chans, program.count),
    };
    for party in 0..program.parties - program.unborn {
        trial.arena.start(party).map_err(|e| format!("spawn: {e}"))?;
    }
    let result = trial.quiet().and_then(|()| trial.follow(program)).and_then(|()| trial.finish());
    if result.is_err() || trial.tally.wild {
        // What fails has been told already.
        let _rest = disperse(&trial.arena, patience);
    }
    result.map(|()| trial.tally).map_err(|why| format!("{}{why}", trial.story))
}

impl Trial {
    fn quiet(&self) -> Result<(), String> {
        quiet(self.patience).then_some(()).ok_or_else(|| "a task neither runs nor is parked, or runs on".to_string())
    }

    /// Any of the worlds: in what everybody can see they agree.
    fn world(&self) -> &World {
        self.worlds.iter().next().expect("there is always one")
    }

    fn follow(&mut self, program: &Program) -> Result<(), String> {
        let mut burst: Vec<Step> = Vec::new();
        for step in &program.steps {
            if let Some(step) = self.adapt(step, &burst) {
                burst.push(step);
            }
            if !burst.is_empty() && (!step.with_next || burst.len() == 3) {
                self.burst(std::mem::take(&mut burst))?;
            }
            if self.tally.wild {
                return Ok(());
            }
        }
        self.burst(burst)
    }

    /// The step as it can be done now: by an idle party, else by who drives, if it does not wait.
    fn adapt(&self, step: &Step, burst: &[Step]) -> Option<Step> {
        let world = self.world();
        let is_free = |p: usize| world.is_idle(p) && burst.iter().all(|other| other.party != p);
        let mut step = step.clone();
        match step.op {
            Op::Spawn(other) if world.parties[other].life != Life::Unborn => step.op = Op::Yield,
            _ => {}
        }
        // A handle belongs to one at a time: while it is spawned, joined or ends, others leave it alone.
        let names = |op: &Op, by: usize| match *op {
            Op::Spawn(other) | Op::Join(other, _) | Op::Cancel(other) => Some(other),
            Op::End => Some(by),
            Op::Once(..) => deep(op),
            _ => None,
        };
        let named = names(&step.op, step.party);
        if named.is_some() && burst.iter().any(|other| names(&other.op, other.party) == named) {
            return None;
        }
        let n = self.driver;
        match (0..n).map(|k| (step.party + k) % n).find(|&p| is_free(p)) {
            Some(party) => step.party = party,
            None if step.op.never_waits() && burst.is_empty() => step.party = n,
            None => return None,
        }
        Some(step)
    }

    fn burst(&mut self, burst: Vec<Step>) -> Result<(), String> {
        if burst.is_empty() {
            return Ok(());
        }
        let from = self.steps.len();
        for (k, step) in burst.iter().enumerate() {
            let _ = writeln!(
                self.story,
                "{}: party {} {:?}{}",
                from + k,
                step.party,
                step.op,
                ["", " shielded",][step.shielded as usize]
            );
        }
        self.steps.extend(burst.iter().cloned());
        self.tally.steps += burst.len();
        let mut begun = HashSet::new();
        for mut world in std::mem::take(&mut self.worlds) {
            world.parties.iter_mut().for_each(|p| p.log.clear());
            burst.iter().enumerate().for_each(|(k, step)| world.begin(step.party, from + k, step.shielded));
            begun.insert(world);
        }
        let allowed = explore(begun, &self.steps, self.wrong);
        // Parties that take turns on one processor with who drives them come one after the other anyway.
        self.arena.expected.store(if self.beside { burst.len() } else { 0 }, Relaxed);
        self.arena.arrived.store(0, Release);
        for (k, step) in burst.iter().enumerate() {
            if step.party == self.driver {
                perform(&self.arena, self.driver, &step.op, from + k);
            } else {
                self.arena.command(step.party, from + k, step);
            }
        }
        let Some(mut allowed) = allowed else {
            self.tally.wild = true;
            return Ok(());
        };
        self.quiet()?;
        let seen = Seen::really(&self.arena);
        let _ = writeln!(self.story, "  {}", seen.tell());
        let all: HashSet<String> = allowed.iter().map(|world| Seen::of_model(world).tell()).collect();
        allowed.retain(|world| Seen::of_model(world) == seen);
        if allowed.is_empty() {
            return Err(format!("  the model allows only\n  {}", Vec::from_iter(all).join("\n  ")));
        }
        self.tally.waited += (0..self.driver).filter(|&p| !seen.idle[p]).count();
        self.tally.open += usize::from(all.len() > 1);
        self.worlds = allowed;
        Ok(())
    }

    fn one(&mut self, party: usize, op: Op) -> Result<(), String> {
        self.burst(vec![Step { party, op, shielded: false, with_next: false }])
    }

    /// Ends every party, comparing on: idle ones end, waiting ones are cancelled, and what shields them is taken away.
    fn finish(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            if self.tally.wild {
                return Ok(());
            }
            for party in 0..self.driver {
                if self.world().is_waiting(party) {
                    self.one(self.driver, Op::Cancel(party))?;
                }
                if self.world().is_idle(party) {
                    self.one(party, Op::End)?;
                }
            }
            if (0..self.driver).all(|party| self.world().parties[party].life != Life::Alive) {
                return self.join_all();
            }
            for chan in 0..self.arena.chans.len() {
                self.one(self.driver, Op::Close(chan))?;
            }
            for op in [Op::Unlock(0), Op::Unlock(1), Op::WriteUnlock, Op::ReadUnlock, Op::Release(3)] {
                self.one(self.driver, op)?;
            }
            for op in [Op::Change(-self.world().count), Op::Broadcast(0), Op::Broadcast(1)] {
                self.one(self.driver, op)?;
            }
        }
        Err("it does not end".to_string())
    }

    /// Each handle answers once, and only if nobody has joined before.
    fn join_all(&mut self) -> Result<(), String> {
        let lives: Vec<Life> = (0..self.driver).map(|party| self.world().parties[party].life).collect();
        for (party, life) in lives.into_iter().enumerate().filter(|(_, life)| *life != Life::Unborn) {
            let handle = self.arena.seats[party].handle.load(Acquire);
            let joined = global::join(handle, time::after(self.patience)).map(drop);
            let expected = if life == Life::Ended { Ok(()) } else { Err(gmp_core::Error::Invalid) };
            if joined != expected {
                return Err(format!("join of {party}, {life:?}: {joined:?}"));
            }
        }
        Ok(())
    }
}

/// The handle that the function of a once uses.
fn deep(op: &Op) -> Option<usize> {
    match *op {
        Op::Once(_, ref inner) => deep(inner),
        Op::Join(other, _) | Op::Cancel(other) => Some(other),
        _ => None,
    }
}
