//! The number of processors, changed while running in both directions (§12), without stopping the world.
//!
//! Owns: which processors are alive. Growing adds idle ones. Shrinking takes idle ones first, then those of
//! machines in foreign code (seized), and asks the others, which give theirs up at their next enter or search; a
//! machine inside does bounded work, so the wait is short. What a removed processor had queued goes to the head of
//! the global queue (§12.4); its timers stay with it and are run by the others (`find::steal`, `find::attend`).
//! Always true: `Locked::procs` is the number of alive ones; no task is lost or run twice, because a processor is
//! drained by the party that took it, under the lock.

use super::{taking, Locked, Shared, MAX_PROCS};
use crate::machine::owner::RETIRE;
use crate::machine::Machine;
use crate::primitive::{yield_thread, Ordering::*};
use crate::processor::Processor;
use crate::task::ready_list::ReadyList;

impl Shared {
    /// How many processors there shall be (§4.7 uses it for batches).
    #[inline]
    pub fn procs_wanted(&self) -> usize {
        self.wanted.load(Relaxed) as usize
    }

    /// How many were ever made: indices below this are valid.
    #[inline]
    pub fn procs_made(&self) -> u32 {
        self.procs_len.load(Acquire)
    }

    /// The processor with an index below [`Shared::procs_made`].
    #[inline]
    pub fn processor(&self, index: u32) -> &Processor {
        // SAFETY: entries below the length are set and never freed while the runtime lives.
        unsafe { &*self.procs[index as usize].load(Relaxed) }
    }

    /// The first processors, at start.
    pub fn make_procs(&self) {
        let mut locked = self.lock.lock();
        let n = locked.procs_wanted;
        self.grow(&mut locked, n);
    }

    /// Changes the number; gives the previous one. Returns when the change is complete.
    ///
    /// Called outside the runtime: the caller's own processor may be among those removed.
    pub fn set_procs(&self, n: i32) -> i32 {
        // A seed's order is that of one processor.
        let n = n.clamp(1, if self.settings.seeded { 1 } else { MAX_PROCS as i32 });
        let _one_at_a_time = self.resizing.lock();
        let mut locked = self.lock.lock();
        let before = locked.procs_wanted;
        locked.procs_wanted = n;
        self.wanted.store(n as u32, Relaxed);
        if n > locked.procs {
            self.grow(&mut locked, n);
            drop(locked);
            if (self.has_published_work() || self.has_private_work()) && self.idle.submitted(self.barrier) {
                self.start_searcher();
            }
            self.monitor.attend();
            return before;
        }
        drop(locked);
        while !self.shrink() {
            yield_thread();
        }
        before
    }

    fn grow(&self, locked: &mut Locked, n: i32) {
        let retired: Vec<&Processor> = self.procs().filter(|p| !p.alive.get()).collect();
        let mut retired = retired.into_iter();
        while locked.procs < n {
            let p = retired.next().unwrap_or_else(|| self.add_processor());
            p.alive.set(true);
            locked.procs += 1;
            self.push_idle(locked, p);
        }
    }

    /// One try at getting down to the wanted number. True when it is reached.
    fn shrink(&self) -> bool {
        let mut locked = self.lock.lock();
        while locked.procs > locked.procs_wanted {
            let Some(p) = locked.idle_procs.pop() else { break };
            self.idle.set_idle(locked.idle_procs.len());
            // SAFETY: processors are not freed while the runtime lives.
            self.retire(&mut locked, unsafe { &*p });
        }
        let machines: Vec<*const Machine> = locked.machines.iter().map(|m| &**m as *const Machine).collect();
        let mut outside = Vec::new();
        for m in machines {
            if locked.procs <= locked.procs_wanted {
                break;
            }
            // SAFETY: machines are not freed while the runtime lives.
            let m = unsafe { &*m };
            if m.processor.load(Relaxed).is_null() {
                continue;
            }
            if m.owner.seize() {
                let p = self.unassign(m);
                self.retire(&mut locked, p);
                outside.push(m);
            } else {
                m.owner.request(RETIRE);
            }
        }
        let done = locked.procs <= locked.procs_wanted;
        drop(locked);
        outside.iter().for_each(|m| taking::taken_from(self, m));
        done
    }

    /// A machine that was asked gives its own processor up, if there are still too many. Under the lock.
    pub fn retire_own(&self, locked: &mut Locked, m: &Machine) {
        if locked.procs > locked.procs_wanted && !m.processor.load(Relaxed).is_null() {
            let p = self.unassign(m);
            self.retire(locked, p);
        }
    }

    /// Takes a processor that nobody has out of use.
    fn retire(&self, locked: &mut Locked, p: &Processor) {
        let mut out = ReadyList::new();
        p.runq.spill(true, &mut out);
        self.global.prepend(out);
        // SAFETY: under the lock, taken from its owner: the caches are ours.
        unsafe {
            (*p.tasks.get()).flush(&self.slab);
            super::stacks::give_credits_back(p, &self.depot, self.settings.stack_class, 0);
            (*p.stacks.get()).drain(&self.depot);
        }
        p.machine.store(std::ptr::null_mut(), Relaxed);
        p.alive.set(false);
        locked.procs -= 1;
        self.tell_watcher(locked);
        self.monitor.attend();
    }
}
