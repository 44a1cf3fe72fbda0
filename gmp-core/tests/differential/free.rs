//! Running freely: each party does its steps as fast as it can, as a task or as a thread. Of confluent programs each outcome is
//! known before; of others what must be true whatever happens.

use super::confluent;
use super::lockstep::{quiet, ROUNDS};
use super::program::{Op, Program, Until, CASES};
use super::real::{lock, run_freely, Arena, Ledger};
use super::world::{Life, Outcome};
use gmp_core::base::rng::Rng;
use gmp_core::{global, time, Error, Result};
use std::collections::HashMap;
use std::sync::atomic::Ordering::*;
use std::sync::Arc;

/// Hands each party its list.
fn prepare(program: &Program, lists: &[Vec<usize>]) -> Arc<Arena> {
    let arena = Arena::new(program, run_freely);
    for (seat, list) in arena.seats.iter().zip(lists) {
        *lock(&seat.list) = list.iter().map(|&n| (n, program.steps[n].clone())).collect();
    }
    arena
}

fn start(arena: &Arc<Arena>, party: usize, as_thread: bool) {
    if !as_thread {
        return arena.start(party).expect("a task");
    }
    let arena = arena.clone();
    std::thread::spawn(move || {
        run_freely(&arena, party);
        arena.seats[party].over.store(true, Release);
    });
}

fn is_over(arena: &Arena, party: usize) -> bool {
    arena.seats[party].over.load(Acquire)
}

/// Ends whatever still goes on, and uses up every handle.
pub fn disperse(arena: &Arena, patience: i64) -> std::result::Result<(), String> {
    let begun = |party: &usize| arena.seats[*party].handle.load(Acquire) != 0;
    let alive = || (0..arena.seats.len()).filter(|party| begun(party) && !is_over(arena, *party)).collect::<Vec<_>>();
    for _ in 0..ROUNDS {
        if alive().is_empty() {
            break;
        }
        arena.disperse();
        if !quiet(patience) {
            return Err(format!("parties {:?} do not end", alive()));
        }
    }
    if !alive().is_empty() {
        return Err(format!("parties {:?} do not end", alive()));
    }
    for party in (0..arena.seats.len()).filter(begun) {
        let joined = global::join(arena.seats[party].handle.load(Acquire), time::after(patience));
        if !matches!(joined, Ok(_) | Err(Error::Invalid)) {
            return Err(format!("join of {party}: {joined:?}"));
        }
    }
    Ok(())
}

/// Runs a confluent program; the error says what differs from the model. True: every party ended.
pub fn confluent(bytes: &[u8], threads: bool, rng: &mut Rng, patience: i64) -> std::result::Result<bool, String> {
    let mut program = confluent::read(bytes);
    let lists = confluent::lists(&mut program);
    let Some(end) = confluent::predict(&program, &lists, rng) else { return Ok(true) };
    let arena = prepare(&program, &lists);
    let all_end = (0..program.parties).all(|p| matches!(end.parties[p].life, Life::Ended | Life::Joined));
    for party in 0..program.parties - program.unborn {
        // A thread that waits for ever could not be ended.
        start(&arena, party, threads && all_end && rng.below(2) == 0);
    }
    let deadline = time::after(patience);
    let some_go_on = || all_end && !(0..program.parties).all(|party| is_over(&arena, party));
    while some_go_on() && time::now() < deadline {
        time::sleep(10_000).expect("a thread is not cancelled");
    }
    let rests = !some_go_on() && quiet(patience);
    let mut story = String::new();
    for (party, list) in lists.iter().enumerate() {
        let (log, expected) = (last_of_steps(&lock(&arena.seats[party].log)), &end.parties[party]);
        let (ended, should) = (is_over(&arena, party), matches!(expected.life, Life::Ended | Life::Joined));
        let expected = last_of_steps(&expected.log);
        if log != expected || ended != should {
            let same = log.iter().zip(&expected).take_while(|(a, b)| a == b).count();
            let steps: Vec<_> = list.iter().map(|&n| (n, &program.steps[n].op)).collect();
            story += &format!("party {party}: {steps:?}\n  ended {ended}, not {should}; after {same} steps\n");
            story += &format!("  {:?}\n  not {:?}\n", &log[same..], &expected[same..]);
        }
    }
    if !rests {
        story += "it does not come to rest\n";
    }
    if !story.is_empty() {
        let _rest = disperse(&arena, patience);
        return Err(format!("{:?} count {}\n{story}", program.chans, program.count));
    }
    disperse(&arena, patience).map(|()| all_end)
}

/// Whose function a once runs is open; what the once answers is not.
fn last_of_steps(log: &[Outcome]) -> Vec<Outcome> {
    let is_last = |n: &usize| log.get(n + 1).is_none_or(|next| next.step != log[*n].step);
    (0..log.len()).filter(is_last).map(|n| log[n]).collect()
}

/// Runs any program; the error says what must not be.
pub fn any(bytes: &[u8], patience: i64) -> std::result::Result<(), String> {
    let mut program = Program::read(bytes);
    tame(&mut program);
    let lists = confluent::lists(&mut program);
    let arena = prepare(&program, &lists);
    for party in 0..program.parties - program.unborn {
        start(&arena, party, false);
    }
    if !quiet(patience) {
        return Err("it does not come to rest".to_string());
    }
    disperse(&arena, patience)?;
    let mut taken = Taken::default();
    for party in 0..program.parties {
        for (op, outcome) in outcomes(&program, &lock(&arena.seats[party].log)) {
            if !may_answer(op, outcome.result) {
                return Err(format!("party {party}: {op:?} answers {outcome:?}"));
            }
            taken.count(op, outcome);
        }
    }
    let rescued = lock(&arena.rescued).clone();
    let mut permits = 0;
    while arena.permits.try_acquire(1) {
        permits += 1;
    }
    let mut left = Taken { permits, ..Taken::default() };
    while arena.rwlock.read_unlock().is_ok() {
        left.readers += 1;
    }
    while arena.rwlock.write_unlock().is_ok() {
        left.writers += 1;
    }
    let expected = Taken {
        permits: taken.permits + rescued.permits,
        readers: taken.readers - rescued.readers,
        writers: taken.writers - rescued.writers,
    };
    if left != expected || left.writers > 1 {
        return Err(format!("left {left:?}, not {expected:?}"));
    }
    for (n, chan) in arena.chans.iter().enumerate() {
        let mut drained = 0;
        // SAFETY: the value is thrown away.
        while unsafe { chan.recv(std::ptr::null_mut(), time::NOWAIT) }.is_ok() {
            drained += 1;
        }
        balance(&program, program.chans[n].elem, &lock(&arena.ledgers[n]), drained)
            .map_err(|why| format!("channel {n}: {why}"))?;
    }
    Ok(())
}

/// A handle is used up once: the first spawn, and the first join of each, stay what they are.
fn tame(program: &mut Program) {
    let mut spawned = false;
    let mut joined = Vec::new();
    for step in &mut program.steps {
        tame_op(&mut step.op, &mut spawned, &mut joined);
    }
}

fn tame_op(op: &mut Op, spawned: &mut bool, joined: &mut Vec<usize>) {
    match *op {
        Op::Once(_, ref mut inner) => tame_op(inner, spawned, joined),
        Op::Spawn(_) if std::mem::replace(spawned, true) => *op = Op::Yield,
        Op::Join(other, _) if joined.contains(&other) => *op = Op::Yield,
        Op::Join(other, _) => joined.push(other),
        _ => {}
    }
}

/// Each outcome with its operation. The function of a once comes before the once: both have the step's number.
fn outcomes<'a>(program: &'a Program, log: &'a [Outcome]) -> Vec<(&'a Op, &'a Outcome)> {
    let mut found = Vec::new();
    let mut deeper: Option<(usize, &Op)> = None;
    for outcome in log.iter().rev() {
        let op = match deeper {
            Some((step, Op::Once(_, inner))) if step == outcome.step => inner,
            _ => &program.steps[outcome.step].op,
        };
        deeper = Some((outcome.step, op));
        found.push((op, outcome));
    }
    found
}

fn may_answer(op: &Op, result: Result<()>) -> bool {
    let waits = |until: Until| match result {
        Ok(()) | Err(Error::Canceled) => true,
        Err(Error::Again) => until == Until::Now,
        Err(Error::TimedOut) => matches!(until, Until::Past | Until::Soon),
        _ => false,
    };
    match *op {
        Op::Send(_, until) | Op::Recv(_, until) | Op::Discard(_, until) | Op::Select(_, until) => {
            waits(until) || result == Err(Error::Closed)
        }
        Op::Lock(_, until) | Op::Read(until) | Op::Write(until) | Op::Acquire(_, until) => waits(until),
        Op::WaitZero(until) => waits(until),
        Op::CondWait(_, _, until) => waits(until) || result == Err(Error::Misuse),
        Op::Join(_, until) => waits(until) || matches!(result, Err(Error::Invalid | Error::Deadlock)),
        Op::Cancel(_) => matches!(result, Ok(()) | Err(Error::Invalid)),
        Op::Once(..) => matches!(result, Ok(()) | Err(Error::Canceled | Error::Deadlock)),
        Op::Close(_) | Op::Unlock(_) | Op::ReadUnlock | Op::WriteUnlock | Op::Change(_) => {
            matches!(result, Ok(()) | Err(Error::Misuse))
        }
        Op::Sleep | Op::Checkpoint => matches!(result, Ok(()) | Err(Error::Canceled)),
        Op::Release(_) | Op::Signal(_) | Op::Broadcast(_) | Op::Spawn(_) | Op::Yield | Op::End => result.is_ok(),
    }
}

/// What was given to the semaphore and not taken, and who is in the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub permits: i64,
    pub readers: i64,
    pub writers: i64,
}

impl Taken {
    fn count(&mut self, op: &Op, outcome: &Outcome) {
        if outcome.result.is_err() {
            return;
        }
        match *op {
            Op::Acquire(n, _) => self.permits -= n as i64,
            Op::Release(n) => self.permits += n as i64,
            Op::Read(_) => self.readers += 1,
            Op::ReadUnlock => self.readers -= 1,
            Op::Write(_) => self.writers += 1,
            Op::WriteUnlock => self.writers -= 1,
            _ => {}
        }
    }
}

/// Each value that was sent is received once or is left; those of one sender reach one receiver in order.
fn balance(program: &Program, elem: usize, ledger: &Ledger, drained: usize) -> std::result::Result<(), String> {
    let text = || format!("{ledger:?}, {drained} left");
    if ledger.sent.len() != ledger.received.len() + drained {
        return Err(format!("lost or doubled: {}", text()));
    }
    if elem < 8 {
        return Ok(());
    }
    let mut last: HashMap<(usize, usize), u32> = HashMap::new();
    for &(receiver, value) in &ledger.received {
        let Some(value) = value else { continue };
        if ledger.sent.iter().filter(|&&sent| sent == value).count() != 1 {
            return Err(format!("{value} was not sent: {}", text()));
        }
        let sender = program.steps[(value - 1) as usize / CASES].party;
        // Increasing: so no value twice by this receiver either.
        if last.insert((receiver, sender), value).is_some_and(|before| before >= value) {
            return Err(format!("{value} out of order: {}", text()));
        }
    }
    let mut values: Vec<_> = ledger.received.iter().filter_map(|r| r.1).collect();
    values.sort_unstable();
    match values.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("{} twice: {}", pair[0], text())),
        None => Ok(()),
    }
}
