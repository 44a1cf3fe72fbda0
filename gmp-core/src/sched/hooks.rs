//! The hooks of task classes, where they are called (the list of when is in `task/class.rs`).
//!
//! Owns: the surroundings of each call: outside the runtime and perhaps blocking on the machine's own stack, inside where a task leaves.
//! Always true: K6. Hooks that may block run on the machine's own stack or the entered task's, outside the runtime.
//! Called by: `token.rs`, and the switch for tasks of a class. Blocks: as the class's functions do.

use super::{bound, token, Inside, Shared};
use crate::base::error::Error;
use crate::machine::{ClassSlot, Machine};
use crate::primitive::Ordering::*;
use crate::task::class::Class;
use crate::task::extra::BOND_CLASS;
use crate::task::Task;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

pub fn data(t: &Task) -> *mut c_void {
    // SAFETY: a class task has an extra.
    unsafe { (*t.extra.get()).class_data }
}

pub fn slot(m: &Machine, class: &Class) -> *mut c_void {
    // SAFETY: the machine's own list; the class was started here before any of its tasks ran.
    unsafe { (&*m.classes.get()).get(class.index).map_or(null_mut(), |s| s.data) }
}

/// A class task leaves its stack for good: `switch_out`. Inside.
///
/// # Safety
/// `me` is the current task.
pub unsafe fn ending(i: Inside, me: &Task) {
    // SAFETY: the caller's promise.
    unsafe { leave_hooks(i.m(), me) };
}

/// A class task leaves its stack and will go on: pin and `switch_out`. Inside.
///
/// # Safety
/// `me` is the current task.
pub unsafe fn leaving(m: &Machine, me: &Task) {
    // SAFETY: the caller's promise; the class lives as long as the runtime, the hooks as the class.
    unsafe {
        leave_hooks(m, me);
        let class = &*me.class();
        if class.has_own_lock() && !m.token.get().is_null() && !token::token_of(class).is_held_by(m) {
            // K5: once it is visible another machine may take the task up, so nothing of it may be left on this thread.
            if let Some(release) = class.hooks.release {
                release(class.hooks.user, slot(m, class));
            }
            m.token.set(null());
        }
    }
}

unsafe fn leave_hooks(m: &Machine, me: &Task) {
    // SAFETY: the class lives as long as the runtime, the hooks as the class.
    unsafe {
        let class = &*me.class();
        let hooks = &class.hooks;
        // A task that belongs to its thread is not asked.
        if class.is_exclusive() {
            bound::pin(me.extra.get(), m);
        } else if let (true, Some(may_migrate)) = (me.bonds() == BOND_CLASS, hooks.may_migrate) {
            let here = 0u8;
            let free = may_migrate(hooks.user, data(me), &here as *const u8 as *const c_void) != 0;
            bound::pin(me.extra.get(), if free { null() } else { m });
        }
        if let Some(switch_out) = hooks.switch_out {
            switch_out(hooks.user, slot(m, class), data(me));
        }
    }
}

/// The same for a machine that has lost its processor; nothing for a plain task.
///
/// # Safety
/// `me` is the current task.
pub unsafe fn leaving_without_processor(m: &Machine, me: &Task) {
    if !me.class().is_null() {
        // SAFETY: the caller's promise.
        unsafe { leaving(m, me) };
    }
}

/// A class task goes on after a park: `switch_in`, outside; then inside again.
///
/// # Safety
/// `me` is the current task, inside.
pub unsafe fn entered(me: &Task) {
    // SAFETY: the caller's promise; after the call the machine may be another, so callers look it up anew.
    unsafe {
        let m = Inside::current().m();
        entering(m);
        m.exit();
        entered_first(me);
        super::enter::enter();
    }
}

/// A class task's `switch_in` is about to be called. Inside.
pub fn entering(m: &Machine) {
    m.entering.store(true, Relaxed);
}

/// `switch_in`, outside already.
///
/// # Safety
/// `me` is the current task.
pub unsafe fn entered_first(me: &Task) {
    // SAFETY: as above.
    unsafe {
        let class = &*me.class();
        let m = &*super::enter::task_machine();
        if let Some(switch_in) = class.hooks.switch_in {
            switch_in(class.hooks.user, slot(m, class), data(me));
        }
        m.entering.store(false, Release);
    }
}

/// Runs a hook outside the runtime, on the machine's own stack, and comes back inside with a processor.
pub fn outside<R>(m: &Machine, blocks: bool, hook: impl FnOnce() -> R) -> R {
    let result = away(m, blocks, hook);
    if m.processor.load(Relaxed).is_null() {
        // SAFETY: the runtime outlives its machines.
        let s = unsafe { &*(m.shared as *const Shared) };
        m.wants_processor.store(true, Relaxed);
        while m.processor.load(Relaxed).is_null() && s.sleep(m) {}
        m.wants_processor.store(false, Relaxed);
        if m.searching.get() {
            // Woken to look for work: others must do that.
            // SAFETY: this thread's machine, inside, with a processor: the task counts, so nothing stops before it has one.
            super::run::stop_searching(unsafe { Inside::assume(m) });
        }
    }
    result
}

/// Runs a hook outside the runtime, as a declared blocking section if it `blocks`; inside again afterwards, but the
/// processor may be gone.
pub fn away<R>(m: &Machine, blocks: bool, hook: impl FnOnce() -> R) -> R {
    // SAFETY: the runtime outlives its machines.
    let s = unsafe { &*(m.shared as *const Shared) };
    m.blocking.store(blocks, Relaxed);
    if blocks && (s.has_private_work() || s.has_published_work()) {
        s.monitor.attend();
    }
    m.exit();
    let result = hook();
    m.blocking.store(false, Relaxed);
    // Requests wait for the machine's loop; only the processor matters here.
    if !m.owner.enter() {
        let mut locked = s.lock.lock();
        m.is_back();
        if m.processor.load(Relaxed).is_null() {
            s.adopt_idle(&mut locked, m);
        }
    }
    result
}

/// Makes sure that the class is started on this machine; its result.
pub fn start_here(m: &Machine, class: &Class) -> i32 {
    // SAFETY: the machine's own list.
    let slots = unsafe { &mut *m.classes.get() };
    if slots.len() <= class.index {
        if slots.try_reserve(class.index + 1 - slots.len()).is_err() {
            return Error::NoMemory.code();
        }
        slots.resize(class.index + 1, ClassSlot { data: null_mut(), started: None });
    }
    if let Some(result) = slots[class.index].started {
        return result;
    }
    let mut out = null_mut();
    let result = match class.hooks.machine_start {
        None => 0,
        // SAFETY: the class's own hook.
        Some(hook) => outside(m, true, || unsafe { hook(class.hooks.user, &mut out) }),
    };
    // SAFETY: the machine's own list; the hook does not touch it.
    unsafe { (&mut *m.classes.get())[class.index] = ClassSlot { data: out, started: Some(result) } };
    result
}

/// The machine's thread ends: its classes are told.
pub fn machine_ends(m: &Machine) {
    // SAFETY: the runtime outlives its machines; the list is the machine's own.
    let (s, slots) = unsafe { (&*(m.shared as *const Shared), &mut *m.classes.get()) };
    for (index, slot) in slots.drain(..).enumerate() {
        let hooks = s.lock.lock().classes[index].hooks;
        if let (Some(0), Some(hook)) = (slot.started, hooks.machine_end) {
            // SAFETY: the class's own hook, with what its start stored.
            unsafe { hook(hooks.user, slot.data) };
        }
    }
}
