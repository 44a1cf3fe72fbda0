//! Confluent programs: whatever order their parties run in, each operation comes to the same.
//!
//! Owns: the shape that makes it so. Every place where two could be in each other's way has one party: a channel has one
//! sender, who also closes it, and one receiver; the semaphore has one who acquires; the count only goes down; a party that is
//! spawned is joined by its spawner; a lock is taken to be given back, with nothing that waits in between. Nobody looks whether it
//! would have to wait. What remains is a net without conflicts: what can happen goes on being possible until it happens.

use super::model::explore;
use super::program::{Case, Op, Program, Setup, Step, Until, MOST_STEPS, MUTEXES, ONCES};
use super::world::World;
use gmp_core::base::rng::Rng;
use std::collections::HashSet;

/// Bytes of the part before the steps, and of a step.
const HEAD: usize = 16;
const STEP: usize = 4;
/// What makes others wait for ever is rare: below this.
const RARE: u8 = 32;

/// Reads a confluent program out of bytes.
pub fn read(bytes: &[u8]) -> Program {
    let (head, rest) = bytes.split_at(HEAD.min(bytes.len()));
    let at = |n: usize| head.get(n).copied().unwrap_or(0) as usize;
    let (born, unborn) = (2 + at(0) % 4, at(1) % 3);
    let parties = born + unborn;
    let ends: Vec<(usize, usize)> = (0..1 + at(2) % 4)
        .map(|n| {
            let sender = at(3 + n) % parties;
            (sender, (sender + 1 + at(7 + n) % (parties - 1)) % parties)
        })
        .collect();
    let chans = (0..ends.len()).map(|n| Setup { elem: 8, capacity: at(11 + n) % 4 }).collect();
    let mut reader =
        Reader { born, parties, ends, acquirer: at(15) % parties, begun: HashSet::new(), steps: Vec::new() };
    for bytes in rest.chunks_exact(STEP) {
        if reader.steps.len() < MOST_STEPS {
            reader.read_step([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
    }
    let downs = reader.steps.iter().filter(|step| matches!(step.op, Op::Change(_))).count() as i64;
    // With one more than is ever taken away, whoever waits for zero waits for ever.
    let count = downs + i64::from(at(15) / 128 == 1 && downs > 0);
    Program { parties, unborn, chans, count, steps: reader.steps }
}

struct Reader {
    born: usize,
    parties: usize,
    ends: Vec<(usize, usize)>,
    acquirer: usize,
    begun: HashSet<usize>,
    steps: Vec<Step>,
}

fn alone(sends: bool, chan: usize) -> Op {
    Op::Select(vec![Case { sends, chan: None }, Case { sends, chan: Some(chan) }], Until::Forever)
}

fn send(chan: usize, form: u8) -> Op {
    match form % 4 {
        0 => alone(true, chan),
        _ => Op::Send(Some(chan), Until::Forever),
    }
}

fn receive(chan: usize, form: u8) -> Op {
    match form % 4 {
        0 => alone(false, chan),
        1 => Op::Discard(Some(chan), Until::Forever),
        _ => Op::Recv(Some(chan), Until::Forever),
    }
}

impl Reader {
    fn push(&mut self, party: usize, op: Op) {
        self.steps.push(Step { party, op, shielded: false, with_next: false });
    }

    fn read_step(&mut self, [who, kind, a, b]: [u8; 4]) {
        let party = who as usize % self.parties;
        let chan = a as usize % self.ends.len();
        let some = Until::Forever;
        let (sender, receiver) = self.ends[chan];
        match kind % 32 {
            0..13 => {
                self.push(sender, send(chan, b));
                self.push(receiver, receive(chan, b / 4));
            }
            13 if b < RARE => self.push(sender, send(chan, b)),
            14 if b < RARE => self.push(receiver, receive(chan, b)),
            15 if b < RARE => self.push(sender, Op::Close(chan)),
            16 if b < RARE / 8 => self.push(party, Op::Recv(None, some)),
            17 => self.push(party, Op::Release(1 + b as u32 % 3)),
            18..20 => {
                let n = 1 + b as u32 % 3;
                self.push(party, Op::Release(n));
                self.push(self.acquirer, Op::Acquire(n, some));
            }
            20 if b < RARE => self.push(self.acquirer, Op::Acquire(1, some)),
            21..23 => self.push(party, Op::Change(-1)),
            23 if b < 2 * RARE => self.push(party, Op::WaitZero(some)),
            24..26 => self.section(party, Op::Lock(b as usize % MUTEXES, some), Op::Unlock(b as usize % MUTEXES)),
            26 => self.section(party, Op::Read(some), Op::ReadUnlock),
            27 => self.section(party, Op::Write(some), Op::WriteUnlock),
            28 => self.push(party, Op::Once(b as usize % ONCES, Box::new(Op::Yield))),
            29..31 if self.born < self.parties => {
                let child = self.born + b as usize % (self.parties - self.born);
                let first = self.begun.insert(child);
                self.push(child - self.born, if first { Op::Spawn(child) } else { Op::Join(child, some) });
            }
            _ => self.push(party, Op::Yield),
        }
    }

    fn section(&mut self, party: usize, before: Op, after: Op) {
        [before, Op::Yield, after].into_iter().for_each(|op| self.push(party, op));
    }
}

/// Each party's steps, with an end.
pub fn lists(program: &mut Program) -> Vec<Vec<usize>> {
    let mut lists = vec![Vec::new(); program.parties];
    for party in 0..program.parties {
        program.steps.push(Step { party, op: Op::End, shielded: false, with_next: false });
    }
    program.steps.iter().enumerate().for_each(|(n, step)| lists[step.party].push(n));
    lists
}

/// How it ends, by a random order of steps. None: the model has too many ways.
pub fn predict(program: &Program, lists: &[Vec<usize>], rng: &mut Rng) -> Option<World> {
    let mut world = World::new(program);
    let mut done = vec![0; lists.len()];
    loop {
        let able: Vec<usize> = (0..lists.len()).filter(|&p| world.is_idle(p) && done[p] < lists[p].len()).collect();
        if able.is_empty() {
            return Some(world);
        }
        let party = able[rng.below(able.len() as u32) as usize];
        world.begin(party, lists[party][done[party]], false);
        done[party] += 1;
        let mut worlds: Vec<World> = explore(HashSet::from([world]), &program.steps, None)?.into_iter().collect();
        world = worlds.swap_remove(rng.below(worlds.len() as u32) as usize);
    }
}
