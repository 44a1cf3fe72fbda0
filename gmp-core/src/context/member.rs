//! The tasks of a context, and the contexts of a task.
//!
//! Owns: which context a task is in (the one it was *given*: by its spawner's options, or its spawner's), and the one that is
//! made for it alone (its *own*) when it makes contexts below it, or is cancelled.
//!
//! Always true:
//!  - A task with a context is in that context's list from before it is visible until it has ended (in its own context's from
//!    when that is made): so it is marked when the context ends, or born marked.
//!  - Of "the own context is published, then the mark is looked at" (the task) and "the mark is set, then the own context is
//!    looked for" (its canceller), one sees the other: both with `SeqCst` fences.

use super::{Context, ContextRef, Kind};
use crate::base::error::{Error, Result};
use crate::primitive::{fence, Ordering::*};
use crate::sched::spawn::Spawn;
use crate::sched::{cancel, enter, Shared};
use crate::task::extra::{Extra, Member, MemberHooks};
use crate::task::Task;
use std::ffi::c_void;
use std::ptr::null;

static HOOKS: MemberHooks = MemberHooks { enter: join, leave };

/// Puts what is to be spawned into `context`: makes its `Extra` if need be.
pub fn give(s: &Shared, what: &mut Spawn, context: &Context) -> Result<()> {
    context.is_here()?;
    if what.extra.is_null() {
        what.extra = Extra::new()?;
    }
    context.retain();
    // SAFETY: nobody else's yet.
    let member = unsafe { &(*what.extra).member };
    member.given.set(context as *const Context as *const c_void);
    member.shared.set(s as *const Shared as *const ());
    member.hooks.set(Some(&HOOKS));
    Ok(())
}

/// The context that the calling task's children inherit.
pub fn inherited<'a>(me: &Task) -> Option<&'a Context> {
    // SAFETY: the task's own box; its reference keeps the context.
    unsafe { (me.extra.get().as_ref()?.member.given.get() as *const Context).as_ref() }
}

unsafe fn join(member: &Member, task: &Task) {
    // SAFETY: the member's reference; the record is filled in and not visible.
    if let Some(given) = unsafe { (member.given.get() as *const Context).as_ref() } {
        enlist(member, task, given);
    }
}

/// Into the context's list; the task is marked if that has ended.
fn enlist(member: &Member, task: &Task, context: &Context) {
    member.task.set(task);
    member.listed.set(context as *const Context as *const c_void);
    context.lock.lock();
    let first = context.members.replace(member);
    member.next.set(first);
    member.prev.set(null());
    // SAFETY: in the list, so its task has not ended.
    if let Some(first) = unsafe { first.as_ref() } {
        first.prev.set(member);
    }
    if context.error.load(Relaxed) != 0 {
        cancel::mark(task);
    }
    context.lock.unlock();
}

/// Out of the list that it is in.
fn unlist(member: &Member) {
    // SAFETY: the member has a reference to each context that it is in.
    let Some(context) = (unsafe { (member.listed.replace(null()) as *const Context).as_ref() }) else { return };
    context.lock.lock();
    let (next, prev) = (member.next.get(), member.prev.get());
    // SAFETY: neighbours in the list, under the lock.
    unsafe {
        match prev.as_ref() {
            Some(prev) => prev.next.set(next),
            None => context.members.set(next),
        }
        if let Some(next) = next.as_ref() {
            next.prev.set(prev);
        }
    }
    context.lock.unlock();
}

unsafe fn leave(member: &Member) {
    unlist(member);
    for context in [member.given.get() as *const Context, member.own.load(Acquire) as *const Context] {
        if !context.is_null() {
            // SAFETY: the member's references.
            unsafe { Context::release(context) };
        }
    }
}

/// The calling task's context (borrowed): the one it was given, while the task was not cancelled beside it; else its own. None
/// outside a task.
pub fn current<'a>() -> Result<Option<&'a Context>> {
    let Some(me) = enter::current() else { return Ok(None) };
    match inherited(me) {
        Some(given) if !me.is_cancelled() || given.error() != 0 => Ok(Some(given)),
        _ => own(me).map(Some),
    }
}

/// What a NULL parent means: in a task its own context, which ends when the task is cancelled or what it was given ends.
pub fn parent<'a>() -> Result<Option<&'a Context>> {
    enter::current().map(own).transpose()
}

fn own<'a>(me: &Task) -> Result<&'a Context> {
    if me.extra.get().is_null() {
        me.extra.set(Extra::new()?);
    }
    // SAFETY: the task's own box.
    let member = unsafe { &(*me.extra.get()).member };
    let own = member.own.load(Relaxed) as *const Context;
    // SAFETY: the member's reference.
    if let Some(own) = unsafe { own.as_ref() } {
        return Ok(own);
    }
    let made: ContextRef = Context::make(inherited(me), Kind::default())?;
    let made = made.into_raw();
    member.hooks.set(Some(&HOOKS));
    // SAFETY: a task's machine and its runtime.
    member.shared.set(unsafe { (*enter::task_machine()).shared });
    member.own.store(made as *mut c_void, SeqCst);
    fence(SeqCst);
    // SAFETY: just made, and the member's now.
    let made = unsafe { &*made };
    // From the given context's list: if that ends in between, so has the own one below it.
    unlist(member);
    enlist(member, me, made);
    if me.is_cancelled() {
        // Nobody else has seen it, so it has no after-functions and no waiters; its one task is running.
        made.end(None, Error::Canceled.code(), 0).start_none()?;
    }
    Ok(made)
}

/// The own context of a task that is just being cancelled, with a reference; None: it has none (or will find the mark).
pub fn own_of(extra: &Extra) -> Option<*const Context> {
    fence(SeqCst);
    let own = extra.member.own.load(SeqCst) as *const Context;
    // SAFETY: the caller keeps the `Extra`, and with it the reference.
    let own = unsafe { own.as_ref() }?;
    own.retain();
    Some(own)
}
