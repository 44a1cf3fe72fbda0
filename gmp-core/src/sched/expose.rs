//! Exposing private work: its owner stays away in foreign code while a processor is idle.
//!
//! Owns: the monitor's way to make such work stealable. The processor is seized for a moment, under the lock, as for a
//! retake, and left with its machine; if the machine comes in meanwhile it waits for the lock and finds its processor
//! as before, with less in it.

use super::Shared;
use crate::machine::Machine;
use crate::primitive::Ordering::*;
use crate::processor::Processor;
use crate::task::ready_list::ReadyList;

impl Shared {
    /// Moves what is private on `p` to where idle processors find it. False: its machine has come in meanwhile.
    pub fn expose(&self, m: &Machine, p: &Processor) -> bool {
        {
            let _locked = self.lock.lock();
            if !std::ptr::eq(m.processor.load(Relaxed), p) || !m.owner.seize() {
                return false;
            }
            if p.runq.ring_len() > 0 {
                p.runq.share();
            } else {
                let mut out = ReadyList::new();
                p.runq.spill(true, &mut out);
                self.global.append(&mut out);
            }
            m.owner.withdraw();
        }
        super::ready::wake_if_submitted(self);
        true
    }
}
