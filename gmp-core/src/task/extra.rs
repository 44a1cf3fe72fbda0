//! What few tasks have: a name, a class, task-local values, deferred calls.
//!
//! Owns: the box behind `Task::extra`. Always true: it is made before the task is visible or by the task itself,
//! used by the task itself (dumps read the name), and freed when the record is recycled. No allocation here
//! aborts: each answers `NoMemory`.

use super::class::Class;
use crate::base::error::{Error, Result};
use std::alloc::{alloc, dealloc, Layout};
use std::ffi::c_void;
use std::ptr::null_mut;

/// A deferred call.
pub type DeferFn = unsafe extern "C-unwind" fn(*mut c_void);

/// See the module.
#[derive(Debug)]
pub struct Extra {
    /// Bytes of the name, without a terminator.
    pub name: Vec<u8>,
    pub class: *const Class,
    pub class_data: *mut c_void,
    /// The machine that alone may continue the task; null: any.
    pub pin: *const c_void,
    pub locals: Vec<*mut c_void>,
    pub defers: Vec<(DeferFn, *mut c_void)>,
}

impl Extra {
    /// An empty one.
    pub fn new() -> Result<*mut Extra> {
        // SAFETY: `Extra` is not zero-sized.
        let p = unsafe { alloc(Layout::new::<Extra>()) } as *mut Extra;
        if p.is_null() {
            return Err(Error::NoMemory);
        }
        // SAFETY: freshly allocated with `Extra`'s layout.
        unsafe {
            p.write(Extra {
                name: Vec::new(),
                class: std::ptr::null(),
                class_data: null_mut(),
                pin: std::ptr::null(),
                locals: Vec::new(),
                defers: Vec::new(),
            })
        };
        Ok(p)
    }

    /// # Safety
    /// `p` came from [`Extra::new`] and is not used any more.
    pub unsafe fn free(p: *mut Extra) {
        // SAFETY: the caller's promise.
        unsafe {
            p.drop_in_place();
            dealloc(p as *mut u8, Layout::new::<Extra>());
        }
    }

    /// Copies a name.
    pub fn set_name(&mut self, name: &[u8]) -> Result<()> {
        self.name.try_reserve_exact(name.len()).map_err(|_| Error::NoMemory)?;
        self.name.extend_from_slice(name);
        Ok(())
    }

    /// Remembers a call for the task's end.
    pub fn defer(&mut self, f: DeferFn, arg: *mut c_void) -> Result<()> {
        self.defers.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.defers.push((f, arg));
        Ok(())
    }

    /// Sets the task-local value in place `key`.
    pub fn set_local(&mut self, key: usize, value: *mut c_void) -> Result<()> {
        if self.locals.len() <= key {
            if value.is_null() {
                return Ok(());
            }
            self.locals.try_reserve(key + 1 - self.locals.len()).map_err(|_| Error::NoMemory)?;
            self.locals.resize(key + 1, null_mut());
        }
        self.locals[key] = value;
        Ok(())
    }
}
