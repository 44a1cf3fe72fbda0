//! Task classes: what another language's runtime supplies so that its tasks can be scheduled.
//!
//! Owns: the hook table as the C ABI lays it out, and per runtime one [`Class`] for each table in use.
//!
//! When a hook is called (all on the machine's thread):
//!  - `machine_start`, `acquire`, `first_run`, `finish`, `release`, `machine_end`: on the machine's own stack,
//!    outside the runtime; they may block.
//!  - `switch_in`: on the entered task's stack, outside the runtime, first thing at its start and after each park.
//!  - `switch_out`, `may_migrate`: on the leaving task's stack, inside the runtime: they must not block nor call in. Of an exclusive
//!    class `may_migrate` is asked on the own stack of the machine that would continue the parked task.
//!
//! A direct switch between two tasks of a class is `switch_out(a)`, the switch, `switch_in(b)`.
//! Of an exclusive class one machine holds the token at a time and only it runs the class's tasks, back to back;
//! see `sched/token.rs`.

use super::Task;
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};

type P = *mut c_void;

/// The hook table, as in the C header (`gmp_task_class_t`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TaskClass {
    pub struct_size: usize,
    pub name: *const c_char,
    pub user: P,
    pub flags: u32,
    pub machine_start: Option<unsafe extern "C" fn(P, *mut P) -> c_int>,
    pub machine_end: Option<unsafe extern "C" fn(P, P)>,
    pub acquire: Option<unsafe extern "C" fn(P, P)>,
    pub release: Option<unsafe extern "C" fn(P, P)>,
    pub first_run: Option<unsafe extern "C" fn(P, P, P, P, usize) -> c_int>,
    pub switch_in: Option<unsafe extern "C" fn(P, P, P)>,
    pub switch_out: Option<unsafe extern "C" fn(P, P, P)>,
    pub finish: Option<unsafe extern "C" fn(P, P, P)>,
    pub may_migrate: Option<unsafe extern "C" fn(P, P, *const c_void) -> c_int>,
    pub is_blocked: Option<unsafe extern "C" fn(P, P) -> c_int>,
    pub cancel: Option<unsafe extern "C" fn(P, P)>,
}

/// One task of the class runs at a time.
pub const EXCLUSIVE: u32 = 1;
/// The class has a lock of its own, which `acquire` takes and foreign code under its tasks may give up and take again: the token may be
/// taken from a machine whose task blocks or computes there.
pub const OWN_LOCK: u32 = 2;
/// Bytes at the top of the stack of a task with a class that are the class's own (see `first_run`).
pub const STACK_RESERVE: usize = 2048;

/// A class as one runtime knows it.
#[derive(Debug)]
pub struct Class {
    /// The caller's table: which class this is.
    pub key: *const TaskClass,
    /// A copy of the table.
    pub hooks: TaskClass,
    /// Its place in each machine's list of class pointers.
    pub index: usize,
    /// For an exclusive class: the record that stands in the run queues for "this class has work".
    pub ticket: Cell<*mut Task>,
}

impl Class {
    /// Tells the class that a task of its was cancelled, on the canceller's thread.
    ///
    /// # Safety
    /// `data` is the task's class data; the task's `finish` has not been called.
    pub unsafe fn cancelled(&self, data: *mut c_void) {
        if let Some(hook) = self.hooks.cancel {
            // SAFETY: the class's own function.
            unsafe { hook(self.hooks.user, data) };
        }
    }

    /// True when one task of the class runs at a time.
    #[inline(always)]
    pub fn is_exclusive(&self) -> bool {
        self.hooks.flags & EXCLUSIVE != 0
    }

    /// See [`OWN_LOCK`].
    #[inline(always)]
    pub fn has_own_lock(&self) -> bool {
        self.hooks.flags & OWN_LOCK != 0
    }
}
