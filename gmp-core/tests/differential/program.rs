//! Programs: what several parties do to a few shared objects, and how a program is read out of bytes.
//!
//! Always true: every string of bytes is a program, and nearby strings are nearby programs: a step is [`STEP`] bytes, whatever
//! it says. So a fuzzer can change one step and leave the others alone.

/// Bytes of the part before the steps, and of a step.
pub const HEAD: usize = 6;
pub const STEP: usize = 8;
/// The most steps that are read.
pub const MOST_STEPS: usize = 96;
/// The most cases of a select.
pub const CASES: usize = 4;

pub const MUTEXES: usize = 2;
pub const ONCES: usize = 3;
pub const CONDS: usize = 2;

/// How long an operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Until {
    Now,
    /// A deadline that is over.
    Past,
    /// A deadline that comes while nothing else happens.
    Soon,
    Forever,
}

/// A case of a select. No channel: NULL.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub sends: bool,
    pub chan: Option<usize>,
}

/// An operation. Numbers name objects and parties.
#[derive(Clone, Debug)]
pub enum Op {
    Send(Option<usize>, Until),
    Recv(Option<usize>, Until),
    /// A receive that throws the value away.
    Discard(Option<usize>, Until),
    Close(usize),
    Select(Vec<Case>, Until),
    Lock(usize, Until),
    Unlock(usize),
    Read(Until),
    Write(Until),
    ReadUnlock,
    WriteUnlock,
    Acquire(u32, Until),
    Release(u32),
    Change(i64),
    WaitZero(Until),
    CondWait(usize, usize, Until),
    Signal(usize),
    Broadcast(usize),
    Once(usize, Box<Op>),
    Spawn(usize),
    Join(usize, Until),
    Cancel(usize),
    Checkpoint,
    Sleep,
    Yield,
    End,
}

impl Op {
    /// True when it ends at once whatever happens, so that who must not wait may do it.
    pub fn never_waits(&self) -> bool {
        let gives = matches!(self, Op::Close(_) | Op::Unlock(_) | Op::ReadUnlock | Op::WriteUnlock | Op::Release(_));
        let tells = matches!(self, Op::Change(_) | Op::Signal(_) | Op::Broadcast(_) | Op::Spawn(_) | Op::Cancel(_));
        gives || tells
    }

    /// True when someone can always end its wait without a cancellation: by closing, giving, unlocking.
    pub fn can_be_rescued(&self) -> bool {
        match self {
            Op::Send(chan, _) | Op::Recv(chan, _) | Op::Discard(chan, _) => chan.is_some(),
            Op::Select(cases, _) => cases.iter().any(|case| case.chan.is_some()),
            Op::Once(_, inner) => inner.can_be_rescued(),
            Op::Join(..) => false,
            _ => true,
        }
    }
}

/// One operation of one party.
#[derive(Clone, Debug)]
pub struct Step {
    pub party: usize,
    pub op: Op,
    /// Cancellation is ignored meanwhile.
    pub shielded: bool,
    /// The next step begins before the world is quiet again.
    pub with_next: bool,
}

/// A channel, before the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub elem: usize,
    pub capacity: usize,
}

/// A program.
#[derive(Clone, Debug)]
pub struct Program {
    /// How many parties there are; the last `unborn` of them are spawned by others.
    pub parties: usize,
    pub unborn: usize,
    pub chans: Vec<Setup>,
    /// What the wait group counts at the beginning.
    pub count: i64,
    pub steps: Vec<Step>,
}

/// What a step sends in a case. Never what untouched or zeroed memory looks like, even if only its first byte is looked at.
pub fn value(step: usize, case: usize, elem: usize) -> u32 {
    let value = (step * CASES + case) as u32;
    match elem {
        0 => 0,
        1 => value % 100 + 1,
        _ => value + 1,
    }
}

/// Which operations a program is made of: few kinds meet more often than all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Chans,
    Locks,
    Counts,
    Lives,
}

use Family::*;

const MIXES: [&[Family]; 8] = [
    &[Chans],
    &[Chans, Chans, Chans, Lives],
    &[Locks],
    &[Locks, Locks, Locks, Lives],
    &[Counts],
    &[Counts, Counts, Lives],
    &[Lives],
    &[Chans, Chans, Locks, Counts, Lives],
];

/// A step's bytes, round and round.
struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn below(&mut self, n: usize) -> usize {
        let byte = self.bytes.get(self.at % self.bytes.len().max(1)).copied().unwrap_or(0);
        self.at += 1;
        byte as usize % n
    }

    fn until(&mut self) -> Until {
        match self.below(32) {
            0..3 => Until::Now,
            3..6 => Until::Past,
            6 => Until::Soon,
            _ => Until::Forever,
        }
    }
}

impl Program {
    /// Reads a program.
    pub fn read(bytes: &[u8]) -> Program {
        let (head, rest) = bytes.split_at(HEAD.min(bytes.len()));
        let mut head = Bytes { bytes: head, at: 0 };
        let mix = MIXES[head.below(MIXES.len())];
        let parties = 2 + head.below(4);
        let chans: Vec<Setup> = (0..1 + head.below(3))
            .map(|_| {
                let n = head.below(16);
                Setup { elem: [8, 1, 24, 0][n / 4], capacity: n % 4 }
            })
            .collect();
        let mut program =
            Program { parties: parties + 1, unborn: 1, count: 0, steps: Vec::with_capacity(MOST_STEPS), chans };
        for bytes in rest.chunks(STEP).take(MOST_STEPS) {
            let mut b = Bytes { bytes, at: 0 };
            let n = b.below(256);
            let party = n % program.parties;
            let family = mix[b.below(mix.len())];
            let op = program.read_op(&mut b, family, 2);
            let shielded = n / 128 == 1 && b.below(4) == 0 && op.can_be_rescued();
            program.steps.push(Step { party, op, shielded, with_next: (n / 32).is_multiple_of(4) });
        }
        program
    }

    fn read_op(&self, b: &mut Bytes<'_>, family: Family, depth: usize) -> Op {
        match family {
            Chans => self.read_chan(b),
            Locks => self.read_lock(b),
            Counts => match b.below(12) {
                0..4 => Op::Acquire(b.below(4) as u32, b.until()),
                4..7 => Op::Release(b.below(4) as u32),
                7..9 => Op::Change(1 + b.below(2) as i64),
                9..11 => Op::Change(-1 - b.below(2) as i64),
                _ => Op::WaitZero(b.until()),
            },
            Lives => match b.below(16) {
                0..4 if depth > 0 => {
                    let inner = [Chans, Locks, Counts, Lives][b.below(4)];
                    Op::Once(b.below(ONCES), Box::new(self.read_op(b, inner, depth - 1)))
                }
                4 if depth == 2 => Op::Spawn(self.parties - 1),
                5..7 => Op::Join(b.below(self.parties), b.until()),
                7..10 => Op::Cancel(b.below(self.parties)),
                10 if depth == 2 => Op::End,
                11 => Op::Sleep,
                12 => Op::WaitZero(b.until()),
                13 => Op::Change(1),
                14 => Op::Checkpoint,
                _ => Op::Yield,
            },
        }
    }

    fn chan(&self, b: &mut Bytes<'_>) -> Option<usize> {
        match b.below(64) {
            63 => None,
            n => Some(n % self.chans.len()),
        }
    }

    fn read_chan(&self, b: &mut Bytes<'_>) -> Op {
        match b.below(16) {
            0..5 => Op::Send(self.chan(b), b.until()),
            5..9 => Op::Recv(self.chan(b), b.until()),
            9 => Op::Discard(self.chan(b), b.until()),
            10 if b.below(2) == 0 => Op::Close(b.below(self.chans.len())),
            _ => {
                let until = b.until();
                let cases = (0..1 + b.below(CASES)).map(|_| Case { sends: b.below(2) == 0, chan: self.chan(b) });
                Op::Select(cases.collect(), until)
            }
        }
    }

    fn read_lock(&self, b: &mut Bytes<'_>) -> Op {
        match b.below(24) {
            0..4 => Op::Lock(b.below(MUTEXES), b.until()),
            4..8 => Op::Unlock(b.below(MUTEXES)),
            8..12 => Op::CondWait(b.below(CONDS), b.below(MUTEXES), b.until()),
            12..14 => Op::Signal(b.below(CONDS)),
            14 => Op::Broadcast(b.below(CONDS)),
            15..18 => Op::Read(b.until()),
            18..20 => Op::Write(b.until()),
            20..22 => Op::ReadUnlock,
            _ => Op::WriteUnlock,
        }
    }
}
