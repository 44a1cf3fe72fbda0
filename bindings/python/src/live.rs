//! The list of Python tasks that were spawned and are not done, so that exit can reach each of them.
//!
//! Owns: the head of the list; the links lie in the tasks (`prev`, `next`).
//!
//! Always true: the list's length is the count that `shim_live` keeps, which the drain at exit reads without the GIL.
//!
//! Called with the GIL held, by task.rs and exit.rs. Blocks nothing.

use crate::shim;
use crate::task::Task;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Atomic only to be a static: the GIL orders all access.
static HEAD: AtomicPtr<Task> = AtomicPtr::new(ptr::null_mut());

/// # Safety
/// The GIL is held; `task` is in no list.
pub unsafe fn link(task: *mut Task) {
    let head = HEAD.load(Ordering::Relaxed);
    // SAFETY: tasks in the list are owned by the runtime, so they live.
    unsafe {
        (*task).prev = ptr::null_mut();
        (*task).next = head;
        if !head.is_null() {
            (*head).prev = task;
        }
        shim::shim_live(1);
    }
    HEAD.store(task, Ordering::Relaxed);
}

/// # Safety
/// The GIL is held; `task` is in the list.
pub unsafe fn unlink(task: *mut Task) {
    // SAFETY: as `link`.
    unsafe {
        let (prev, next) = ((*task).prev, (*task).next);
        if prev.is_null() {
            HEAD.store(next, Ordering::Relaxed);
        } else {
            (*prev).next = next;
        }
        if !next.is_null() {
            (*next).prev = prev;
        }
        shim::shim_live(-1);
    }
}

/// The first task of the list, or null; go on with `next`. The list may change whenever Python code runs.
pub fn first() -> *mut Task {
    HEAD.load(Ordering::Relaxed)
}

/// Forgets every task: they stayed behind in a fork's parent.
pub fn forget_all() {
    HEAD.store(ptr::null_mut(), Ordering::Relaxed);
}
