//! Machines: giving them processors, putting them to sleep, making new ones.
//!
//! Owns: who sleeps and who is woken with which processor. Every change of `Machine::processor` is here, in
//! `procs.rs` and in `handoff.rs`, under the scheduler's lock.
//!
//! Always true:
//!  - M1. A machine in the idle list has no processor, is not searching and runs no task.
//!  - M2. A processor is given to a sleeping machine by marking it inside first (`Owner::enter_for`): it cannot be
//!        seized before the machine has woken.
//!  - M3. While a timer is pending and every machine sleeps, one of them (the watcher) wakes at the earliest.
//!
//! Order of waking: the machine that fell asleep last (§2.2). A thread is made when no machine sleeps and the cap
//! allows; else the work stays queued, the stats say so, and the monitor tries again.

use super::{record, run, Inside, Locked, Shared};
use crate::base::alloc::try_box;
use crate::base::chaos::{self, Point};
use crate::base::error::{Error, Result};
use crate::machine::owner::Owner;
use crate::machine::{Duty, Machine};
use crate::primitive::{MutexGuard, Ordering::*};
use crate::processor::Processor;
use crate::source::timer::NEVER;
use crate::sys::{clock, thread};
use crate::task::ready_list::ReadyList;
use crate::task::Kind;
use std::ffi::{c_void, CString};
use std::ptr::null_mut;

/// A machine's own stack: task code never runs on it, but the hooks of task classes do.
const MACHINE_STACK: usize = 1 << 20;

impl Shared {
    /// Starts a machine that is counted as searching already (`idle.rs`).
    pub fn start_searcher(&self) {
        let mut locked = self.lock.lock();
        match self.pop_idle(&mut locked) {
            Some(p) => self.start_machine(locked, p, true),
            None => {
                // Before the unlock: a machine that gives up after it must not count us as searching (§7.6 in other words;
                // `model_idle_holds_with_three_threads` found the lost core).
                self.idle.end_search();
                drop(locked);
                // Who took it may be in foreign code already.
                self.monitor.attend();
            }
        }
    }

    /// An idle processor, off the list.
    fn pop_idle<'a>(&self, locked: &mut Locked) -> Option<&'a Processor> {
        let p = locked.idle_procs.pop()?;
        self.idle.set_idle(locked.idle_procs.len());
        // SAFETY: processors are not freed while the runtime lives.
        Some(unsafe { &*p })
    }

    /// Puts a processor that nobody has on the idle list. What it had queued goes to the global queue.
    pub fn push_idle(&self, locked: &mut Locked, p: &Processor) {
        let mut out = ReadyList::new();
        p.runq.spill(true, &mut out);
        if !out.is_empty() {
            self.global.prepend(out);
        }
        p.machine.store(null_mut(), Relaxed);
        locked.idle_procs.push(p as *const Processor as *mut Processor);
        self.idle.set_idle(locked.idle_procs.len());
    }

    /// Gives `p` to a machine without one. Under the lock.
    fn assign(&self, m: &Machine, p: &Processor) {
        debug_assert!(m.processor.load(Relaxed).is_null());
        // While all was idle nobody else has.
        self.coarse.renew(clock::now());
        p.machine.store(m as *const Machine as *mut (), Release);
        m.processor.store(p as *const Processor as *mut Processor, Release);
        record::assigned(self, m, p);
    }

    /// Takes a machine's own processor from it. Under the lock, by the machine itself while inside, or after `seize`.
    pub fn unassign<'a>(&self, m: &Machine) -> &'a Processor {
        let p = m.processor.swap(null_mut(), AcqRel);
        // SAFETY: the callers checked that there is one; processors are not freed while the runtime lives.
        let p = unsafe { &*p };
        p.machine.store(null_mut(), Relaxed);
        record::unassigned(self, m, p);
        p
    }

    /// Gives a machine that is inside an idle processor, if there is one.
    pub fn adopt_idle(&self, locked: &mut Locked, m: &Machine) -> bool {
        match self.pop_idle(locked) {
            Some(p) => {
                self.assign(m, p);
                true
            }
            None => false,
        }
    }

    /// Starts a machine with processor `p`: a sleeping one, else a new one.
    pub fn start_machine(&self, mut locked: MutexGuard<'_, Locked>, p: &Processor, searching: bool) {
        if let Some(m) = locked.idle_machines.pop() {
            // SAFETY: machines are not freed while the runtime lives.
            let m = unsafe { &*m };
            self.wake_with(m, p, searching);
            drop(locked);
            m.note.wake();
            return;
        }
        if self.make_machine(locked, Some(p), searching).is_err() {
            // Not lost: the processor went to the idle list, its work to the global queue, and the monitor
            // tries again.
            self.monitor.attend();
        }
    }

    /// Under the lock: a sleeping machine, already off the list, gets `p`. The caller wakes its note.
    pub fn wake_with(&self, m: &Machine, p: &Processor, searching: bool) {
        m.asleep.set(false);
        m.owner.enter_for();
        m.searching.set(searching);
        self.assign(m, p);
    }

    /// Makes a machine and its thread, with a processor or (at the start) asleep.
    pub fn make_machine(&self, locked: MutexGuard<'_, Locked>, p: Option<&Processor>, searching: bool) -> Result<()> {
        self.make_machine_for(Duty::Any, locked, p, searching).map(drop)
    }

    /// The same, for a duty. A machine that shall be locked to a task is pinned already: it must not end before the task comes.
    pub fn make_machine_for<'a>(
        &self,
        duty: Duty,
        mut locked: MutexGuard<'_, Locked>,
        p: Option<&Processor>,
        searching: bool,
    ) -> Result<&'a Machine> {
        let m = match self.prepare_machine(&mut locked) {
            Ok(m) => m,
            Err(e) => return Err(self.unserved(&mut locked, p, searching, e)),
        };
        m.duty.set(duty);
        if duty == Duty::Locked {
            m.pin();
        }
        if let Some(p) = p {
            m.searching.set(searching);
            self.assign(m, p);
        }
        locked.threads_made += 1;
        let number = locked.threads_made;
        m.thread.set(number);
        drop(locked);
        let thread = self.start_thread(m);
        let mut locked = self.lock.lock();
        match thread {
            Ok(thread) => {
                locked.threads.push((number, thread));
                Ok(m)
            }
            Err(errno) => {
                locked.spare_machines.push(m);
                locked.machine_count -= 1;
                if p.is_some() {
                    self.unassign(m);
                }
                m.searching.set(false);
                if m.duty.replace(Duty::Any) == Duty::Locked {
                    m.unpin();
                }
                if cfg!(debug_assertions) && p.is_some() && !locked.starved {
                    eprintln!(
                        "gmp: the system gives no thread ({errno}): work waits for the {} there are",
                        locked.machine_count
                    );
                }
                Err(self.unserved(&mut locked, p, searching, errno.into()))
            }
        }
    }

    fn start_thread(&self, m: &Machine) -> std::result::Result<thread::Thread, crate::sys::Errno> {
        let name = CString::new(format!("gmp-m{}", m.index)).expect("no zero byte");
        let arg = m as *const Machine as *mut c_void;
        thread::spawn(&name, self.machine_stacks(), self.mask, machine_thread, arg)
    }

    /// A new thread for a machine whose own is about to end, from that one. False: it could not be had.
    pub fn replace_thread(&self, m: &Machine) -> bool {
        let (before, number) = {
            let mut locked = self.lock.lock();
            if locked.threads.try_reserve(1).is_err() || locked.ended.try_reserve(1).is_err() {
                return false;
            }
            locked.threads_made += 1;
            (m.thread.replace(locked.threads_made), locked.threads_made)
        };
        let thread = self.start_thread(m);
        let mut locked = self.lock.lock();
        match thread {
            Ok(thread) => {
                locked.threads.push((number, thread));
                locked.ended.push(before);
                true
            }
            Err(_) => {
                m.thread.set(before);
                false
            }
        }
    }

    fn machine_stacks(&self) -> thread::Stacks {
        let alternate = if self.settings.overflow_handler { super::overflow::ALTERNATE_STACK } else { 0 };
        thread::Stacks { size: MACHINE_STACK, alternate }
    }

    /// No machine could be had for `p`: its work waits in the global queue, and the monitor tries again.
    fn unserved(&self, locked: &mut Locked, p: Option<&Processor>, searching: bool, e: Error) -> Error {
        if let Some(p) = p {
            if !std::mem::replace(&mut locked.starved, true) {
                self.tallies.thread_limit_hits.fetch_add(1, Relaxed);
            }
            self.push_idle(locked, p);
        }
        if searching {
            self.idle.end_search();
        }
        e
    }

    /// No more threads may be made. One is let through when every machine is locked to its task: else nothing could run, not
    /// even what those wait for.
    fn at_cap(&self, locked: &Locked) -> bool {
        locked.machine_count >= locked.max_threads && locked.machine_count > self.locked_machines.load(Relaxed)
    }

    /// A machine record for a new thread, with room in every list that it may come to stand in.
    fn prepare_machine<'a>(&self, locked: &mut Locked) -> Result<&'a Machine> {
        if self.at_cap(locked) {
            return Err(Error::Again);
        }
        let no_memory = |_| Error::NoMemory;
        let n = locked.machines.len() + 1;
        let room = |len: usize| n.saturating_sub(len);
        let idle = room(locked.idle_machines.len());
        locked.idle_machines.try_reserve(idle).map_err(no_memory)?;
        // A record is used again while its last thread is still listed.
        let most = n + locked.ended.len();
        let threads = most.saturating_sub(locked.threads.len());
        locked.threads.try_reserve(threads).map_err(no_memory)?;
        let ended = most.saturating_sub(locked.ended.len());
        locked.ended.try_reserve(ended).map_err(no_memory)?;
        let spare = room(locked.spare_machines.len());
        locked.spare_machines.try_reserve(spare).map_err(no_memory)?;
        let m = match locked.spare_machines.pop() {
            Some(m) => m,
            None => {
                locked.machines.try_reserve(1).map_err(no_memory)?;
                let index = locked.machines.len() as u32;
                let machine = Machine::new(index, Owner::new(self.barrier), self as *const Shared as *const ());
                self.seeded.prepare(self, &machine);
                let machine = try_box(machine)?;
                machine
                    .inbox_ticket
                    .set(self.new_ticket(Kind::MachineTicket, &*machine as *const Machine as *mut c_void)?);
                locked.machines.push(machine);
                &**locked.machines.last().expect("just pushed") as *const Machine
            }
        };
        locked.machine_count += 1;
        locked.threads_peak = locked.threads_peak.max(locked.machine_count);
        // SAFETY: boxed, and not freed while the runtime lives.
        let m = unsafe { &*m };
        self.record_machine(m);
        Ok(m)
    }

    /// A machine without a processor, on its own stack, sleeps until it has one. False: its thread ends, because the
    /// runtime stops or it is surplus.
    pub fn sleep(&self, m: &Machine) -> bool {
        let surplus_at = self.surplus_at();
        loop {
            let mut locked = self.lock.lock();
            if std::ptr::eq(locked.watcher, m) {
                locked.watcher = std::ptr::null();
                if self.earliest_timer() != NEVER {
                    // Nobody watches the timers now but the monitor.
                    self.monitor.attend();
                }
            }
            if !m.processor.load(Relaxed).is_null() {
                return true;
            }
            if m.asleep.replace(false) {
                locked.idle_machines.retain(|&other| !std::ptr::eq(other, m));
            }
            if self.stopping.load(Relaxed) {
                return false;
            }
            let (wanted, any) = (m.is_wanted(), m.duty.get() == Duty::Any || m.wants_processor.load(Relaxed));
            if wanted || any && self.has_published_work() {
                if self.adopt_idle(&mut locked, m) {
                    m.owner.enter_for();
                    return true;
                }
                if wanted {
                    super::inbox::queue_ticket(self, m);
                    // As in `inbox::deliver`.
                    self.monitor.attend();
                }
            }
            if self.dismiss(&mut locked, m, surplus_at) {
                drop(locked);
                self.quiet.look(self);
                return false;
            }
            m.asleep.set(true);
            if !any {
                // Only its own task wakes it, which is delivered.
                drop(locked);
                self.quiet.look(self);
                m.note.sleep(None);
                continue;
            }
            locked.idle_machines.push(m);
            let (deadline, wake) = self.watch(&mut locked, m);
            let deadline = deadline.min(self.surplus_deadline(&locked, m, surplus_at));
            let polls = self.may_poll(&locked);
            drop(locked);
            if let Some(watcher) = wake {
                watcher.note.wake();
            }
            self.quiet.look(self);
            chaos::point(Point::Sleep);
            if !polls {
                m.note.sleep((deadline != NEVER).then_some(deadline));
            } else if self.sleep_in_poll(m, deadline) {
                return true;
            }
        }
    }

    /// The watcher's rule: until when `m` shall sleep, and who must look at the timers again.
    fn watch<'a>(&self, locked: &mut Locked, m: &Machine) -> (i64, Option<&'a Machine>) {
        let earliest = self.earliest_timer();
        if earliest == NEVER {
            return (NEVER, None);
        }
        if earliest <= clock::now() {
            // Due, and there is no processor: the monitor makes sure that there will be.
            self.monitor.attend();
            return (NEVER, None);
        }
        if locked.watcher.is_null() {
            locked.watcher = m;
            locked.watch_until = earliest;
            return (earliest, None);
        }
        if earliest < locked.watch_until {
            locked.watch_until = earliest;
            // SAFETY: machines are not freed while the runtime lives.
            return (NEVER, Some(unsafe { &*locked.watcher }));
        }
        (NEVER, None)
    }

    /// Under the lock, after a processor with timers lost its machine: the watcher must not sleep past them.
    pub fn tell_watcher(&self, locked: &mut Locked) {
        let earliest = self.earliest_timer();
        if !locked.watcher.is_null() && earliest < locked.watch_until {
            locked.watch_until = earliest;
            // SAFETY: machines are not freed while the runtime lives.
            unsafe { (*locked.watcher).note.wake() };
        }
    }

    /// Tries again to get a machine for work that could not have one.
    pub fn retry_starved(&self) {
        let mut locked = self.lock.lock();
        if !locked.starved || !self.has_published_work() {
            locked.starved = false;
            return;
        }
        if locked.idle_machines.is_empty() && self.at_cap(&locked) {
            return;
        }
        if let Some(p) = self.pop_idle(&mut locked) {
            let was_starved = locked.starved;
            self.start_machine(locked, p, false);
            debug_assert!(was_starved);
        }
    }
}

extern "C" fn machine_thread(arg: *mut c_void) -> *mut c_void {
    // SAFETY: `make_machine` passes a machine that outlives its thread.
    let m = unsafe { &*(arg as *const Machine) };
    run::machine_main(m);
    null_mut()
}

impl Inside {
    /// Gives the processor of a machine that found nothing to the idle list (`idle.rs`, give up).
    pub fn release_processor(self) {
        let s = self.s();
        let mut locked = s.lock.lock();
        let p = s.unassign(self.m());
        s.push_idle(&mut locked, p);
    }
}
