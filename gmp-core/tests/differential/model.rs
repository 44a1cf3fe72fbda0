//! The model: what Go's rules (go-semantics §19–§22) make of a program, one step at a time.
//!
//! Owns: the moves, and the search for all that may come of a burst of operations. What single operations do is in
//! `model_chan.rs` and `model_sync.rs`, the state in `world.rs`.
//!
//! Always true: an operation is one move, or a few where the rules leave the order open (who of several gets a mutex that was
//! given up). A choice that the rules leave open is made in every way. So a world that differs from all that were found is
//! one that the rules forbid.

use super::program::{Op, Step, Until};
use super::world::{Doing, Got, Life, On, Outcome, World};
use gmp_core::{Error, Result};
use std::collections::HashSet;

/// More worlds than this, and the program is too wild to be followed.
const MOST_WORLDS: usize = 20_000;

/// A rule broken on purpose, to see that the comparison notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    NewestChanWaiterFirst,
    CloseDropsBuffer,
    CloseWakesOne,
    SelectTakesFirst,
    CancelBeforeTry,
    PastBeforeTry,
    NewestMutexWaiterFirst,
    UnlockIsFree,
    ReadersPassWriters,
    WriterAfterWriter,
    SignalWakesNewest,
    CanceledCondIsUnlocked,
    SmallRequestsPass,
    CountWakesOne,
    OnceAgain,
    JoinTwice,
    ShieldIsNothing,
    CanceledSendIsSent,
    WriterLeavesSilently,
    RequestLeavesSilently,
}

impl Wrong {
    pub const ALL: [Wrong; 20] = [
        Wrong::NewestChanWaiterFirst,
        Wrong::CloseDropsBuffer,
        Wrong::CloseWakesOne,
        Wrong::SelectTakesFirst,
        Wrong::CancelBeforeTry,
        Wrong::PastBeforeTry,
        Wrong::NewestMutexWaiterFirst,
        Wrong::UnlockIsFree,
        Wrong::ReadersPassWriters,
        Wrong::WriterAfterWriter,
        Wrong::SignalWakesNewest,
        Wrong::CanceledCondIsUnlocked,
        Wrong::SmallRequestsPass,
        Wrong::CountWakesOne,
        Wrong::OnceAgain,
        Wrong::JoinTwice,
        Wrong::ShieldIsNothing,
        Wrong::CanceledSendIsSent,
        Wrong::WriterLeavesSilently,
        Wrong::RequestLeavesSilently,
    ];
}

/// The choices of one move: a path through them, tried one after the other.
#[derive(Default)]
pub struct Choices {
    path: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    /// One of `n`.
    pub fn choose(&mut self, n: usize) -> usize {
        if self.at == self.path.len() {
            self.path.push((0, n));
        }
        self.at += 1;
        self.path[self.at - 1].0
    }

    /// Goes on to the next path; false when all were tried.
    fn next_path(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, n)) = self.path.pop() {
            if chosen + 1 < n {
                self.path.push((chosen + 1, n));
                return true;
            }
        }
        false
    }
}

/// One move in one world.
pub struct Move<'a> {
    pub w: World,
    pub steps: &'a [Step],
    pub choices: &'a mut Choices,
    pub wrong: Option<Wrong>,
}

/// All worlds at rest that may come of these. None: too many.
pub fn explore(worlds: HashSet<World>, steps: &[Step], wrong: Option<Wrong>) -> Option<HashSet<World>> {
    let mut resting = HashSet::new();
    let mut todo: Vec<World> = worlds.into_iter().collect();
    let mut seen = HashSet::new();
    while let Some(world) = todo.pop() {
        let mut rests = true;
        for party in world.movers() {
            rests = false;
            let mut choices = Choices::default();
            loop {
                let mut one = Move { w: world.clone(), steps, choices: &mut choices, wrong };
                one.advance(party);
                let next = one.w;
                if seen.insert(next.clone()) {
                    todo.push(next);
                }
                if !choices.next_path() {
                    break;
                }
            }
        }
        if rests {
            resting.insert(world);
        }
        if seen.len() > MOST_WORLDS {
            return None;
        }
    }
    Some(resting)
}

impl Move<'_> {
    pub fn is_wrong(&self, wrong: Wrong) -> bool {
        self.wrong == Some(wrong)
    }

    fn advance(&mut self, party: usize) {
        match self.w.parties[party].doing.clone() {
            Doing::Idle => {}
            Doing::Starts(step) => {
                let p = &mut self.w.parties[party];
                p.doing = Doing::Idle;
                p.shielded &= self.wrong != Some(Wrong::ShieldIsNothing);
                let mut op = &self.steps[step].op;
                for _ in &p.running {
                    if let Op::Once(_, inner) = op {
                        op = inner;
                    }
                }
                self.perform(party, op);
            }
            Doing::Waits(_, until) => {
                let why = match (until, self.is_cancelled(party)) {
                    // Which was first is open.
                    (Until::Soon, true) => [Error::TimedOut, Error::Canceled][self.choices.choose(2)],
                    (_, true) => Error::Canceled,
                    _ => Error::TimedOut,
                };
                self.give_up(party, why)
            }
            Doing::Contends { mutex, woken, on, until } => self.contend(party, mutex, woken, on, until),
            Doing::Enters { cond, mutex, until } => self.enter_cond(party, cond, mutex, until),
        }
    }

    fn perform(&mut self, party: usize, op: &Op) {
        match *op {
            Op::Send(Some(chan), until) => self.send(party, chan, until),
            Op::Recv(Some(chan), until) => self.recv(party, chan, false, until),
            Op::Discard(Some(chan), until) => self.recv(party, chan, true, until),
            Op::Send(None, until) | Op::Recv(None, until) | Op::Discard(None, until) => {
                self.wait(party, On::Never, until)
            }
            Op::Close(chan) => self.close(party, chan),
            Op::Select(ref cases, until) => self.select(party, cases, until),
            Op::Lock(mutex, until) => self.lock(party, mutex, until),
            Op::Unlock(mutex) => self.unlock(party, mutex),
            Op::Read(until) => self.read(party, until),
            Op::Write(until) => self.write(party, until),
            Op::ReadUnlock => self.read_unlock(party),
            Op::WriteUnlock => self.write_unlock(party),
            Op::Acquire(n, until) => self.acquire(party, n, until),
            Op::Release(n) => self.release(party, n),
            Op::Change(n) => self.change(party, n),
            Op::WaitZero(until) => self.wait_zero(party, until),
            Op::CondWait(cond, mutex, until) => self.cond_wait(party, cond, mutex, until),
            Op::Signal(cond) => self.signal(party, cond, 1),
            Op::Broadcast(cond) => self.signal(party, cond, usize::MAX),
            Op::Once(once, _) => self.once(party, once),
            Op::Spawn(other) => {
                self.w.parties[other].life = Life::Alive;
                self.done(party, Ok(()));
            }
            Op::Join(other, until) => self.join(party, other, until),
            Op::Cancel(other) => self.cancel(party, other),
            // Whether a deadline or a cancellation was first is open.
            Op::Sleep if self.is_cancelled(party) && self.choices.choose(2) == 0 => {
                self.done(party, Err(Error::Canceled))
            }
            Op::Checkpoint if self.is_cancelled(party) => self.done(party, Err(Error::Canceled)),
            Op::Sleep | Op::Checkpoint | Op::Yield => self.done(party, Ok(())),
            Op::End => self.end(party),
        }
    }

    pub fn is_cancelled(&self, party: usize) -> bool {
        self.w.parties[party].cancelled && !self.w.parties[party].shielded
    }

    /// With [`Wrong`] rules: true when the party is told off before it has tried.
    pub fn is_told_off(&mut self, party: usize, until: Until) -> bool {
        let why = match until {
            Until::Past if self.is_wrong(Wrong::PastBeforeTry) => Error::TimedOut,
            _ if self.is_wrong(Wrong::CancelBeforeTry) && self.is_cancelled(party) => Error::Canceled,
            _ => return false,
        };
        self.done(party, Err(why));
        true
    }

    /// What stands before a wait: the answer if there is to be none.
    pub fn may_wait(&mut self, party: usize, until: Until) -> Result<()> {
        match until {
            Until::Now => Err(Error::Again),
            Until::Past => Err(Error::TimedOut),
            // It may have come already.
            Until::Soon if self.choices.choose(2) == 1 => Err(Error::TimedOut),
            _ if self.is_cancelled(party) => Err(Error::Canceled),
            _ => Ok(()),
        }
    }

    /// Waits, if that is to be; whoever calls has put the party into the queue if the answer is true.
    pub fn waits(&mut self, party: usize, on: On, until: Until) -> bool {
        match self.may_wait(party, until) {
            Ok(()) => {
                self.w.parties[party].doing = Doing::Waits(on, until);
                true
            }
            Err(e) => {
                self.done(party, Err(e));
                false
            }
        }
    }

    fn wait(&mut self, party: usize, on: On, until: Until) {
        let _waits = self.waits(party, on, until);
    }

    /// An operation without a value is over.
    pub fn done(&mut self, party: usize, result: Result<()>) {
        self.finish(party, result, None, Got::Untouched);
    }

    /// An operation is over; with it the function of a once, if it was one.
    pub fn finish(&mut self, party: usize, result: Result<()>, chosen: Option<usize>, got: Got) {
        let p = &mut self.w.parties[party];
        p.doing = Doing::Idle;
        p.log.push(Outcome { step: p.step, result, chosen, got });
        if let Some(once) = p.running.pop() {
            self.end_once(party, once);
        }
    }

    /// A wait ends without effect: by its deadline or a cancellation.
    fn give_up(&mut self, party: usize, why: Error) {
        let Doing::Waits(on, until) = self.w.parties[party].doing.clone() else { return };
        if on == On::Chans && self.is_wrong(Wrong::CanceledSendIsSent) {
            self.send_anyway(party);
        }
        self.leave_chans(party);
        match on {
            On::Relock(..) => return,
            On::Never | On::Chans | On::Once(_) | On::Zero | On::Join(_) => {}
            On::Mutex(mutex) => self.w.mutexes[mutex].queue.retain(|&p| p != party),
            On::Cond(mutex) => return self.leave_cond(party, mutex, until, why),
            On::Reading | On::Writing => self.leave_rwlock(party),
            On::Acquire => {
                self.w.requests.retain(|&(p, _)| p != party);
                if !self.is_wrong(Wrong::RequestLeavesSilently) {
                    self.serve();
                }
            }
        }
        self.done(party, Err(why));
    }

    fn join(&mut self, party: usize, other: usize, until: Until) {
        if self.is_told_off(party, until) {
            return;
        }
        let is_joined = self.w.parties.iter().any(|p| matches!(p.doing, Doing::Waits(On::Join(o), _) if o == other));
        match self.w.parties[other].life {
            _ if other == party => self.done(party, Err(Error::Deadlock)),
            Life::Ended => {
                if !self.is_wrong(Wrong::JoinTwice) {
                    self.w.parties[other].life = Life::Joined;
                }
                self.done(party, Ok(()));
            }
            Life::Alive if !is_joined => self.wait(party, On::Join(other), until),
            Life::Alive | Life::Joined | Life::Unborn => self.done(party, Err(Error::Invalid)),
        }
    }

    fn end(&mut self, party: usize) {
        self.w.parties[party].life = Life::Ended;
        let joiner = self.w.parties.iter().position(|p| matches!(p.doing, Doing::Waits(On::Join(o), _) if o == party));
        if let Some(joiner) = joiner {
            self.w.parties[party].life = Life::Joined;
            self.done(joiner, Ok(()));
        }
    }

    fn cancel(&mut self, party: usize, other: usize) {
        let result = match self.w.parties[other].life {
            Life::Unborn | Life::Joined => Err(Error::Invalid),
            Life::Ended => Ok(()),
            Life::Alive => {
                self.w.parties[other].cancelled = true;
                Ok(())
            }
        };
        self.done(party, result);
    }
}
