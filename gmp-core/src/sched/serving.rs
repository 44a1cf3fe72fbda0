//! Tasks of a class on the machine that runs them: a token's holder, back to back; those of other classes one by one.
//!
//! Owns: the loop around a class's tasks, with the calls of its hooks around it. Who may hold a token is `token.rs`'s.
//!
//! Always true: a machine that serves a token ([`Machine::token`]) calls `release` before it does anything else, whether it still holds
//! the token or not.
//! Called by: the machine's loop, the switch. Blocks: as the class's functions do, on the machine's own stack.

use super::hooks::{away, data, outside, slot, start_here};
use super::token::{token_of, Token};
use super::{entry, run, stacks, switching, Inside, Shared};
use crate::machine::Machine;
use crate::primitive::Ordering::*;
use crate::task::class::{Class, STACK_RESERVE};
use crate::task::Task;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// Class tasks that run back to back before other work of the processor is let through.
const BUDGET: u32 = 64;

/// The next started task of the class, for a direct switch; None: go to the machine's own stack.
///
/// # Safety
/// `class` is the leaving task's.
pub unsafe fn successor(i: Inside, class: &Class) -> Option<*mut Task> {
    let m = i.m();
    if m.token.get().is_null() {
        return None;
    }
    let token = token_of(class);
    let runs = m.token_runs.get() + 1;
    m.token_runs.set(runs);
    if runs >= BUDGET && runs.is_multiple_of(BUDGET) && other_work(i, token) || m.owner.requested() != 0 {
        return None;
    }
    token.pop_started(m)
}

/// True when the leaving task must go to the machine's own stack rather than to other work.
pub fn must_go_home(class: &Class) -> bool {
    class.is_exclusive()
}

/// Work that is not for the holder of the token.
fn other_work(i: Inside, token: &Token) -> bool {
    let p = i.p();
    p.runq.private_len() > 0
        || !i.s().global.is_empty()
        || p.runq.has_shared()
        || i.m().inbox_len.load(Relaxed) != 0
        || token.has_claims()
}

/// A class ticket was taken: this machine serves the class.
///
/// # Safety
/// On the machine's own stack; `ticket` is a class's, just taken from a queue.
pub unsafe fn serve(i: Inside, ticket: &Task) {
    // SAFETY: a class ticket's argument is its token.
    let token = unsafe { &*(ticket.arg.get() as *const Token) };
    if token.answer_ticket(i.m()) {
        // SAFETY: the caller's promise; the token was taken.
        unsafe { run_tasks(i, token, null_mut()) };
    }
}

/// Runs a task of an exclusive class that is pinned to this machine and came through its inbox; without the token it becomes a
/// claim.
///
/// # Safety
/// On the machine's own stack; `t` is ours to run.
unsafe fn serve_pinned(i: Inside, t: &Task, token: &Token) {
    let task = t as *const Task as *mut Task;
    // SAFETY: the caller's promise: in no queue, and ours; then the token was taken.
    unsafe {
        if token.take_or_claim(i.m(), task) {
            run_tasks(i, token, task);
        } else {
            i.s().monitor.attend();
        }
    }
}

/// Runs tasks of the class while they are there, `first` before others.
///
/// # Safety
/// On the machine's own stack, inside, with the token; `first` is null or ours to run.
unsafe fn run_tasks(i: Inside, token: &Token, first: *mut Task) {
    let m = i.m();
    let class = token.class();
    m.token.set(token as *const Token as *const c_void);
    m.token_runs.set(0);
    let started = start_here(m, class);
    let slot = slot(m, class);
    if let Some(acquire) = class.hooks.acquire {
        // SAFETY: the class's own hook.
        away(m, !token.is_patient(), || unsafe { acquire(class.hooks.user, slot) });
    }
    // Without a processor the token is let go again at once: nobody waits for a processor with it in hand.
    let mut run_on = !m.processor.load(Relaxed).is_null();
    token.set_patient(!run_on && class.has_own_lock());
    let mut next = first;
    if !run_on && !next.is_null() {
        // SAFETY: ours, and not started again yet.
        unsafe { token.put_back(next) };
    }
    while run_on {
        if next.is_null() {
            // SAFETY: inside with a processor.
            next = token.pop(unsafe { Inside::assume(m) }).unwrap_or(null_mut());
        }
        // SAFETY: popped: ours.
        let Some(t) = (unsafe { next.as_ref() }) else { break };
        next = null_mut();
        // SAFETY: inside with a processor, on the machine's own stack, with the token; `t` is ours to run.
        if unsafe { !run_here(Inside::assume(m), t, class, started) } {
            break;
        }
        if m.token.get().is_null() {
            // It was taken, and the class knows (`hooks::leaving`).
            return;
        }
        run_on = !m.processor.load(Relaxed).is_null() && m.owner.requested() == 0;
        if run_on && m.token_runs.get() >= BUDGET {
            m.token_runs.set(0);
            // SAFETY: inside with a processor.
            run_on = !other_work(unsafe { Inside::assume(m) }, token);
        }
    }
    put_down(m);
}

/// Gives up the token that the machine serves, if it serves one.
pub fn put_down(m: &Machine) {
    // SAFETY: tokens live as long as the runtime.
    let Some(token) = (unsafe { (m.token.get() as *const Token).as_ref() }) else { return };
    let class = token.class();
    if let Some(release) = class.hooks.release {
        let slot = slot(m, class);
        // SAFETY: the class's own hook. If the processor is gone afterwards the loop finds out.
        away(m, false, || unsafe { release(class.hooks.user, slot) });
    }
    m.token.set(null());
    let passing = token.leave(m);
    // SAFETY: the runtime outlives its machines.
    unsafe {
        let s = &*(m.shared as *const Shared);
        let has = !m.processor.load(Relaxed).is_null() && m.owner.requested() == 0;
        token.pass(s, has.then(|| Inside::assume(m)), passing);
    }
}

/// Runs a class task from the machine's own stack until something needs this stack again. False: it could not have a
/// stack just now and was put back. `code` ≠ 0: the class cannot run here, the task fails with it.
unsafe fn run_here(mut i: Inside, t: &Task, class: &Class, code: i32) -> bool {
    let m = i.m();
    let mut sp = t.sp.get();
    // SAFETY: the caller's promise: ours to run, on the machine's own stack.
    unsafe {
        if sp == 0 {
            if !stacks::equip(i, t) {
                run::postpone(i, t);
                return false;
            }
            sp = entry::first_frame(t, STACK_RESERVE);
            let view = stacks::view(t.stack.get());
            let (low, size) = (view.limit(), view.top() as usize - view.limit() as usize);
            let slot = slot(m, class);
            let result = match class.hooks.first_run {
                Some(hook) if code == 0 => {
                    outside(m, false, || hook(class.hooks.user, slot, data(t), low as *mut c_void, size))
                }
                _ => code,
            };
            i = Inside::assume(m);
            if result != 0 {
                t.arg.set(null_mut());
                t.end_code.set(result);
                finish(i, t, class);
                return true;
            }
        }
        switching::run_from_home(i, t, sp);
        let ended = m.ended.replace(null_mut());
        if !ended.is_null() {
            let t = &*ended;
            finish(Inside::assume(m), t, &*t.class());
        }
    }
    true
}

/// A class task is over: its `finish` hook, then the ordinary end.
///
/// # Safety
/// On the machine's own stack; `t` ran on this machine, and its result is stored.
pub unsafe fn finish(i: Inside, t: &Task, class: &Class) {
    let m = i.m();
    // SAFETY: a class task is over, and has an `Extra`.
    outside(m, true, || unsafe { super::cancel::close_extra(i.s(), t) });
    if let Some(hook) = class.hooks.finish {
        let slot = slot(m, class);
        // SAFETY: the class's own hook.
        outside(m, false, || unsafe { hook(class.hooks.user, slot, data(t)) });
    }
    let stack = t.stack.get();
    // SAFETY: the task is over, nobody runs on its stack, and `outside` came back inside with a processor.
    unsafe {
        let i = Inside::assume(m);
        entry::conclude(i, t);
        if stack != 0 {
            stacks::recycle(i, stack);
        }
    }
}

/// Runs a task of a class that came through a run queue or an inbox.
///
/// # Safety
/// On the machine's own stack; `t` is ours to run.
pub unsafe fn run_one(i: Inside, t: &Task) {
    // SAFETY: classes live as long as the runtime; the caller's promise.
    unsafe {
        let class = &*t.class();
        if class.is_exclusive() {
            return serve_pinned(i, t, token_of(class));
        }
        let code = start_here(i.m(), class);
        run_here(Inside::assume(i.m()), t, class, code);
    }
}
