//! A machine's own loop: find, run, give up, sleep.
//!
//! Owns: what happens on a machine's own stack. Tasks switch to each other directly; they come here only when nothing
//! is ready, or when something needs this stack (task classes, a stack that could not be had).

use super::{bound, entry, find, hooks, inbox, ready, serving, stacks, switching, Inside, Shared};
use crate::machine::owner::{CXX, INBOX, RETIRE};
use crate::machine::{Commit, Duty, Machine};
use crate::primitive::{fence, sanitizer, tls, Ordering::*};
use crate::sys::{clock, thread};
use crate::task::{Kind, Task};
use std::ptr::null_mut;

/// The whole life of a machine's thread.
pub fn machine_main(m: &Machine) {
    // SAFETY: the runtime outlives its machines.
    let s = unsafe { &*(m.shared as *const Shared) };
    tls::set(m as *const Machine as *mut ());
    m.tid.store(thread::current_tid(), Relaxed);
    super::death::watch(m);
    m.errno.set(thread::errno_location());
    m.cxx.set(thread::cxx_globals());
    if sanitizer::watches() {
        super::watched::machine_begins(m);
    }
    loop {
        let slept = m.processor.load(Relaxed).is_null();
        if slept && m.duty.get() == Duty::End {
            s.resign(m);
            break;
        }
        if slept && !s.sleep(m) {
            break;
        }
        if m.owner.requested() != 0 && !obey(s, m) {
            continue;
        }
        // SAFETY: this thread's machine, inside, with a processor.
        let i = unsafe { Inside::assume(m) };
        if m.duty.get() != Duty::Any {
            bound::turn(i, slept);
            continue;
        }
        let next = m.next.replace(null_mut());
        let found = if next.is_null() { find::anywhere(i) } else { Some(next) };
        match found {
            Some(task) => {
                stop_searching(i);
                // SAFETY: `task` is ours to run.
                unsafe { start(i, &*task) };
            }
            None => give_up(i),
        }
    }
    hooks::machine_ends(m);
    tls::set(null_mut());
    // Nobody shall ask the kernel about a thread that is not there any more.
    m.tid.store(0, Relaxed);
    if !s.stopping.load(Relaxed) {
        s.thread_over(m);
    }
}

/// Does what is requested of a machine on its own stack. False: it has no processor any more.
fn obey(s: &Shared, m: &Machine) -> bool {
    let mut locked = s.lock.lock();
    let requests = m.owner.take_requests();
    m.is_back();
    if requests & CXX != 0 {
        m.cxx.set(thread::cxx_globals());
    }
    // SAFETY: processors are not freed while the runtime lives.
    if let Some(p) = unsafe { m.processor.load(Relaxed).as_ref() }.filter(|_| requests & INBOX != 0) {
        // What is run first need not be what lies in the inbox.
        p.attention.store(true, Relaxed);
    }
    if requests & RETIRE != 0 && !m.processor.load(Relaxed).is_null() && m.next.get().is_null() {
        s.retire_own(&mut locked, m);
        if m.processor.load(Relaxed).is_null() && m.searching.replace(false) && !s.idle.give_up(s.barrier) {
            s.monitor.attend();
        }
    }
    !m.processor.load(Relaxed).is_null()
}

/// Work was found: if this machine searched, somebody else may have to go on searching (§7.3).
pub fn stop_searching(i: Inside) {
    if !i.m().searching.replace(false) {
        return;
    }
    let s = i.s();
    s.idle.end_search();
    // A processor that goes idle after this is its own machine's to look for work; that machine executes the barrier.
    fence(SeqCst);
    if !s.idle.has_idle() {
        return;
    }
    // F1's partner: a submitter that saw us searching left its work to us.
    if !s.barrier.heavy() {
        s.monitor.attend();
    }
    if (s.has_published_work() || s.has_private_work()) && s.idle.wants_searcher() {
        s.start_searcher();
    }
}

/// Nothing was found: the processor goes to the idle list, then everything is looked at again (`idle.rs`).
fn give_up(i: Inside) {
    let (m, s) = (i.m(), i.s());
    i.release_processor();
    let sure = !m.searching.replace(false) || s.idle.give_up(s.barrier);
    if !sure || s.has_private_work() {
        // Its owners will see that somebody is hungry; the monitor sees to those that stay away.
        s.monitor.attend();
    }
    // `sleep` looks at the published work under the lock, after the barrier above.
}

/// Runs a task, or does what a ticket stands for.
///
/// # Safety
/// Called on the machine's own stack; `t` is ours to run.
pub unsafe fn start(i: Inside, t: &Task) {
    match t.kind.get() {
        // SAFETY: a ticket of a live class or machine.
        Kind::ClassTicket => return unsafe { serving::serve(i, t) },
        // SAFETY: as above.
        Kind::MachineTicket => return unsafe { inbox::serve_ticket(i, t) },
        Kind::Task => {}
    }
    if !t.class().is_null() {
        // SAFETY: as promised by the caller.
        return unsafe { serving::run_one(i, t) };
    }
    let mut sp = t.sp.get();
    if sp == 0 {
        if !stacks::equip(i, t) {
            return postpone(i, t);
        }
        // SAFETY: just equipped.
        sp = unsafe { entry::first_frame(t, 0) };
    }
    // SAFETY: ours to run, and equipped.
    unsafe { switching::run_from_home(i, t, sp) };
}

/// The kernel had no memory for the stack's guard: the task goes back, and this machine waits a moment.
pub fn postpone(i: Inside, t: &Task) {
    t.status.requeue_unstarted(true);
    // SAFETY: not started, so ours to queue.
    unsafe { ready::inject(i.s(), t as *const Task as *mut Task) };
    i.m().note.sleep(Some(clock::now() + 1_000_000));
    debug_assert!(matches!(i.m().commit.get(), Commit::None));
}
