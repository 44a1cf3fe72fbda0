//! Task-local values, which work on plain threads too.
//!
//! Owns: where the values of a plain thread lie: one POSIX thread-specific table, destroyed when the thread ends.
//! Values of a task lie in its record (`task/extra.rs`). Always true: a getter never enters the runtime.

use crate::base::alloc::try_box;
use crate::base::error::{Error, Result};
use crate::sched::enter;
use crate::sys::thread_table::Table;
use crate::task::extra::Extra;
use crate::task::local::Keys;
use std::ffi::c_void;
use std::ptr::null_mut;

/// What a plain thread has.
struct Locals {
    values: Vec<*mut c_void>,
    keys: &'static Keys,
}

/// Where plain threads keep their tables: one a process.
pub struct ThreadLocals(Table);

impl Default for ThreadLocals {
    fn default() -> Self {
        Self::new()
    }
}

impl ThreadLocals {
    pub const fn new() -> ThreadLocals {
        ThreadLocals(Table::new(end_thread))
    }
}

unsafe extern "C" fn end_thread(table: *mut c_void) {
    let locals = table as *mut Locals;
    // SAFETY: set by `set` below for this thread, which ends; a destructor may set values again, so the table is looked
    // at anew each time and freed last.
    unsafe {
        let keys = (*locals).keys;
        keys.destroy_all(|key| {
            let values = &mut (*locals).values;
            values.get_mut(key).map(|v| std::mem::replace(v, null_mut()))
        });
        drop(Box::from_raw(locals));
    }
}

/// Sets the calling task's or thread's value.
pub fn set(keys: &'static Keys, threads: &'static ThreadLocals, key: u32, value: *mut c_void) -> Result<()> {
    if !keys.exists(key) {
        return Err(Error::Invalid);
    }
    let m = enter::task_machine();
    if !m.is_null() {
        // SAFETY: the current task is the caller, and its extra is its own.
        unsafe {
            let t = &*(*m).current.get();
            if t.extra.get().is_null() {
                t.extra.set(Extra::new()?);
            }
            return (*t.extra.get()).set_local(key as usize, value);
        }
    }
    let mut locals = threads.0.get() as *mut Locals;
    if locals.is_null() {
        if value.is_null() {
            return Ok(());
        }
        let fresh = Box::into_raw(try_box(Locals { values: Vec::new(), keys })?);
        if let Err(errno) = threads.0.set(fresh as *mut c_void) {
            // SAFETY: just made, and given to nobody.
            drop(unsafe { Box::from_raw(fresh) });
            return Err(errno.into());
        }
        locals = fresh;
    }
    // SAFETY: this thread's own table.
    let values = unsafe { &mut (*locals).values };
    let need = key as usize + 1;
    if values.len() < need {
        values.try_reserve(need - values.len()).map_err(|_| Error::NoMemory)?;
        values.resize(need, null_mut());
    }
    values[key as usize] = value;
    Ok(())
}

/// The calling task's or thread's value; null when none was set.
pub fn get(threads: &'static ThreadLocals, key: u32) -> *mut c_void {
    let m = enter::task_machine();
    // SAFETY: as in `set`.
    let values = unsafe {
        if m.is_null() {
            (threads.0.get() as *const Locals).as_ref().map(|locals| &locals.values)
        } else {
            (*(*m).current.get()).extra.get().as_ref().map(|extra| &extra.locals)
        }
    };
    values.and_then(|v| v.get(key as usize).copied()).unwrap_or(null_mut())
}
