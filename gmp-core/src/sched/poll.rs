//! Who asks the kernel about descriptors, and when.
//!
//! Owns: the choice. In turn: a machine that searches asks without waiting; one that finds nothing sleeps in the poller while anybody
//! waits for a descriptor and its processor is idle, one at a time ([`Poller::is_attended`]); while all processors are busy, each asks
//! every [`BUSY`] between two slices; and if their machines stay away, the monitor asks ([`Shared::see_to_poller`]), and takes a
//! processor from one of them, so that a machine can sleep in the poller again.
//!
//! Always true:
//!  - E1. While a task waits for a descriptor, a machine sleeps in the poller, or is awake and will ask before it sleeps, or the monitor
//!        asks at least every [`STALE`]. For: the waiter is counted by a machine, before that looks for work.
//!  - E2. A machine that sleeps in the poller stands in the list of sleeping machines like any other: whoever wakes it rings the bell
//!        (`base/note.rs`). It has no processor; with what it brings it takes an idle one. If there is none any more it leaves that to
//!        the others and sleeps elsewhere: who has a processor asks by itself, and one machine woken for each event would take the
//!        batches apart (with one processor that doubled the system calls of a busy server).
//!
//! Called by: `find.rs`, `pool.rs`, `monitor.rs`, and tasks about to wait. Blocks: a machine that has nothing to do.

use super::{ready, record, Inside, Locked, Shared};
use crate::machine::Machine;
use crate::primitive::Ordering::*;
use crate::source::timer::NEVER;
use crate::sys::clock;
use crate::sys::poll::{Event, BATCH};
use crate::task::wait_queue::Claimed;

/// How long a busy processor goes without asking.
const BUSY: i64 = 50_000;
/// The same while much waits already: more than [`FEW`] tasks of its own, or anything in the global queue.
const VERY_BUSY: i64 = 10_000_000;
const FEW: u32 = 64;
/// How long nobody has asked until the monitor does.
const STALE: i64 = 1_000_000;
/// The same while a processor is idle.
const STALE_IDLE: i64 = 100_000;

/// Asks without waiting. True: somebody was made ready.
pub fn ask(i: Inside) -> bool {
    let s = i.s();
    if s.poller.waiters() == 0 || s.poller.is_attended() {
        return false;
    }
    record::polls(i);
    // SAFETY: the processor is ours, and nothing else uses its buffer.
    let woken = s.poller.look(unsafe { &mut *i.p().events.get() });
    let any = !woken.is_empty();
    make_ready(i, woken);
    any
}

/// The same between two slices, if nobody has asked for a while.
pub fn ask_if_due(i: Inside) {
    let s = i.s();
    if s.poller.waiters() == 0 || s.poller.is_attended() {
        return;
    }
    // What came now would go behind what is there, and what does not fit to the global queue, which is looked at less often than this
    // is asked: some would wait for ever while others go round. With the kernel they keep their order.
    let busy = i.p().runq.ring_len() > FEW || !s.global.is_empty();
    if clock::now() - s.poller.looked() > if busy { VERY_BUSY } else { BUSY } {
        ask(i);
    }
}

/// One goes to run-next; several keep their order behind what is there.
fn make_ready(i: Inside, mut woken: Claimed) {
    let mut first = true;
    while let Some(waiter) = woken.pop() {
        // SAFETY: claimed by the poller for us; a task is waiting, and this runtime's (a thread waits by itself).
        unsafe {
            if first && woken.is_empty() {
                ready::finish(Some(i), waiter);
            } else {
                ready::ready_behind(i, (*waiter).task() as *mut _);
            }
        }
        first = false;
    }
}

impl Shared {
    /// By a machine that is about to sleep: true if it shall do so in the poller.
    pub fn may_poll(&self, locked: &Locked) -> bool {
        if self.poller.waiters() == 0 || self.poller.is_attended() || locked.idle_procs.is_empty() {
            return false;
        }
        self.poller.attend(true);
        true
    }

    /// Sleeps in the poller until something happens, the machine is woken, or `deadline`. True: it has a processor now, and is inside.
    pub fn sleep_in_poll(&self, m: &Machine, deadline: i64) -> bool {
        if !m.note.begin_listening(self.poller.bell()) {
            self.leave_poller();
            return false;
        }
        let left = (deadline != NEVER).then(|| (deadline - clock::now()).max(0));
        let woken = self.poller.wait(&mut [Event::NONE; BATCH], left);
        m.note.end_listening();
        if woken.is_empty() {
            self.leave_poller();
            return false;
        }
        self.poller.attend(false);
        let mut locked = self.lock.lock();
        if m.asleep.replace(false) {
            locked.idle_machines.retain(|&other| !std::ptr::eq(other, m));
        }
        if m.processor.load(Relaxed).is_null() && self.adopt_idle(&mut locked, m) {
            m.owner.enter_for();
        }
        if std::ptr::eq(locked.watcher, m) {
            locked.watcher = std::ptr::null();
            if self.earliest_timer() != NEVER {
                self.monitor.attend();
            }
        }
        drop(locked);
        if m.processor.load(Relaxed).is_null() {
            // SAFETY: claimed by the poller for us.
            unsafe { ready::finish_all(None, woken) };
            return false;
        }
        // SAFETY: this thread's machine, inside, with a processor: just adopted, or given by who woke it.
        make_ready(unsafe { Inside::assume(m) }, woken);
        true
    }

    /// Nobody sleeps in the poller any more, and who did may be away for long: the monitor, which may sleep without bound, sees to it.
    /// (Who was woken by an event makes tasks ready, which tells it.)
    fn leave_poller(&self) {
        self.poller.attend(false);
        if self.poller.waiters() != 0 {
            self.monitor.attend_until(clock::now() + STALE_IDLE);
        }
    }

    /// A task waits for a descriptor from now on. If its machine goes on with another task, which may stay away, while a processor is
    /// idle, the monitor sees that somebody asks.
    pub fn waits_for_descriptor(&self, i: Inside) {
        if !i.m().current.get().is_null() && self.idle.hungry() && !self.poller.is_attended() {
            self.monitor.attend_until(clock::now() + STALE_IDLE);
        }
    }

    /// True if nobody has asked for too long: the monitor treats it as work that waits behind every machine which stays away.
    pub fn is_unasked(&self, now: i64) -> bool {
        self.poller.waiters() != 0 && !self.poller.is_attended() && now - self.poller.looked() > STALE
    }

    /// When somebody must ask, at the latest; NEVER: nobody waits, or a machine sees to it.
    pub fn poller_due(&self) -> i64 {
        if self.poller.waiters() == 0 || self.poller.is_attended() {
            return NEVER;
        }
        self.poller.looked() + if self.idle.has_idle() { STALE_IDLE } else { STALE }
    }

    /// By the monitor: if nobody has asked for too long, it asks; and if a processor is idle, it wakes or makes a machine that shall sleep
    /// in the poller.
    pub fn see_to_poller(&self, now: i64) {
        if now < self.poller_due() {
            return;
        }
        let is_idle = self.idle.has_idle();
        let woken = self.poller.look(&mut [Event::NONE; BATCH]);
        // SAFETY: claimed by the poller for us.
        unsafe { ready::finish_all(None, woken) };
        if is_idle {
            let locked = self.lock.lock();
            if let Some(&m) = locked.idle_machines.last() {
                drop(locked);
                // SAFETY: machines are not freed while the runtime lives. Woken for nothing, it goes to sleep in the poller.
                unsafe { (*m).note.wake() };
            } else if !locked.starved {
                // Refused: tried again.
                let _made = self.make_machine(locked, None, false);
            }
        }
    }
}
