//! The one place where a task's stack is left for another.
//!
//! Owns: the order of things around a switch. The leaving task picks its successor on its own stack and switches
//! straight to it; what makes the leaving task visible to others (its *commit*) runs on the destination's side,
//! after its registers are saved. Only when nothing is ready, or when the successor needs the machine's own stack
//! to start (a task class), does it go to the machine's loop (`run.rs`).
//!
//! Always true:
//!  - W1. A task is published only by [`arrived`], after the switch (DESIGN 4).
//!  - W2. What belongs to the thread is saved by the leaving task and restored when it goes on: `errno`, and the
//!        C++ exception globals if there are any.
//!  - W3. After `switch` nothing read before it about machine or processor is used.

use super::{bound, find, hooks, ready, record, stacks, watched, Inside};
use crate::base::chaos::{self, Bug, Point};
use crate::machine::{Commit, Machine};
use crate::primitive::{sanitizer, tls, Ordering::*};
use crate::switch;
use crate::sys::clock;
use crate::task::{Kind, Task};
use std::ptr::null_mut;

/// Leaves the running task `me` with `commit` as what makes it visible; returns when it goes on, inside, perhaps
/// on another machine (`Inside::current`).
///
/// # Safety
/// `me` is the current task of `i`'s machine. `commit` is for `me`.
#[inline(always)]
pub unsafe fn leave(i: Inside, me: &Task, commit: Commit) {
    if me.bonds() != 0 {
        // SAFETY: the same contract.
        return unsafe { leave_bonded(i, me, commit) };
    }
    i.m().commit.set(commit);
    let to = destination(i, me);
    chaos::point(Point::Leave);
    // SAFETY: the same contract; `to` is a context made current by `destination`.
    unsafe {
        if chaos::plants(Bug::EarlyCommit) {
            arrived(i.m());
        }
        swap(i.m(), me, to);
        hint(me);
    }
}

/// A task that was spawned as blocking goes on, or starts: the monitor shall not wait for its first declared section.
///
/// # Safety
/// `me` is the current task, inside.
#[inline(always)]
pub unsafe fn hint(me: &Task) {
    if me.flags.get() & crate::task::FLAG_BLOCKING != 0 {
        // SAFETY: the caller's promise.
        let i = unsafe { Inside::current() };
        i.m().hinted.store(true, Relaxed);
        if find::others_wait(i) {
            i.s().monitor.attend();
        }
    }
}

/// A task leaves that has a class, whose hooks surround the switch, or that belongs to its thread.
#[cold]
unsafe fn leave_bonded(i: Inside, me: &Task, commit: Commit) {
    // SAFETY: the caller's contract; the class lives as long as the runtime.
    unsafe {
        let class = me.class().as_ref();
        if class.is_some() {
            hooks::leaving(i.m(), me);
        }
        bound::leaving(i.m(), me);
        i.m().commit.set(commit);
        let to = match class.and_then(|class| super::serving::successor(i, class)) {
            Some(next) => {
                i.m().current.set(next);
                i.p().counters.switches.inc();
                (*next).sp.get()
            }
            None if bound::is_locked(me) || class.is_some_and(super::serving::must_go_home) => home(i, me),
            None => destination(i, me),
        };
        swap(i.m(), me, to);
        hint(me);
        if class.is_some() {
            hooks::entered(me);
        }
    }
}

/// The machine's own stack is where to go on.
fn home(i: Inside, me: &Task) -> switch::Sp {
    stamp(i, me);
    i.p().counters.switches.inc();
    i.m().current.set(null_mut());
    i.m().home.get()
}

/// Leaves `me` for the machine's own stack, whatever else is ready: the thread is not for it any more.
///
/// # Safety
/// As for [`leave`]; `me` is plain.
#[cold]
pub unsafe fn leave_thread(i: Inside, me: &Task) {
    i.m().commit.set(Commit::Global(me as *const Task as *mut Task));
    // SAFETY: the home context waits in `run.rs` while a task runs.
    unsafe {
        let to = home(i, me);
        swap(i.m(), me, to);
        hint(me);
    }
}

/// Leaves a task whose machine has no processor: to the machine's loop, which queues the task globally.
///
/// # Safety
/// `me` is the current task of `machine`, the calling thread's.
pub unsafe fn leave_without_processor(machine: &Machine, me: *mut Task) {
    machine.commit.set(Commit::Global(me));
    machine.current.set(null_mut());
    // SAFETY: the home context waits in `run.rs` while a task runs.
    unsafe {
        hooks::leaving_without_processor(machine, &*me);
        bound::leaving(machine, &*me);
        swap(machine, &*me, machine.home.get());
        hint(&*me);
        if !(*me).class().is_null() {
            hooks::entered(&*me);
        }
    }
}

/// A plain task yields to `next`, which goes on.
///
/// # Safety
/// `me` is the current task of `i`'s machine, without a class; `next` is plain, started and ours to run.
#[inline(always)]
pub unsafe fn exchange(i: Inside, me: &Task, next: *mut Task) {
    let m = i.m();
    m.yielded.set(me as *const Task as *mut Task);
    m.current.set(next);
    i.p().counters.switches.inc();
    // SAFETY: the caller's promise.
    unsafe { swap(m, me, (*next).sp.get()) };
}

#[inline(always)]
unsafe fn swap(m: &Machine, me: &Task, to: switch::Sp) {
    // SAFETY: `errno` and `cxx` are this thread's, read before and looked up anew after the switch (W2, W3).
    unsafe {
        // Parking ends a declared blocking section: the flag is the machine's.
        m.blocking.store(false, Relaxed);
        m.hinted.store(false, Relaxed);
        let errno = *m.errno.get();
        let mut cxx = std::mem::MaybeUninit::<[usize; 2]>::uninit();
        let has_cxx = !m.cxx.get().is_null();
        if has_cxx {
            cxx.write(*m.cxx.get());
        }
        switch_to(me.sp.as_ptr(), to);
        let m = &*(tls::get() as *const Machine);
        arrived(m);
        *m.errno.get() = errno;
        if !m.cxx.get().is_null() {
            // C++ may have come into the process while we were away: then there was nothing to keep.
            *m.cxx.get() = if has_cxx { cxx.assume_init() } else { [0; 2] };
        }
    }
}

/// The library's one call site of the switch: the return predictor guesses right whoever goes on.
#[inline(never)]
pub unsafe fn switch_to(save: *mut switch::Sp, to: switch::Sp) {
    // SAFETY: the callers pass a context that waits to be continued, and their own save slot.
    unsafe {
        if sanitizer::watches() {
            return watched::switch_to(save, to);
        }
        switch::switch(save, to, 0)
    };
}

/// Picks who goes on and makes it current.
#[inline(always)]
fn destination(i: Inside, me: &Task) -> switch::Sp {
    let m = i.m();
    i.p().counters.switches.inc();
    if let Some(next) = find::local(i) {
        // SAFETY: `local` hands out a task that is ours to run.
        let t = unsafe { &*next };
        if t.sp.get() != 0 && t.class().is_null() {
            m.current.set(next);
            return t.sp.get();
        }
        if let Some(sp) = fresh(i, t) {
            m.current.set(next);
            return sp;
        }
        m.next.set(next);
    } else {
        stamp(i, me);
    }
    m.current.set(null_mut());
    m.home.get()
}

/// Nothing is ready, so there is time to read the clock: the monitor may have slept while `me` ran alone, and the coarse
/// clock stood still.
#[cold]
fn stamp(i: Inside, me: &Task) {
    let coarse = &i.s().coarse;
    coarse.renew(clock::now());
    me.set_parked_at(coarse.stamp());
}

/// The first context of a plain task that never ran; None when it must be started from the machine's own stack.
#[inline(always)]
fn fresh(i: Inside, t: &Task) -> Option<switch::Sp> {
    if t.kind.get() != Kind::Task || !t.class().is_null() || t.sp.get() != 0 {
        return None;
    }
    if !stacks::equip(i, t) {
        return None;
    }
    // SAFETY: the stack was just given to this task.
    Some(unsafe { super::entry::first_frame(t, 0) })
}

/// The first thing on the destination's side: commits what left.
///
/// # Safety
/// Called on `m`'s thread, right after a switch.
#[inline(always)]
pub unsafe fn arrived(m: &Machine) {
    chaos::point(Point::Commit);
    record::switched(m);
    let yielded = m.yielded.get();
    if !yielded.is_null() {
        m.yielded.set(null_mut());
        // SAFETY: the task has left its stack and is ours to queue; inside with a processor.
        return unsafe {
            (*yielded).status.requeue();
            ready::push_back(Inside::assume(m), yielded);
        };
    }
    match m.commit.replace(Commit::None) {
        Commit::None => {}
        // SAFETY: the commit's task has left its stack and is ours; inside with a processor, except for `Global`, which
        // needs none; `f` is the park's own publisher.
        Commit::Park(t, f, data) => unsafe {
            (*t).status.park();
            f(data);
            // Counted when it is in its object: who sees the number may rely on that.
            Inside::assume(m).p().counters.parks.inc();
        },
        // SAFETY: as above.
        Commit::Global(t) => unsafe { ready::requeue_globally(&*(m.shared as *const super::Shared), t) },
        // SAFETY: nobody runs on that stack any more.
        Commit::Ended(stack) => unsafe { stacks::recycle(Inside::assume(m), stack) },
    }
}

/// The home context's side: runs `t` until the machine's own stack is needed again.
///
/// # Safety
/// Called on the machine's own stack, inside with a processor; `t` is ours to run and equipped.
pub unsafe fn run_from_home(i: Inside, t: &Task, sp: switch::Sp) {
    let m = i.m();
    m.current.set(t as *const Task as *mut Task);
    i.p().counters.switches.inc();
    // SAFETY: the caller's promise; we are on this machine's thread before and after.
    unsafe {
        switch_to(m.home.as_ptr(), sp);
        debug_assert!(m.processor.load(Relaxed).is_null() || m.owner.look() == crate::machine::owner::INSIDE);
        arrived(m);
    }
}
