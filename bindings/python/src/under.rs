//! The lock under a Condition: ours, reached directly, or any object with `acquire` and `release`.
//!
//! Owns: nothing.
//!
//! Called by condition.rs with the GIL held. `release` may let others have their turn, `restore` waits; a foreign lock
//! may run any code. A foreign lock is treated as `threading.Condition` does: its `_release_save`, `_acquire_restore` and
//! `_is_owned` are used if it has them.

use crate::lock::Lock;
use crate::lock_type::{misuse, Object};
use crate::rlock::{self, RLock};
use crate::wait::Wake;
use crate::{abi, mutex};
use pyo3::ffi;
use std::ffi::CStr;
use std::ptr;

/// What a lock needs to be taken again as it was.
pub enum Saved {
    Mutex(*mut Lock),
    RLock(*mut RLock, rlock::Saved),
    /// What `_release_save` gave; owned. NULL: the lock has no such method.
    Foreign(Object),
}

impl Saved {
    pub fn is_ours(&self) -> bool {
        !matches!(self, Saved::Foreign(_))
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        if let Saved::Foreign(state) = *self {
            // SAFETY: the reference is owned; all users hold the GIL.
            unsafe { ffi::Py_XDECREF(state) };
        }
    }
}

/// A method of a foreign lock; NULL without an exception when it has none, with one on other failures.
unsafe fn method(lock: Object, name: &CStr) -> Object {
    // SAFETY: the GIL is held.
    unsafe {
        let found = ffi::PyObject_GetAttrString(lock, name.as_ptr());
        if found.is_null() && ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) != 0 {
            ffi::PyErr_Clear();
        }
        found
    }
}

/// Calls a bound method with one argument or none, and drops it.
unsafe fn call(method: Object, argument: Object) -> Object {
    // SAFETY: the GIL is held; `method` is owned, `argument` borrowed or NULL.
    unsafe {
        let result = if argument.is_null() {
            ffi::PyObject_CallNoArgs(method)
        } else {
            ffi::PyObject_CallOneArg(method, argument)
        };
        ffi::Py_DECREF(method);
        result
    }
}

/// The truth of an owned result, which is dropped.
unsafe fn truth_of(result: Object) -> Option<bool> {
    // SAFETY: the GIL is held; `result` is owned or NULL with an exception set.
    unsafe {
        if result.is_null() {
            return None;
        }
        let truth = ffi::PyObject_IsTrue(result);
        ffi::Py_DECREF(result);
        (truth >= 0).then_some(truth > 0)
    }
}

/// Whether the caller holds the lock; None with an exception set when that cannot be said.
///
/// # Safety
/// The GIL is held; a reference to the lock is held.
pub unsafe fn is_owned(lock: Object) -> Option<bool> {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(rlock) = rlock::exact(lock) {
            return Some(rlock::is_owned_by_caller(rlock));
        }
        if let Some(lock) = mutex::exact(lock) {
            return Some((*lock).is_locked());
        }
        let asked = method(lock, c"_is_owned");
        if !asked.is_null() {
            return truth_of(call(asked, ptr::null_mut()));
        }
        if !ffi::PyErr_Occurred().is_null() {
            return None;
        }
        // A lock without an owner is taken for the caller's when it is held at all.
        let acquire = ffi::PyObject_GetAttrString(lock, c"acquire".as_ptr());
        if acquire.is_null() {
            return None;
        }
        if !truth_of(call(acquire, ffi::Py_False()))? {
            return Some(true);
        }
        truth_of(ffi::PyObject_CallMethod(lock, c"release".as_ptr(), ptr::null())).map(|_| false)
    }
}

/// Releases the lock, however often it was taken; None with an exception set on failure.
///
/// # Safety
/// As `is_owned`.
pub unsafe fn release(lock: Object) -> Option<Saved> {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(rlock) = rlock::exact(lock) {
            return rlock::release_all(rlock).map(|saved| Saved::RLock(rlock, saved));
        }
        if let Some(lock) = mutex::exact(lock) {
            if !(*lock).is_locked() {
                misuse(c"release unlocked lock");
                return None;
            }
            if !(*lock).may_release() {
                return None;
            }
            Lock::release(lock);
            return Some(Saved::Mutex(lock));
        }
        let save = method(lock, c"_release_save");
        if !save.is_null() {
            let state = call(save, ptr::null_mut());
            return (!state.is_null()).then_some(Saved::Foreign(state));
        }
        if !ffi::PyErr_Occurred().is_null() {
            return None;
        }
        let released = ffi::PyObject_CallMethod(lock, c"release".as_ptr(), ptr::null());
        truth_of(released).map(|_| Saved::Foreign(ptr::null_mut()))
    }
}

/// Takes the lock as it was; false with an exception set when it was not taken.
///
/// # Safety
/// As `is_owned`; no exception is set.
pub unsafe fn restore(lock: Object, saved: &Saved) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        match saved {
            Saved::Mutex(lock) => Lock::take(*lock, abi::FOREVER) == Wake::Signaled,
            Saved::RLock(rlock, saved) => rlock::take_for(*rlock, saved, abi::FOREVER) == Wake::Signaled,
            Saved::Foreign(state) => {
                let restore = method(lock, c"_acquire_restore");
                if !restore.is_null() {
                    let state = if state.is_null() { ffi::Py_None() } else { *state };
                    return truth_of(call(restore, state)).is_some();
                }
                if !ffi::PyErr_Occurred().is_null() {
                    return false;
                }
                truth_of(ffi::PyObject_CallMethod(lock, c"acquire".as_ptr(), ptr::null())).is_some()
            }
        }
    }
}
