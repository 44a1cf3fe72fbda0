//! A task's life on its own stack: first frame, entry call, end, and the next task on the same stack.
//!
//! Owns: what happens between a task's first instruction and the recycling of its record.
//! Always true: the entry runs outside the runtime; an exception that leaves it stops in `switch::call`; deferred
//! calls and destructors of locals run on the task's own stack, as the task; after `finish` nothing of the task
//! is touched. A plain task that ends starts the next new one on the stack that it leaves (no switch).

use super::death::Root;
use super::{find, ready, record, stacks, switching, watched, Inside};
use crate::base::error::Error;
use crate::machine::Commit;
use crate::primitive::{sanitizer, Ordering::Relaxed};
use crate::switch::{self, Ended};
use crate::task::join::End;
use crate::task::{EndFn, Kind, Task};
use std::ffi::c_void;
use std::ptr::null_mut;

/// Builds the first frame of a task on its stack, below `reserve` bytes.
///
/// # Safety
/// The task was just equipped.
pub unsafe fn first_frame(t: &Task, reserve: usize) -> switch::Sp {
    let stack = stacks::view(t.stack.get());
    let lower = if reserve > 0 { reserve } else { stack.colour() };
    // SAFETY: the slot is the task's own and larger than what is taken off.
    unsafe {
        let main = std::mem::transmute::<Main, unsafe extern "C" fn(usize) -> !>(task_main);
        switch::init(stack.top().sub(lower), stack.limit(), main)
    }
}

/// May be unwound by force: what may not is left without its destructors then, `Root`'s too.
type Main = unsafe extern "C-unwind" fn(usize) -> !;

/// Where every stack begins.
unsafe extern "C-unwind" fn task_main(_: usize) -> ! {
    // SAFETY: reached by a switch, on a machine that is inside with a processor; the current task is new and was
    // given this stack.
    unsafe {
        if sanitizer::watches() {
            watched::first_arrival();
        }
        switching::arrived(Inside::current().m());
        loop {
            let t = &*Inside::current().m().current.get();
            let class = !t.class().is_null();
            let (i, ended) = run(t, class);
            if class {
                // Its `finish` hook needs the machine's own stack.
                store(t, ended);
                super::hooks::ending(i, t);
                record::ended(i.m(), t);
                i.m().ended.set(t as *const Task as *mut Task);
                i.m().current.set(null_mut());
                let mut dead = 0;
                switching::switch_to(&mut dead, i.m().home.get());
                unreachable!("an ended task's stack was continued");
            }
            let stack = t.stack.get();
            if finish(i, t, ended) {
                leave_for_good(i.m(), stack, i.m().home.get());
            }
            next_on(i, stack);
        }
    }
}

/// Runs the entry of the current task, which is new, and comes back inside.
unsafe fn run(t: &Task, class: bool) -> (Inside, Outcome) {
    sanitizer::acquired(&t.sp);
    let entry = t.entry.get().expect("a spawned task has an entry");
    let arg = t.arg.get();
    let at_end = t.frame.get();
    // SAFETY: we are the task, inside; its globals are this thread's.
    unsafe {
        let m = Inside::current().m();
        if !m.cxx.get().is_null() {
            *m.cxx.get() = [0; 2];
        }
        switching::hint(t);
        record::started(m, t);
        if class {
            super::hooks::entering(m);
        }
        m.exit();
        if class {
            super::hooks::entered_first(t);
        }
        let root = Root { t, at_end };
        let ended = call(t, entry, arg);
        std::mem::forget(root);
        let i = super::enter::enter().unwrap_or_else(|| forked());
        (i, Outcome { ended, at_end })
    }
}

/// The entry has returned in a child that the task forked: its thread is the child's only one and its runtime is not
/// there, so the process ends, as one does whose last thread's function returns.
#[cold]
pub fn forked() -> ! {
    crate::sys::process::exit(0)
}

/// How an entry ended, and what was to be called then.
#[derive(Clone, Copy)]
pub struct Outcome {
    pub ended: Ended,
    pub at_end: usize,
}

/// Calls the entry, then what the task deferred, then the destructors of its locals. Outside.
///
/// # Safety
/// `t` is the current task; `entry` may be called with `arg`.
#[inline(always)]
pub unsafe fn call(t: &Task, entry: crate::task::TaskFn, arg: *mut c_void) -> Ended {
    // SAFETY: the caller's promise.
    let ended = unsafe { switch::call(entry, arg, t.frame.as_ptr()) };
    if !t.extra.get().is_null() || ended.how != switch::RETURNED {
        // SAFETY: as above.
        return unsafe { last_calls(t, ended) };
    }
    ended
}

#[cold]
unsafe fn last_calls(t: &Task, ended: Ended) -> Ended {
    if ended.how == switch::THREW && t.join.is_detached() {
        eprintln!("gmp: task {} ended by an exception or panic that nobody will join", t.id.get());
    }
    // SAFETY: we are the task, on its stack.
    unsafe {
        if ended.how == switch::EXITED && sanitizer::watches() {
            watched::abandoned(t);
        }
        let left = run_deferred(t);
        // None in a child that the task forked.
        if let Some(m) = super::enter::task_machine().as_ref() {
            super::spawn::destroy_locals(&*(m.shared as *const super::Shared), t);
        }
        left.unwrap_or(ended)
    }
}

/// Runs the deferred calls, last first. One that exits or throws ends itself, not the others, and is how the task
/// ended: it is what this gives.
///
/// # Safety
/// `t` is the current task, outside; or one that has died.
pub unsafe fn run_deferred(t: &Task) -> Option<Ended> {
    let outer = t.frame.get();
    let mut left = None;
    loop {
        let extra = t.extra.get();
        // SAFETY: the task's own box.
        let Some((f, arg)) = (unsafe { extra.as_mut().and_then(|e| e.defers.pop()) }) else { break };
        // SAFETY: the task asked for this call. The result register of a function without result is nobody's.
        unsafe {
            let f: crate::task::TaskFn = std::mem::transmute(f);
            let ended = switch::call(f, arg, t.frame.as_ptr());
            if ended.how != switch::RETURNED {
                left = Some(ended);
            }
        }
    }
    t.frame.set(outer);
    left
}

/// Keeps the result in the record.
pub fn store(t: &Task, outcome: Outcome) {
    let failed = outcome.ended.how != switch::RETURNED;
    t.arg.set(if failed { null_mut() } else { outcome.ended.value });
    t.end_code.set(if failed { Error::Panicked.code() } else { 0 });
    t.frame.set(outcome.at_end);
}

/// Ends the current task: result, end call, joiner, record. Its stack is the caller's from now on. True: its thread shall end.
///
/// # Safety
/// `t` is the current task of `i`'s machine, done with its entry, or a class task after its `finish` hook.
#[inline(always)]
pub unsafe fn finish(i: Inside, t: &Task, outcome: Outcome) -> bool {
    store(t, outcome);
    // SAFETY: the caller's promise.
    unsafe { conclude(i, t) }
}

/// The part of [`finish`] after the result is stored.
///
/// # Safety
/// As for [`finish`].
#[inline(always)]
pub unsafe fn conclude(i: Inside, t: &Task) -> bool {
    let mut end_thread = false;
    // SAFETY: the task is over: its fields are ours until the join cell says so.
    unsafe {
        let p = i.p();
        record::ended(i.m(), t);
        sanitizer::released(&i.s().quiet);
        // Before anybody is told: who waits for the end finds it counted.
        p.counters.tasks_ended.inc();
        // Out of its context before who waits for the end is told.
        if !t.extra.get().is_null() {
            end_thread = super::bound::ended(i.s(), i.m(), t);
            super::cancel::free_extra(i.s(), t);
        }
        if !t.end_arg.get().is_null() {
            let f: EndFn = std::mem::transmute::<usize, EndFn>(t.frame.get());
            f(t.end_arg.get());
        }
        t.sp.set(0);
        t.stack.set(0);
        i.m().current.set(null_mut());
        i.m().blocking.store(false, Relaxed);
        i.m().hinted.store(false, Relaxed);
        stacks::unpromise(i, t.stack_class.get());
        t.status.end();
        match t.join.end() {
            End::Recycle => (*p.tasks.get()).give(&i.s().slab, t as *const Task as *mut Task),
            End::Keep => {}
            End::Wake(waiter) => ready::wake(Some(i), waiter),
        }
    }
    end_thread
}

/// The task that had `stack` is over: starts the next new plain task on it, or leaves it for good.
unsafe fn next_on(i: Inside, stack: usize) {
    let m = i.m();
    if let Some(next) = find::local(i) {
        // SAFETY: `local` hands out a task that is ours to run.
        let n = unsafe { &*next };
        let fresh = n.sp.get() == 0 && n.kind.get() == Kind::Task && n.class().is_null();
        let view = stacks::view(stack);
        if fresh && view.class() == n.stack_class.get() {
            switch::control::reset();
            n.stack.set(stack);
            n.limit.set(view.limit() as usize);
            m.current.set(next);
            i.p().counters.switches.inc();
            return;
        }
        if !fresh && n.sp.get() != 0 && n.class().is_null() {
            m.current.set(next);
            i.p().counters.switches.inc();
            // SAFETY: `next` waits to be continued; nobody runs on `stack` once we are away.
            unsafe { leave_for_good(m, stack, n.sp.get()) };
        }
        m.next.set(next);
    }
    // SAFETY: the home context waits while a task runs.
    unsafe { leave_for_good(m, stack, m.home.get()) };
}

unsafe fn leave_for_good(m: &crate::machine::Machine, stack: usize, to: switch::Sp) -> ! {
    m.commit.set(Commit::Ended(stack));
    let mut dead = 0;
    // SAFETY: the callers' promise; the saved pointer is never used.
    unsafe { switching::switch_to(&mut dead, to) };
    unreachable!("an ended task's stack was continued")
}

/// Ends the calling task now: its deferred calls, then straight to the end of its entry call. Does not unwind.
///
/// # Safety
/// Called by a task, outside the runtime. Destructors of the frames left behind do not run.
pub unsafe fn exit_task(t: &Task) -> ! {
    // SAFETY: the caller's promise; the entry call is still running below us on this stack.
    unsafe {
        run_deferred(t);
        switch::exit_to(t.frame.get())
    }
}
