//! Surplus machines: those that a burst of blocking calls has left behind end after a while.
//!
//! Owns: which sleeping machine may end, and how its thread and its record go on. A machine is surplus while there are more
//! of them than processors; what needs its very thread (`Machine::is_needed`) keeps it.
//!
//! Always true: a machine that ends is in no list, has no processor and runs nothing; its record is used again only after
//! the thread's last touch of it ([`Shared::thread_over`]); every thread is joined once, by the monitor or at the stop.

use super::{Locked, Shared};
use crate::machine::Machine;
use crate::source::timer::NEVER;
use crate::sys::clock;

impl Shared {
    /// Until when a machine that falls asleep now shall sleep at most, if it is surplus then.
    pub fn surplus_at(&self) -> i64 {
        clock::now().saturating_add(self.settings.idle_thread)
    }

    /// The same for one more sleep of a machine that fell asleep earlier. Under the lock.
    pub fn surplus_deadline(&self, locked: &Locked, at: i64) -> i64 {
        if locked.machine_count > locked.max_threads {
            // The cap was lowered.
            0
        } else if locked.machine_count > locked.procs_wanted {
            at
        } else {
            NEVER
        }
    }

    /// Under the lock: ends a machine that has slept until `at` and is not needed. It has no processor and stands in no list.
    pub fn dismiss(&self, locked: &mut Locked, m: &Machine, at: i64) -> bool {
        if self.surplus_deadline(locked, at) > clock::now() || m.is_needed() {
            return false;
        }
        locked.machine_count -= 1;
        true
    }

    /// The last thing that a machine's thread does, unless the runtime stops: the record may be used again, the thread be joined.
    pub fn thread_over(&self, m: &Machine) {
        let mut locked = self.lock.lock();
        let thread = m.thread.get();
        // `prepare_machine` has made room in both.
        locked.spare_machines.push(m);
        locked.ended.push(thread);
        drop(locked);
        self.monitor.attend();
    }

    /// Joins the threads that have ended. The monitor.
    pub fn join_ended(&self) {
        loop {
            let thread = {
                let mut locked = self.lock.lock();
                let Locked { ended, threads, .. } = &mut *locked;
                // One whose maker has not listed it yet comes next time.
                let Some((e, t)) = ended
                    .iter()
                    .enumerate()
                    .find_map(|(e, &over)| Some((e, threads.iter().position(|&(number, _)| number == over)?)))
                else {
                    return;
                };
                ended.swap_remove(e);
                threads.swap_remove(t).1
            };
            thread.join();
        }
    }
}
