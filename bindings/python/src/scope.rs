//! cancel_scope: a block whose waits end at a deadline, or when somebody says so.
//!
//! Owns: the object, its place in its target's list, its entry in the clock.
//!
//! Always true:
//!  - P1. A scope is in the list of its owner, innermost first, from `__enter__` to `__exit__` or to the owner's end;
//!    then `owner` is null. Only then has it an entry in the clock.
//!  - P2. It fires once, and raises one Cancelled of its own, which only its own `__exit__` turns into something else.
//!    When several have fired the outermost raises first.
//!  - P3. A Cancelled that was on its way when the scope's came (its clean-up waited) goes on instead: what cancels more
//!    wins.
//!
//! Called with the GIL held, by scope_type.rs and target.rs. Blocks nothing.

use crate::clock::{self, Key};
use crate::target::{self, Target};
use crate::{abi, errors, shim, wait};
use pyo3::ffi;
use std::ffi::c_void;
use std::ptr;

/// Why a scope ended its block.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
pub enum Fired {
    No,
    Told,
    Late,
}

/// All-zero but for `timeout` is one that was not entered.
#[repr(C)]
pub struct Scope {
    ob_base: ffi::PyObject,
    pub weakrefs: *mut ffi::PyObject,
    owner: *mut Target,
    /// The next one outwards.
    outer: *mut Scope,
    entry: Key,
    /// Nanoseconds, `FOREVER` for none.
    pub timeout: i64,
    /// The exception that it raised, and the one that was being handled where it was entered.
    raised: *mut ffi::PyObject,
    handled: *mut ffi::PyObject,
    fired: Fired,
    delivered: bool,
    entered: bool,
}

/// Enters it; false with an exception set.
///
/// # Safety
/// The GIL is held.
pub unsafe fn enter(scope: *mut Scope) -> bool {
    // SAFETY: a live scope; its owner is the caller's target.
    unsafe {
        if (*scope).entered {
            errors::MISUSE.raise(c"a cancel_scope is entered once");
            return false;
        }
        if !wait::may_enter() {
            return false;
        }
        if (*scope).timeout != abi::FOREVER {
            let when = abi::gmp_now().saturating_add((*scope).timeout);
            match clock::at(when, late, scope as *mut c_void) {
                Some(key) => (*scope).entry = key,
                None => return false,
            }
        }
        let target = target::current_or_new();
        (*scope).entered = true;
        (*scope).owner = target;
        (*scope).outer = (*target).scopes;
        (*target).scopes = scope;
        (*scope).handled = ffi::PyErr_GetHandledException();
        if (*scope).timeout == 0 {
            fire(scope, Fired::Late);
        } else if (*scope).fired != Fired::No {
            target::request(target, target::SCOPE);
        }
        true
    }
}

unsafe fn late(scope: *mut c_void) {
    // SAFETY: P1: it lives while it has an entry.
    unsafe {
        let scope = scope as *mut Scope;
        (*scope).entry = Key::NONE;
        fire(scope, Fired::Late);
    }
}

/// Ends the block, now or once it is entered; nothing when it has been ended or left.
///
/// # Safety
/// The GIL is held.
pub unsafe fn fire(scope: *mut Scope, why: Fired) {
    // SAFETY: a live scope; P1.
    unsafe {
        let left = (*scope).entered && (*scope).owner.is_null();
        if (*scope).fired != Fired::No || left {
            return;
        }
        (*scope).fired = why;
        if !(*scope).owner.is_null() {
            target::request((*scope).owner, target::SCOPE);
        }
    }
}

/// Whether it has ended its block, or will.
///
/// # Safety
/// The GIL is held.
pub unsafe fn has_fired(scope: *mut Scope) -> bool {
    // SAFETY: a live scope.
    unsafe { (*scope).fired != Fired::No }
}

/// The Cancelled of the outermost scope that has fired, a new reference; NULL with an exception set.
///
/// # Safety
/// The GIL is held; called by the target itself, whose mark is gone.
pub unsafe fn deliver(target: *mut Target) -> *mut ffi::PyObject {
    // SAFETY: P1; making the exception may run Python code, so a reference is held.
    unsafe {
        let (mut chosen, mut waiting): (*mut Scope, u32) = (ptr::null_mut(), 0);
        let mut at = (*target).scopes;
        while !at.is_null() {
            if (*at).fired != Fired::No && !(*at).delivered {
                chosen = at;
                waiting += 1;
            }
            at = (*at).outer;
        }
        if waiting > 1 {
            target::add_scope_mark(target);
        }
        if chosen.is_null() {
            return ffi::PyObject_CallNoArgs(errors::CANCELLED.get());
        }
        (*chosen).delivered = true;
        ffi::Py_INCREF(chosen as *mut ffi::PyObject);
        let error = ffi::PyObject_CallNoArgs(errors::CANCELLED.get());
        ffi::Py_XINCREF(error);
        (*chosen).raised = error;
        ffi::Py_DECREF(chosen as *mut ffi::PyObject);
        error
    }
}

/// The target has ended: its scopes end nothing any more.
///
/// # Safety
/// The GIL is held.
pub unsafe fn forget_owner(target: *mut Target) {
    // SAFETY: P1.
    unsafe {
        while !(*target).scopes.is_null() {
            unlink((*target).scopes);
        }
    }
}

/// Takes it out of its owner's list and of the clock, if it is there.
///
/// # Safety
/// The GIL is held.
pub unsafe fn unlink(scope: *mut Scope) {
    // SAFETY: P1.
    unsafe {
        clock::forget(std::mem::replace(&mut (*scope).entry, Key::NONE));
        let owner = std::mem::replace(&mut (*scope).owner, ptr::null_mut());
        if owner.is_null() {
            return;
        }
        let mut link = &raw mut (*owner).scopes;
        while *link != scope {
            link = &raw mut (**link).outer;
        }
        *link = (*scope).outer;
        (*scope).outer = ptr::null_mut();
        let mut at = (*owner).scopes;
        while !at.is_null() && ((*at).fired == Fired::No || (*at).delivered) {
            at = (*at).outer;
        }
        if at.is_null() {
            target::drop_scope_mark(owner);
        }
    }
}

/// How `__exit__` goes on.
pub enum Exit {
    /// With what the block ended with.
    AsIs,
    /// The block ended quietly.
    Quiet,
    /// With the exception that is set.
    Raise,
}

/// Leaves it. `value` is the block's exception, NULL or None when there is none.
///
/// # Safety
/// The GIL is held.
pub unsafe fn exit(scope: *mut Scope, value: *mut ffi::PyObject) -> Exit {
    // SAFETY: a live scope.
    unsafe {
        if !(*scope).entered {
            errors::MISUSE.raise(c"this cancel_scope was not entered");
            return Exit::Raise;
        }
        let owner = (*scope).owner;
        if owner.is_null() {
            return Exit::AsIs; // its task has ended, and a collector finishes a generator
        }
        let ours = owner == target::current();
        unlink(scope);
        if !ours {
            errors::MISUSE.raise(c"a cancel_scope is left by who entered it");
            return Exit::Raise;
        }
        if (*owner).scopes.is_null() {
            target::leave_thread();
        }
        let how = if !value.is_null() && value == (*scope).raised { end(scope, value) } else { Exit::AsIs };
        clear(scope);
        how
    }
}

/// The block ended with the scope's own exception.
unsafe fn end(scope: *mut Scope, value: *mut ffi::PyObject) -> Exit {
    // SAFETY: the GIL is held; `value` is an exception, and so is what lies in its chain.
    unsafe {
        let mut at = ffi::PyException_GetContext(value);
        while !at.is_null() && at != (*scope).handled {
            if ffi::Py_TYPE(at) as *mut ffi::PyObject == errors::CANCELLED.get() {
                // Restored, not raised anew: its chain must not come to hold the newer ones.
                shim::shim_restore_exception(at);
                return Exit::Raise;
            }
            let next = ffi::PyException_GetContext(at);
            ffi::Py_DECREF(at);
            at = next;
        }
        ffi::Py_XDECREF(at);
        if (*scope).fired == Fired::Told {
            return Exit::Quiet;
        }
        let text = c"the time of the cancel_scope is over".as_ptr();
        let error = ffi::PyObject_CallFunction(ffi::PyExc_TimeoutError, c"s".as_ptr(), text);
        if !error.is_null() {
            ffi::PyException_SetCause(error, ffi::Py_NewRef(value));
            ffi::PyErr_SetObject(ffi::PyExc_TimeoutError, error);
            ffi::Py_DECREF(error);
        }
        Exit::Raise
    }
}

/// Drops the objects that it holds.
///
/// # Safety
/// The GIL is held.
pub unsafe fn clear(scope: *mut Scope) {
    // SAFETY: both are owned or NULL, and emptied before Python code can run.
    unsafe {
        let raised = std::mem::replace(&mut (*scope).raised, ptr::null_mut());
        let handled = std::mem::replace(&mut (*scope).handled, ptr::null_mut());
        ffi::Py_XDECREF(raised);
        ffi::Py_XDECREF(handled);
    }
}

/// What a collector must visit; some are NULL.
///
/// # Safety
/// The GIL is held.
pub unsafe fn held_objects(scope: *mut Scope) -> [*mut ffi::PyObject; 2] {
    // SAFETY: plain reads of a live scope.
    unsafe { [(*scope).raised, (*scope).handled] }
}
