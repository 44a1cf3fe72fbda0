//! The model's world: the state of every object and party, in plain data.
//!
//! Always true: two worlds that are equal go on in the same ways, so one of them is enough.

use super::program::{Program, Setup, Until, CONDS, MUTEXES, ONCES};
use gmp_core::Result;
use std::collections::VecDeque;

/// What a receive left in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Got {
    Untouched,
    Zeros,
    Value(u32),
    /// Something else, or in the wrong place.
    Spoilt,
}

/// What an operation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    pub step: usize,
    pub result: Result<()>,
    /// A select's case.
    pub chosen: Option<usize>,
    pub got: Got,
}

/// What a party waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum On {
    /// NULL.
    Never,
    /// Its entries are in the channels.
    Chans,
    Mutex(usize),
    /// The same after a condition, whose answer it is: not to be cancelled.
    Relock(usize, Result<()>),
    Reading,
    Writing,
    Acquire,
    Zero,
    Cond(usize),
    Once(usize),
    Join(usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Waits for its next step.
    Idle,
    /// Its step, or what the function that it runs does.
    Starts(usize),
    Waits(On, Until),
    /// Awake, and will take this mutex or queue for it.
    Contends {
        mutex: usize,
        woken: bool,
        on: On,
        until: Until,
    },
    /// Has seen that the mutex is held, and will give it up.
    Enters {
        cond: usize,
        mutex: usize,
        until: Until,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    Unborn,
    Alive,
    Ended,
    /// Its handle is used up.
    Joined,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Party {
    pub life: Life,
    pub doing: Doing,
    pub cancelled: bool,
    pub shielded: bool,
    /// The step it is at.
    pub step: usize,
    /// The onces whose functions it runs, innermost last.
    pub running: Vec<usize>,
    pub log: Vec<Outcome>,
}

/// A waiting send or receive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub party: usize,
    /// None: not of a select.
    pub case: Option<usize>,
    /// Of a send.
    pub value: u32,
    /// Of a receive: it throws the value away.
    pub discards: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chan {
    pub setup_elem: usize,
    pub capacity: usize,
    pub closed: bool,
    pub buffer: VecDeque<u32>,
    pub senders: VecDeque<Entry>,
    pub receivers: VecDeque<Entry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mutex {
    pub held: bool,
    /// Somebody who was woken is on its way.
    pub woken: bool,
    pub queue: VecDeque<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RwLock {
    pub readers: usize,
    pub writer: bool,
    pub waiting_readers: VecDeque<usize>,
    pub waiting_writers: VecDeque<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Once {
    pub runner: Option<usize>,
    pub done: bool,
}

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub chans: Vec<Chan>,
    pub mutexes: Vec<Mutex>,
    pub rwlock: RwLock,
    pub permits: u32,
    pub requests: VecDeque<(usize, u32)>,
    pub count: i64,
    pub conds: Vec<VecDeque<(usize, usize)>>,
    pub onces: Vec<Once>,
    pub parties: Vec<Party>,
}

impl World {
    /// As it is before the first step.
    pub fn new(program: &Program) -> World {
        let chan = |&Setup { elem, capacity }: &Setup| Chan {
            setup_elem: elem,
            capacity,
            closed: false,
            buffer: VecDeque::new(),
            senders: VecDeque::new(),
            receivers: VecDeque::new(),
        };
        let party = |n: usize| Party {
            life: if n + program.unborn < program.parties { Life::Alive } else { Life::Unborn },
            doing: Doing::Idle,
            cancelled: false,
            shielded: false,
            step: 0,
            running: Vec::new(),
            log: Vec::new(),
        };
        // The last is who drives the others. It has no handle.
        let mut parties: Vec<Party> = (0..=program.parties).map(party).collect();
        parties[program.parties].life = Life::Alive;
        World {
            chans: program.chans.iter().map(chan).collect(),
            mutexes: vec![Mutex::default(); MUTEXES],
            rwlock: RwLock::default(),
            permits: 0,
            requests: VecDeque::new(),
            count: program.count,
            conds: vec![VecDeque::new(); CONDS],
            onces: vec![Once::default(); ONCES],
            parties,
        }
    }

    /// True when the party can be given a step.
    pub fn is_idle(&self, party: usize) -> bool {
        self.parties[party].life == Life::Alive && self.parties[party].doing == Doing::Idle
    }

    /// True when the party is there and waits for something.
    pub fn is_waiting(&self, party: usize) -> bool {
        self.parties[party].life == Life::Alive && self.parties[party].doing != Doing::Idle
    }

    /// Gives a party its next step.
    pub fn begin(&mut self, party: usize, step: usize, shielded: bool) {
        let p = &mut self.parties[party];
        (p.doing, p.step, p.shielded) = (Doing::Starts(step), step, shielded);
    }

    /// The parties that will move without anybody's help.
    pub fn movers(&self) -> impl Iterator<Item = usize> + '_ {
        self.parties.iter().enumerate().filter_map(|(n, p)| match p.doing {
            Doing::Idle => None,
            Doing::Waits(On::Relock(..), _) => None,
            Doing::Waits(_, until) if until != Until::Soon && (!p.cancelled || p.shielded) => None,
            _ => Some(n),
        })
    }
}
