//! The same programs on the library: objects, parties that are tasks (or threads), and what they report.
//!
//! Always true: a party that waits for its next step waits shielded, so that its cancellation is seen by its operations only.

use super::free::Taken;
use super::program::{value, Op, Program, Step, Until, CASES, CONDS, MUTEXES, ONCES};
use super::world::{Got, Outcome};
use gmp_core::chan::select::{select, Case, RECV, SEND};
use gmp_core::chan::{wait, Channel};
use gmp_core::sched::spawn::Spawn;
use gmp_core::sync::{
    cond::Cond, mutex::Mutex, once::Once, rwlock::RwLock, semaphore::Semaphore, wait_group::WaitGroup,
};
use gmp_core::{cancel, context_api, global, task_api, time, yield_now, Error, Result};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex as Shared, MutexGuard, PoisonError};

/// How far away a deadline is that comes soon: some come before the wait has begun.
const SOON: [i64; 4] = [300, 1_000, 5_000, 30_000];
const MOST_SPINS: u32 = 1000;
const UNTOUCHED: u8 = 0xA5;
const LARGEST: usize = 24;

/// Room for an element, and a rim that nothing may write to.
type Room = [u8; LARGEST + 8];

/// A lock that is never kept across a wait.
pub fn lock<T>(of: &Shared<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a channel has seen, if somebody counts.
#[derive(Debug, Default)]
pub struct Ledger {
    pub sent: Vec<u32>,
    /// Who received what. None: it was thrown away.
    pub received: Vec<(usize, Option<u32>)>,
}

/// A party's place.
#[derive(Default)]
pub struct Seat {
    pub handle: AtomicU64,
    go: Semaphore,
    next: Shared<Option<(usize, Step)>>,
    pub log: Shared<Vec<Outcome>>,
    pub busy: AtomicBool,
    /// Its life has ended.
    pub over: AtomicBool,
    /// In a program that runs freely: all its steps.
    pub list: Shared<Vec<(usize, Step)>>,
}

/// Everything there is.
pub struct Arena {
    pub chans: Vec<Channel>,
    elems: Vec<usize>,
    pub mutexes: Vec<Mutex>,
    pub rwlock: RwLock,
    pub permits: Semaphore,
    pub group: WaitGroup,
    pub conds: Vec<Cond>,
    pub onces: Vec<Once>,
    /// One for each party, and one for who drives them.
    pub seats: Vec<Seat>,
    /// The parties of a burst wait for each other here, so that they are at it together: how many there are, and have come.
    pub expected: AtomicUsize,
    pub arrived: AtomicUsize,
    /// What a party does with its life.
    body: fn(&Arc<Arena>, usize),
    /// The rest of the lists is not to be done.
    pub stop: AtomicBool,
    pub ledgers: Vec<Shared<Ledger>>,
    /// What `disperse` has done to them.
    pub rescued: Shared<Taken>,
}

fn many<T: Default>(n: usize) -> Vec<T> {
    (0..n).map(|_| T::default()).collect()
}

impl Arena {
    pub fn new(program: &Program, body: fn(&Arc<Arena>, usize)) -> Arc<Arena> {
        let group = WaitGroup::default();
        group.change(program.count).expect("a count");
        Arc::new(Arena {
            chans: program.chans.iter().map(|c| Channel::new(c.elem, c.capacity).expect("a channel")).collect(),
            elems: program.chans.iter().map(|c| c.elem).collect(),
            mutexes: many(MUTEXES),
            rwlock: RwLock::default(),
            permits: Semaphore::default(),
            group,
            conds: many(CONDS),
            onces: many(ONCES),
            seats: many(program.parties + 1),
            expected: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
            body,
            stop: AtomicBool::new(false),
            ledgers: many(program.chans.len()),
            rescued: Shared::default(),
        })
    }

    /// Starts a party as a task.
    pub fn start(self: &Arc<Arena>, party: usize) -> Result<()> {
        let arg = Box::into_raw(Box::new((self.clone(), party))) as *mut c_void;
        let handle = global::spawn(|s, _| Ok(Spawn { detached: false, ..Spawn::plain(s, entry, arg, 0) }))
            .inspect_err(|_| {
                // SAFETY: no task was made, so the box is still ours.
                drop(unsafe { Box::from_raw(arg as *mut (Arc<Arena>, usize)) })
            })?;
        self.seats[party].handle.store(handle, Release);
        Ok(())
    }

    /// Gives a party its next step.
    pub fn command(&self, party: usize, number: usize, step: &Step) {
        let seat = &self.seats[party];
        *lock(&seat.next) = Some((number, step.clone()));
        seat.busy.store(true, Release);
        seat.go.release(1).expect("it is asked for one step at a time");
    }

    /// Waits for the others of a burst, but not for long: they may want this processor.
    fn line_up(&self) {
        self.arrived.fetch_add(1, AcqRel);
        for _ in 0..MOST_SPINS {
            if self.arrived.load(Acquire) >= self.expected.load(Relaxed) {
                break;
            }
            std::hint::spin_loop();
        }
    }

    /// Ends every wait and every party, whatever the state of the objects, as far as one round can.
    pub fn disperse(&self) {
        self.stop.store(true, Release);
        for seat in &self.seats {
            let _gone = context_api::cancel_task(seat.handle.load(Acquire));
        }
        for chan in &self.chans {
            let _closed_before = chan.close();
        }
        for mutex in &self.mutexes {
            let _nobody = mutex.unlock();
        }
        let mut rescued = lock(&self.rescued);
        rescued.writers += i64::from(self.rwlock.write_unlock().is_ok());
        rescued.readers += i64::from(self.rwlock.read_unlock().is_ok());
        rescued.permits += if self.permits.release(8).is_ok() { 8 } else { 0 };
        drop(rescued);
        while self.group.change(-1).is_ok() {}
        self.conds.iter().for_each(Cond::broadcast);
        let end = Step { party: 0, op: Op::End, shielded: false, with_next: false };
        for (n, seat) in self.seats.iter().enumerate() {
            if !seat.busy.load(Acquire) && !seat.over.load(Acquire) && seat.handle.load(Acquire) != 0 {
                self.command(n, 0, &end);
            }
        }
    }
}

unsafe extern "C-unwind" fn entry(arg: *mut c_void) -> *mut c_void {
    // SAFETY: the box that `start` made for this task.
    let (arena, party) = *unsafe { Box::from_raw(arg as *mut (Arc<Arena>, usize)) };
    (arena.body)(&arena, party);
    arena.seats[party].over.store(true, Release);
    null_mut()
}

/// A party that is told each step.
pub fn obey(arena: &Arc<Arena>, party: usize) {
    let seat = &arena.seats[party];
    shield(true);
    loop {
        seat.go.acquire(1, time::FOREVER).expect("a shielded wait without a deadline");
        let Some((number, step)) = lock(&seat.next).take() else { continue };
        if matches!(step.op, Op::End) {
            return seat.busy.store(false, Release);
        }
        arena.line_up();
        shield(step.shielded);
        perform(arena, party, &step.op, number);
        shield(true);
        seat.busy.store(false, Release);
    }
}

/// A party that does what it has to do as fast as it can.
pub fn run_freely(arena: &Arc<Arena>, party: usize) {
    let list = std::mem::take(&mut *lock(&arena.seats[party].list));
    for (number, step) in &list {
        if arena.stop.load(Acquire) || matches!(step.op, Op::End) {
            break;
        }
        shield(step.shielded);
        perform(arena, party, &step.op, *number);
    }
    arena.seats[party].busy.store(false, Release);
}

fn shield(on: bool) {
    // A thread that is no task cannot be cancelled.
    let _before = cancel::shield(on);
}

fn filled(value: u32, elem: usize) -> Room {
    let mut room = [UNTOUCHED; LARGEST + 8];
    let bytes = value.to_le_bytes();
    (0..elem).for_each(|n| room[n] = bytes[n % 4]);
    room
}

fn got(room: &Room, elem: usize) -> Got {
    let first: Vec<u8> = (0..4).map(|n| if n < elem { room[n] } else { 0 }).collect();
    let value = u32::from_le_bytes([first[0], first[1], first[2], first[3]]);
    let mut zeros = [UNTOUCHED; LARGEST + 8];
    zeros[..elem].fill(0);
    match room {
        _ if *room == [UNTOUCHED; LARGEST + 8] => Got::Untouched,
        _ if *room == zeros => Got::Zeros,
        _ if *room == filled(value, elem) => Got::Value(value),
        _ => Got::Spoilt,
    }
}

struct Turn<'a> {
    arena: &'a Arc<Arena>,
    party: usize,
    step: usize,
}

/// Performs an operation, and logs what came of it.
pub fn perform(arena: &Arc<Arena>, party: usize, op: &Op, step: usize) {
    let turn = Turn { arena, party, step };
    let (result, chosen, got) = match *op {
        Op::Send(chan, until) => (turn.send(chan, until), None, Got::Untouched),
        Op::Recv(chan, until) => turn.recv(chan, until),
        Op::Discard(chan, until) => (turn.discard(chan, until), None, Got::Untouched),
        Op::Select(ref cases, until) => turn.select(cases, until),
        _ => (turn.plain(op), None, Got::Untouched),
    };
    lock(&arena.seats[party].log).push(Outcome { step, result, chosen, got });
}

impl Turn<'_> {
    fn soon(&self) -> i64 {
        SOON[self.step % SOON.len()]
    }

    fn deadline(&self, until: Until) -> i64 {
        match until {
            Until::Now => time::NOWAIT,
            Until::Past => 1,
            Until::Soon => time::after(self.soon()),
            Until::Forever => time::FOREVER,
        }
    }

    fn plain(&self, op: &Op) -> Result<()> {
        let a = self.arena;
        match *op {
            Op::Close(chan) => a.chans[chan].close(),
            Op::Lock(mutex, until) => a.mutexes[mutex].lock(self.deadline(until)),
            Op::Unlock(mutex) => a.mutexes[mutex].unlock(),
            Op::Read(until) => a.rwlock.read(self.deadline(until)),
            Op::Write(until) => a.rwlock.write(self.deadline(until)),
            Op::ReadUnlock => a.rwlock.read_unlock(),
            Op::WriteUnlock => a.rwlock.write_unlock(),
            Op::Acquire(n, until) => a.permits.acquire(n, self.deadline(until)),
            Op::Release(n) => a.permits.release(n),
            Op::Change(n) => a.group.change(n),
            Op::WaitZero(until) => a.group.wait(self.deadline(until)),
            Op::CondWait(cond, mutex, until) => a.conds[cond].wait(&a.mutexes[mutex], self.deadline(until)),
            Op::Signal(cond) => {
                a.conds[cond].signal();
                Ok(())
            }
            Op::Broadcast(cond) => {
                a.conds[cond].broadcast();
                Ok(())
            }
            Op::Once(once, ref inner) => a.onces[once].call(|| perform(a, self.party, inner, self.step)),
            Op::Spawn(party) => a.start(party),
            Op::Join(party, until) => global::join(a.seats[party].handle.load(Acquire), self.deadline(until)).map(drop),
            Op::Cancel(party) => context_api::cancel_task(a.seats[party].handle.load(Acquire)),
            Op::Checkpoint => task_api::checkpoint(),
            Op::Sleep => time::sleep(self.soon()),
            _ => {
                yield_now();
                Ok(())
            }
        }
    }

    fn value(&self, chan: usize, case: usize) -> u32 {
        value(self.step, case, self.arena.elems[chan])
    }

    fn note(&self, chan: usize, sent: Option<u32>, received: Option<Option<u32>>) {
        let mut ledger = lock(&self.arena.ledgers[chan]);
        ledger.sent.extend(sent);
        ledger.received.extend(received.map(|value| (self.party, value)));
    }

    fn send(&self, chan: Option<usize>, until: Until) -> Result<()> {
        let Some(chan) = chan else { return wait::wait_for_ever(self.deadline(until)) };
        let value = self.value(chan, 0);
        let room = filled(value, self.arena.elems[chan]);
        // SAFETY: the arena's channel, and room for an element.
        unsafe { self.arena.chans[chan].send(room.as_ptr(), self.deadline(until)) }?;
        self.note(chan, Some(value), None);
        Ok(())
    }

    fn recv(&self, chan: Option<usize>, until: Until) -> (Result<()>, Option<usize>, Got) {
        let Some(chan) = chan else { return (wait::wait_for_ever(self.deadline(until)), None, Got::Untouched) };
        let mut room = [UNTOUCHED; LARGEST + 8];
        // SAFETY: as above.
        let result = unsafe { self.arena.chans[chan].recv(room.as_mut_ptr(), self.deadline(until)) };
        let got = got(&room, self.arena.elems[chan]);
        if result.is_ok() {
            self.note(chan, None, Some(if let Got::Value(value) = got { Some(value) } else { None }));
        }
        (result, None, got)
    }

    fn discard(&self, chan: Option<usize>, until: Until) -> Result<()> {
        let Some(chan) = chan else { return wait::wait_for_ever(self.deadline(until)) };
        // SAFETY: as above; the value is thrown away.
        unsafe { self.arena.chans[chan].recv(null_mut(), self.deadline(until)) }?;
        self.note(chan, None, Some(None));
        Ok(())
    }

    fn select(&self, cases: &[super::program::Case], until: Until) -> (Result<()>, Option<usize>, Got) {
        let mut rooms = [[UNTOUCHED; LARGEST + 8]; CASES];
        let mut real = Vec::with_capacity(CASES);
        for (n, case) in cases.iter().enumerate() {
            if let (true, Some(chan)) = (case.sends, case.chan) {
                rooms[n] = filled(self.value(chan, n), self.arena.elems[chan]);
            }
            let chan = case.chan.map_or(std::ptr::null(), |chan| self.arena.chans[chan].as_ptr());
            let op = if case.sends { SEND } else { RECV };
            real.push(Case { op, status: 0, chan, value: rooms[n].as_mut_ptr() });
        }
        // SAFETY: the arena's channels, and rooms that stay until the end.
        let chosen = unsafe { select(&mut real, self.deadline(until)) };
        let elem = |n: usize| cases[n].chan.map_or(0, |chan| self.arena.elems[chan]);
        let spoilt =
            (0..cases.len()).any(|n| Ok(n) != chosen && !cases[n].sends && got(&rooms[n], elem(n)) != Got::Untouched);
        let n = match chosen {
            Ok(n) => n,
            Err(e) => return (Err(e), None, if spoilt { Got::Spoilt } else { Got::Untouched }),
        };
        let got = match () {
            _ if spoilt => Got::Spoilt,
            _ if cases[n].sends => Got::Untouched,
            _ => got(&rooms[n], elem(n)),
        };
        let result = match real[n].status {
            0 => Ok(()),
            status if status == Error::Closed.code() => Err(Error::Closed),
            other => Err(Error::Code(other)),
        };
        if let (Ok(()), Some(chan)) = (result, cases[n].chan) {
            if cases[n].sends {
                self.note(chan, Some(self.value(chan, n)), None);
            } else {
                self.note(chan, None, Some(if let Got::Value(value) = got { Some(value) } else { None }));
            }
        }
        (result, Some(n), got)
    }
}
