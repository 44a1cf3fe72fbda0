//! The model of the sync objects (§21, §22).

use super::model::{Move, Wrong};
use super::program::Until;
use super::world::{Doing, On, Party};
use gmp_core::{Error, Result};

impl Move<'_> {
    pub fn lock(&mut self, party: usize, mutex: usize, until: Until) {
        if self.is_told_off(party, until) {
            return;
        }
        if !self.w.mutexes[mutex].held {
            self.w.mutexes[mutex].held = true;
            self.done(party, Ok(()));
        } else if self.waits(party, On::Mutex(mutex), until) {
            self.w.mutexes[mutex].queue.push_back(party);
        }
    }

    pub fn unlock(&mut self, party: usize, mutex: usize) {
        let result = self.give_mutex_up(mutex);
        self.done(party, result);
    }

    /// One who waits is woken, unless one is on its way already. Newcomers may be faster (§22.2).
    fn give_mutex_up(&mut self, mutex: usize) -> Result<()> {
        let newest = self.is_wrong(Wrong::NewestMutexWaiterFirst);
        let m = &mut self.w.mutexes[mutex];
        if !m.held {
            return if self.wrong == Some(Wrong::UnlockIsFree) { Ok(()) } else { Err(Error::Misuse) };
        }
        m.held = false;
        if m.woken {
            return Ok(());
        }
        let Some(next) = (if newest { m.queue.pop_back() } else { m.queue.pop_front() }) else { return Ok(()) };
        m.woken = true;
        if let Doing::Waits(on, until) = self.w.parties[next].doing.clone() {
            self.w.parties[next].doing = Doing::Contends { mutex, woken: true, on, until };
        }
        Ok(())
    }

    /// Takes the mutex, or queues: whoever was woken goes before the others.
    pub fn contend(&mut self, party: usize, mutex: usize, woken: bool, on: On, until: Until) {
        let m = &mut self.w.mutexes[mutex];
        if woken {
            m.woken = false;
        }
        if m.held {
            if woken {
                m.queue.push_front(party);
            } else {
                m.queue.push_back(party);
            }
            self.w.parties[party].doing = Doing::Waits(on, until);
            return;
        }
        m.held = true;
        self.done(party, if let On::Relock(_, result) = on { result } else { Ok(()) });
    }

    pub fn cond_wait(&mut self, party: usize, cond: usize, mutex: usize, until: Until) {
        if !self.w.mutexes[mutex].held {
            return self.done(party, Err(Error::Misuse));
        }
        match self.may_wait(party, until) {
            Ok(()) => self.w.parties[party].doing = Doing::Enters { cond, mutex, until },
            Err(e) => self.done(party, Err(e)),
        }
    }

    /// It is a waiter and the mutex is given up, in one move (§22.16).
    pub fn enter_cond(&mut self, party: usize, cond: usize, mutex: usize, until: Until) {
        self.w.conds[cond].push_back((party, mutex));
        self.w.parties[party].doing = Doing::Waits(On::Cond(mutex), until);
        // Somebody else may have unlocked it meanwhile: then it was theirs to do wrong.
        let _misuse = self.give_mutex_up(mutex);
    }

    pub fn signal(&mut self, party: usize, cond: usize, most: usize) {
        for _ in 0..most {
            let newest = self.is_wrong(Wrong::SignalWakesNewest);
            let queue = &mut self.w.conds[cond];
            let Some((woken, mutex)) = (if newest { queue.pop_back() } else { queue.pop_front() }) else { break };
            self.relock(woken, mutex, Until::Forever, Ok(()));
        }
        self.done(party, Ok(()));
    }

    pub fn leave_cond(&mut self, party: usize, mutex: usize, until: Until, why: Error) {
        for queue in &mut self.w.conds {
            queue.retain(|&(p, _)| p != party);
        }
        if self.is_wrong(Wrong::CanceledCondIsUnlocked) {
            return self.done(party, Err(why));
        }
        self.relock(party, mutex, until, Err(why));
    }

    fn relock(&mut self, party: usize, mutex: usize, until: Until, result: Result<()>) {
        let on = On::Relock(mutex, result);
        self.w.parties[party].doing = Doing::Contends { mutex, woken: false, on, until };
    }

    pub fn read(&mut self, party: usize, until: Until) {
        if self.is_told_off(party, until) {
            return;
        }
        let passes = self.is_wrong(Wrong::ReadersPassWriters);
        let l = &mut self.w.rwlock;
        if !l.writer && (l.waiting_writers.is_empty() || passes) {
            l.readers += 1;
            self.done(party, Ok(()));
        } else if self.waits(party, On::Reading, until) {
            self.w.rwlock.waiting_readers.push_back(party);
        }
    }

    pub fn write(&mut self, party: usize, until: Until) {
        if self.is_told_off(party, until) {
            return;
        }
        let l = &mut self.w.rwlock;
        if !l.writer && l.readers == 0 {
            l.writer = true;
            self.done(party, Ok(()));
        } else if self.waits(party, On::Writing, until) {
            self.w.rwlock.waiting_writers.push_back(party);
        }
    }

    pub fn read_unlock(&mut self, party: usize) {
        let l = &mut self.w.rwlock;
        if l.readers == 0 {
            return self.done(party, Err(Error::Misuse));
        }
        l.readers -= 1;
        if l.readers == 0 && !self.let_writer_in() {
            self.let_readers_in();
        }
        self.done(party, Ok(()));
    }

    /// All readers that queued meanwhile come before the next writer (§22.7).
    pub fn write_unlock(&mut self, party: usize) {
        let l = &mut self.w.rwlock;
        if !l.writer {
            return self.done(party, Err(Error::Misuse));
        }
        l.writer = false;
        let passed = self.is_wrong(Wrong::WriterAfterWriter) && self.let_writer_in();
        if !passed && !self.let_readers_in() {
            self.let_writer_in();
        }
        self.done(party, Ok(()));
    }

    fn let_writer_in(&mut self) -> bool {
        let Some(next) = self.w.rwlock.waiting_writers.pop_front() else { return false };
        self.w.rwlock.writer = true;
        self.done(next, Ok(()));
        true
    }

    fn let_readers_in(&mut self) -> bool {
        let readers = std::mem::take(&mut self.w.rwlock.waiting_readers);
        self.w.rwlock.readers += readers.len();
        readers.iter().for_each(|&reader| self.done(reader, Ok(())));
        !readers.is_empty()
    }

    /// A writer that stops waiting lets the readers in that waited because of it alone.
    pub fn leave_rwlock(&mut self, party: usize) {
        let l = &mut self.w.rwlock;
        l.waiting_readers.retain(|&p| p != party);
        l.waiting_writers.retain(|&p| p != party);
        if !l.writer && l.waiting_writers.is_empty() && self.wrong != Some(Wrong::WriterLeavesSilently) {
            self.let_readers_in();
        }
    }

    pub fn acquire(&mut self, party: usize, n: u32, until: Until) {
        if self.is_told_off(party, until) {
            return;
        }
        let first = self.w.requests.is_empty() || self.is_wrong(Wrong::SmallRequestsPass);
        if n == 0 || first && self.w.permits >= n {
            self.w.permits -= n;
            self.done(party, Ok(()));
        } else if self.waits(party, On::Acquire, until) {
            self.w.requests.push_back((party, n));
        }
    }

    pub fn release(&mut self, party: usize, n: u32) {
        self.w.permits += n;
        self.serve();
        self.done(party, Ok(()));
    }

    /// Oldest first: a request that would fit does not pass a larger one.
    pub fn serve(&mut self) {
        while let Some(&(next, n)) = self.w.requests.front().filter(|(_, n)| *n <= self.w.permits) {
            self.w.requests.pop_front();
            self.w.permits -= n;
            self.done(next, Ok(()));
        }
    }

    pub fn change(&mut self, party: usize, n: i64) {
        if self.w.count + n < 0 {
            return self.done(party, Err(Error::Misuse));
        }
        self.w.count += n;
        self.done(party, Ok(()));
        if self.w.count == 0 {
            let one = self.is_wrong(Wrong::CountWakesOne);
            let waiting = |p: &Party| matches!(p.doing, Doing::Waits(On::Zero, _));
            let all: Vec<usize> = (0..self.w.parties.len()).filter(|&n| waiting(&self.w.parties[n])).collect();
            all.iter().take(if one { 1 } else { all.len() }).for_each(|&p| self.done(p, Ok(())));
        }
    }

    pub fn wait_zero(&mut self, party: usize, until: Until) {
        if self.is_told_off(party, until) {
            return;
        }
        if self.w.count == 0 {
            self.done(party, Ok(()));
        } else {
            let _waits = self.waits(party, On::Zero, until);
        }
    }

    pub fn once(&mut self, party: usize, once: usize) {
        let again = self.is_wrong(Wrong::OnceAgain);
        let o = &mut self.w.onces[once];
        if o.done && !again {
            self.done(party, Ok(()));
        } else if o.runner == Some(party) {
            self.done(party, Err(Error::Deadlock));
        } else if o.runner.is_some() {
            let _waits = self.waits(party, On::Once(once), Until::Forever);
        } else {
            o.runner = Some(party);
            let p = &mut self.w.parties[party];
            p.running.push(once);
            p.doing = Doing::Starts(p.step);
        }
    }

    pub fn end_once(&mut self, party: usize, once: usize) {
        (self.w.onces[once].runner, self.w.onces[once].done) = (None, true);
        self.done(party, Ok(()));
        for other in 0..self.w.parties.len() {
            if matches!(self.w.parties[other].doing, Doing::Waits(On::Once(o), _) if o == once) {
                self.done(other, Ok(()));
            }
        }
    }
}
