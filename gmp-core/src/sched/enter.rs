//! Entering the runtime: the first line of every call, and its slow way.
//!
//! Owns: what a task does when its machine is asked for something (`machine/owner.rs`): get a processor back or
//! queue for one, yield because the slice is over, give a surplus processor up.
//!
//! Always true: after `enter` the caller is inside with a processor, perhaps on another thread than before. Any
//! call of the runtime except the getters may therefore move its task to another thread.
//! Blocks: the task (while it queues), never the thread on behalf of a task.

use super::{attach, find, seeded, switching, Inside};
use crate::machine::owner::{CXX, INBOX, RETIRE, SEEDED, YIELD};
use crate::machine::{Commit, Machine};
use crate::primitive::{tls, Ordering::*};
use crate::task::Task;

/// The machine of the calling thread if the caller is a task; null for a foreign thread, and for code of a task
/// class that runs on the machine's own stack (it may do what a foreign thread may).
#[inline(always)]
pub fn task_machine() -> *const Machine {
    let m = tls::get() as *const Machine;
    // SAFETY: a non-null word is this thread's machine, alive as long as the thread.
    if m.is_null() || unsafe { (*m).current.get().is_null() } {
        return std::ptr::null();
    }
    m
}

/// The calling task; None outside a task. Does not enter the runtime: only what is the task's own may be touched.
#[inline(always)]
pub fn current<'a>() -> Option<&'a Task> {
    let m = task_machine();
    // SAFETY: this thread's machine, whose current task is the caller and lives while it runs.
    unsafe { m.as_ref().map(|m| &*m.current.get()) }
}

/// Enters the runtime from a task; None when the caller is not a task.
#[inline(always)]
pub fn enter() -> Option<Inside> {
    let m = task_machine();
    if m.is_null() {
        attach::note();
        return None;
    }
    // SAFETY: this thread's machine, running a task, outside the runtime until now.
    unsafe {
        if (*m).owner.enter() {
            return Some(Inside::assume(m));
        }
        Some(slow(m))
    }
}

/// # Safety
/// The calling task runs on `m`, marked inside.
#[cold]
unsafe fn slow(mut m: *const Machine) -> Inside {
    let mut may_yield = true;
    loop {
        // SAFETY: this thread's machine (refreshed below after each switch).
        let (machine, shared) = unsafe { (&*m, &*((*m).shared as *const super::Shared)) };
        let requests = {
            let mut locked = shared.lock.lock();
            let requests = machine.owner.take_requests();
            machine.is_back();
            if requests & RETIRE != 0 {
                shared.retire_own(&mut locked, machine);
            }
            if machine.processor.load(Relaxed).is_null() {
                shared.adopt_idle(&mut locked, machine);
            }
            requests
        };
        // The processor may be another one than that which was told.
        if requests & INBOX != 0 || machine.inbox_len.load(Relaxed) != 0 {
            // SAFETY: processors are not freed while the runtime lives; a machine without one looks anyway.
            if let Some(p) = unsafe { machine.processor.load(Relaxed).as_ref() } {
                p.attention.store(true, Relaxed);
            }
        }
        if requests & CXX != 0 {
            machine.cxx.set(crate::sys::thread::cxx_globals());
        }
        if machine.processor.load(Relaxed).is_null() {
            // SAFETY: this machine runs its current task, inside; without a processor the only destination is
            // the machine's own stack, from where the task is queued.
            unsafe {
                let me = machine.current.get();
                switching::leave_without_processor(machine, me);
                // Resumed by a machine that has a processor and is inside.
                m = tls::get() as *const Machine;
            }
            may_yield = false;
            // SAFETY: as said above.
            let i = unsafe { Inside::current() };
            if i.m().owner.requested() == 0 {
                return i;
            }
            continue;
        }
        // SAFETY: inside, and the processor is there.
        let i = unsafe { Inside::assume(m) };
        let yields = if requests & SEEDED == 0 { requests & YIELD != 0 } else { may_yield && seeded::yields(i) };
        if yields && may_yield && find::others_wait(i) {
            // SAFETY: the current task of this machine.
            unsafe {
                let me = machine.current.get();
                switching::leave(i, &*me, Commit::Global(me));
                return Inside::current();
            }
        }
        return i;
    }
}
