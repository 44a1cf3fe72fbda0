//! Who holds a lock: a task by its id, a plain thread by its own.
//!
//! Owns: which task forked, on the way to this process: the child goes on with what that task held.
//!
//! Called with the GIL held. Blocks nothing.

use crate::{exit, shim, wait};
use pyo3::ffi;
use std::sync::atomic::{AtomicU64, Ordering};

static FORKED_IN: AtomicU64 = AtomicU64::new(0);

/// A task's name: in a fork's child ids begin anew, so the generation is part of it.
unsafe fn name_of(task: *mut shim::PyTask) -> u64 {
    // SAFETY: the caller's task lives.
    unsafe { (*task).id | u64::from(exit::epoch()) << 48 }
}

/// Names the caller; never 0. Ids of tasks are counted up, those of threads are addresses: they do not meet.
#[inline(always)]
pub fn caller() -> u64 {
    // SAFETY: the running task's object lives; the other call asks the OS who is calling.
    unsafe {
        let task = shim::shim_current();
        if task.is_null() {
            ffi::PyThread_get_thread_ident() as u64
        } else {
            name_of(task)
        }
    }
}

/// Whether `owner` is the caller, whose name is `me`.
#[inline(always)]
pub fn is_caller(owner: u64, me: u64) -> bool {
    owner == me || is_forked_caller(owner, me)
}

#[inline(never)]
fn is_forked_caller(owner: u64, me: u64) -> bool {
    if owner == 0 || owner != FORKED_IN.load(Ordering::Relaxed) || !wait::is_main_thread() {
        return false;
    }
    // SAFETY: asks who is calling.
    me == unsafe { ffi::PyThread_get_thread_ident() as u64 }
}

/// In a fork's child, before it forgets who forked and counts its generation.
pub fn after_fork() {
    // SAFETY: the task that forked lives on in the child's memory.
    unsafe {
        let task = shim::shim_current();
        if !task.is_null() {
            FORKED_IN.store(name_of(task), Ordering::Relaxed);
        }
    }
}
