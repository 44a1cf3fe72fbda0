//! Surplus machines: those that a burst of blocking calls has left behind end after a while; and those that must end.
//!
//! Owns: which sleeping machine may end, and how the thread and the record of one that ends go on. A machine is surplus while there are more
//! of them than processors; what needs its very thread (`Machine::is_needed`) keeps it.
//!
//! Always true: a machine that ends is in no list, has no processor and runs nothing; its record is used again only after
//! the thread's last touch of it ([`Shared::thread_over`]); every thread is joined once, by the monitor or at the stop.

use super::{Locked, Shared};
use crate::machine::Machine;
use crate::primitive::Ordering::*;
use crate::source::timer::NEVER;
use crate::sys::clock;

impl Shared {
    /// Until when a machine that falls asleep now shall sleep at most, if it is surplus then.
    pub fn surplus_at(&self) -> i64 {
        clock::now().saturating_add(self.settings.idle_thread)
    }

    /// The same for one more sleep of a machine that fell asleep earlier. Under the lock.
    pub fn surplus_deadline(&self, locked: &Locked, m: &Machine, at: i64) -> i64 {
        if m.is_needed() {
            // What needs it ends on its own thread: it falls asleep anew then.
            NEVER
        } else if locked.machine_count > locked.max_threads {
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
        if self.surplus_deadline(locked, m, at) > clock::now() {
            return false;
        }
        locked.machine_count -= 1;
        true
    }

    /// A machine without a processor ends because its thread is not to be used any more.
    pub fn resign(&self, m: &Machine) {
        let mut locked = self.lock.lock();
        debug_assert!(m.processor.load(Relaxed).is_null() && !m.asleep.get());
        if std::ptr::eq(locked.watcher, m) {
            locked.watcher = std::ptr::null();
        }
        locked.machine_count -= 1;
        drop(locked);
        self.quiet.look(self);
    }

    /// The last thing that a machine's thread does, unless the runtime stops: the record may be used again, the thread be joined.
    pub fn thread_over(&self, m: &Machine) {
        let mut locked = self.lock.lock();
        let thread = m.thread.get();
        m.renew();
        // `prepare_machine` has made room in both.
        locked.spare_machines.push(m);
        locked.ended.push(thread);
        drop(locked);
        self.monitor.attend();
    }

    /// Joins the threads that have ended, without waiting for those that are about to. The monitor.
    pub fn join_ended(&self) {
        let mut locked = self.lock.lock();
        let Locked { ended, threads, .. } = &mut *locked;
        ended.retain(|&over| {
            // One whose maker has not listed it yet comes next time.
            let Some(at) = threads.iter().position(|&(number, _)| number == over) else { return true };
            let (number, thread) = threads.swap_remove(at);
            let Err(thread) = thread.try_join() else { return false };
            threads.push((number, thread));
            true
        });
    }
}
