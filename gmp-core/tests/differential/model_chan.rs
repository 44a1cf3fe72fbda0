//! The model of channels and select (§19, §20).

use super::model::{Move, Wrong};
use super::program::{value, Case, Until};
use super::world::{Doing, Entry, Got, On};
use gmp_core::{Error, Result};

type Received = (Result<()>, Got);

impl Move<'_> {
    fn value(&self, party: usize, case: usize, chan: usize) -> u32 {
        value(self.w.parties[party].step, case, self.w.chans[chan].setup_elem)
    }

    /// What memory holds after `value` was received from `chan`.
    fn got(&self, chan: usize, value: u32, discards: bool) -> Got {
        match self.w.chans[chan].setup_elem {
            0 => Got::Untouched,
            _ if discards => Got::Untouched,
            _ => Got::Value(value),
        }
    }

    fn zeros(&self, chan: usize, discards: bool) -> Got {
        match self.w.chans[chan].setup_elem {
            0 => Got::Untouched,
            _ if discards => Got::Untouched,
            _ => Got::Zeros,
        }
    }

    /// Takes the oldest who waits in a channel out, with all its entries everywhere. Of a select that is there more than
    /// once, any of them.
    fn claim(&mut self, chan: usize, senders: bool) -> Option<Entry> {
        let newest = self.is_wrong(Wrong::NewestChanWaiterFirst);
        let c = &self.w.chans[chan];
        let queue = if senders { &c.senders } else { &c.receivers };
        let first = if newest { queue.back()? } else { queue.front()? }.party;
        let own: Vec<Entry> = queue.iter().filter(|entry| entry.party == first).cloned().collect();
        let entry = own[self.choices.choose(own.len())].clone();
        self.leave_chans(first);
        Some(entry)
    }

    /// Of [`Wrong`]: the value of a send that is given up goes where there is room for it.
    pub fn send_anyway(&mut self, party: usize) {
        for chan in &mut self.w.chans {
            if let Some(entry) = chan.senders.iter().find(|entry| entry.party == party) {
                chan.buffer.push_back(entry.value);
            }
        }
    }

    pub fn leave_chans(&mut self, party: usize) {
        for chan in &mut self.w.chans {
            chan.senders.retain(|entry| entry.party != party);
            chan.receivers.retain(|entry| entry.party != party);
        }
    }

    fn can_send(&self, chan: usize) -> bool {
        let c = &self.w.chans[chan];
        c.closed || !c.receivers.is_empty() || c.buffer.len() < c.capacity
    }

    fn can_recv(&self, chan: usize) -> bool {
        let c = &self.w.chans[chan];
        c.closed || !c.senders.is_empty() || !c.buffer.is_empty()
    }

    /// A send that needs no waiting.
    fn send_now(&mut self, chan: usize, value: u32) -> Result<()> {
        if self.w.chans[chan].closed {
            return Err(Error::Closed);
        }
        match self.claim(chan, false) {
            Some(to) => {
                let got = self.got(chan, value, to.discards);
                self.finish(to.party, Ok(()), to.case, got);
            }
            None => self.w.chans[chan].buffer.push_back(value),
        }
        Ok(())
    }

    /// A receive that needs no waiting.
    fn recv_now(&mut self, chan: usize, discards: bool) -> Received {
        let drops = self.w.chans[chan].closed && self.is_wrong(Wrong::CloseDropsBuffer);
        let first = if drops { None } else { self.w.chans[chan].buffer.pop_front() };
        let from = self.claim(chan, true);
        if let Some(from) = &from {
            self.finish(from.party, Ok(()), from.case, Got::Untouched);
        }
        let value = match (first, from) {
            (Some(first), Some(from)) => {
                self.w.chans[chan].buffer.push_back(from.value);
                first
            }
            (Some(first), None) => first,
            (None, Some(from)) => from.value,
            (None, None) => return (Err(Error::Closed), self.zeros(chan, discards)),
        };
        (Ok(()), self.got(chan, value, discards))
    }

    pub fn send(&mut self, party: usize, chan: usize, until: Until) {
        if self.is_told_off(party, until) {
            return;
        }
        let value = self.value(party, 0, chan);
        if self.can_send(chan) {
            let result = self.send_now(chan, value);
            self.done(party, result);
        } else if self.waits(party, On::Chans, until) {
            self.w.chans[chan].senders.push_back(Entry { party, case: None, value, discards: false });
        }
    }

    pub fn recv(&mut self, party: usize, chan: usize, discards: bool, until: Until) {
        if self.is_told_off(party, until) {
            return;
        }
        if self.can_recv(chan) {
            let (result, got) = self.recv_now(chan, discards);
            self.finish(party, result, None, got);
        } else if self.waits(party, On::Chans, until) {
            self.w.chans[chan].receivers.push_back(Entry { party, case: None, value: 0, discards });
        }
    }

    pub fn select(&mut self, party: usize, cases: &[Case], until: Until) {
        if self.is_told_off(party, until) {
            return;
        }
        let is_ready = |case: &Case| {
            case.chan.is_some_and(|chan| if case.sends { self.can_send(chan) } else { self.can_recv(chan) })
        };
        let ready: Vec<usize> = (0..cases.len()).filter(|&n| is_ready(&cases[n])).collect();
        if !ready.is_empty() {
            let first = self.is_wrong(Wrong::SelectTakesFirst);
            let n = ready[if first { 0 } else { self.choices.choose(ready.len()) }];
            let chan = cases[n].chan.expect("it is ready");
            let (result, got) = match cases[n].sends {
                true => {
                    let value = self.value(party, n, chan);
                    (self.send_now(chan, value), Got::Untouched)
                }
                false => self.recv_now(chan, false),
            };
            return self.finish(party, result, Some(n), got);
        }
        let on = if cases.iter().any(|case| case.chan.is_some()) { On::Chans } else { On::Never };
        if !self.waits(party, on, until) {
            return;
        }
        for (n, case) in cases.iter().enumerate() {
            let Some(chan) = case.chan else { continue };
            let value = self.value(party, n, chan);
            let entry = Entry { party, case: Some(n), value, discards: false };
            let c = &mut self.w.chans[chan];
            if case.sends { &mut c.senders } else { &mut c.receivers }.push_back(entry);
        }
    }

    pub fn close(&mut self, party: usize, chan: usize) {
        if self.w.chans[chan].closed {
            return self.done(party, Err(Error::Misuse));
        }
        self.w.chans[chan].closed = true;
        self.done(party, Ok(()));
        loop {
            let c = &self.w.chans[chan];
            let Some(first) = c.receivers.iter().chain(&c.senders).next().map(|entry| entry.party) else { break };
            let all = c.receivers.iter().map(|e| (e, false)).chain(c.senders.iter().map(|e| (e, true)));
            let own: Vec<(Entry, bool)> =
                all.filter(|(e, _)| e.party == first).map(|(e, sends)| (e.clone(), sends)).collect();
            let (entry, sends) = own[self.choices.choose(own.len())].clone();
            self.leave_chans(first);
            let got = if sends { Got::Untouched } else { self.zeros(chan, entry.discards) };
            debug_assert!(matches!(self.w.parties[first].doing, Doing::Waits(..)));
            self.finish(first, Err(Error::Closed), entry.case, got);
            if self.is_wrong(Wrong::CloseWakesOne) {
                break;
            }
        }
    }
}
