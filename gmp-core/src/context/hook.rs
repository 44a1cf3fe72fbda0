//! After-functions (§26.6): called, as a task, when a context ends.
//!
//! Owns: the record of one, in its context's list until the context ends or it is stopped.
//! Always true: of "started" and "stopped" exactly one happens, decided under the context's lock. Two references: the
//! handle's, and the list's, which passes to whoever takes it out.

use super::Context;
use crate::base::alloc::try_box;
use crate::base::error::Result;
use crate::primitive::{AtomicU32, Cell, Ordering::*};
use crate::sched::{spawn::Spawn, Shared};
use crate::task::TaskFn;
use std::ffi::c_void;
use std::ptr::null;

/// See the module.
#[derive(Debug)]
pub struct Hook {
    call: Call,
    refs: AtomicU32,
    /// A reference.
    context: *const Context,
    next: Cell<*const Hook>,
    prev: Cell<*const Hook>,
    linked: Cell<bool>,
}

/// What to start.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub entry: TaskFn,
    pub arg: *mut c_void,
    pub site: usize,
}

impl Call {
    /// As a task in no context.
    pub fn spawn(&self, s: &Shared) -> Spawn {
        Spawn::plain(s, self.entry, self.arg, self.site)
    }
}

/// Has `call` started when the context ends. None beside the handle: it has ended already, start it now.
pub fn add(context: &Context, call: Call) -> Result<(*const Hook, bool)> {
    context.is_here()?;
    let hook = Box::into_raw(try_box(Hook {
        call,
        refs: AtomicU32::new(2),
        context,
        next: Cell::new(null()),
        prev: Cell::new(null()),
        linked: Cell::new(false),
    })?);
    context.retain();
    // SAFETY: just made.
    let h = unsafe { &*hook };
    context.lock.lock();
    let over = context.error.load(Relaxed) != 0;
    if !over {
        let first = context.hooks.replace(h);
        h.next.set(first);
        h.linked.set(true);
        // SAFETY: in the list, whose reference keeps it.
        if let Some(first) = unsafe { first.as_ref() } {
            first.prev.set(h);
        }
    }
    context.lock.unlock();
    if over {
        // The list's reference.
        // SAFETY: not in a list.
        unsafe { drop_ref(hook) };
    }
    Ok((hook, over))
}

/// Takes it back. True: it was not started and never will be. The handle is used up. `Forked`: of a fork's parent's context.
///
/// # Safety
/// `hook` is a handle of [`add`].
pub unsafe fn stop(hook: *const Hook) -> Result<bool> {
    // SAFETY: the handle's reference; the hook refers to its context.
    unsafe {
        let h = &*hook;
        let context = &*h.context;
        context.is_here()?;
        context.lock.lock();
        let found = h.linked.replace(false);
        if found {
            let (next, prev) = (h.next.replace(null()), h.prev.replace(null()));
            match prev.as_ref() {
                Some(prev) => prev.next.set(next),
                None => context.hooks.set(next),
            }
            if let Some(next) = next.as_ref() {
                next.prev.set(prev);
            }
        }
        context.lock.unlock();
        if found {
            drop_ref(hook);
        }
        drop_ref(hook);
        Ok(found)
    }
}

unsafe fn drop_ref(hook: *const Hook) {
    // SAFETY: the caller's reference.
    unsafe {
        if (*hook).refs.fetch_sub(1, AcqRel) == 1 {
            let hook = Box::from_raw(hook as *mut Hook);
            Context::release(hook.context);
        }
    }
}

/// Under the lock of the context whose whole list this is: none of it can be stopped any more. With `rest` behind it.
pub(super) fn chain(list: *const Hook, rest: *const Hook) -> *const Hook {
    let mut at = list;
    // SAFETY: the list's references keep them.
    while let Some(h) = unsafe { at.as_ref() } {
        h.linked.set(false);
        h.prev.set(null());
        at = h.next.get();
        if at.is_null() {
            h.next.set(rest);
            return list;
        }
    }
    rest
}

/// The first of a list that [`chain`] made: what to start, and the rest.
///
/// # Safety
/// The list's references are the caller's.
pub(super) unsafe fn take(hook: *const Hook) -> (Call, *const Hook) {
    // SAFETY: the caller's reference.
    unsafe {
        let (call, next) = ((*hook).call, (*hook).next.get());
        drop_ref(hook);
        (call, next)
    }
}
