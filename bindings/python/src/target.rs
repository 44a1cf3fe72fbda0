//! Raising an exception in a task from outside: cancellation and exit.
//!
//! Owns: what is to be raised at whom (`Target`), and the type that stands for it in the interpreter's slot for
//! asynchronous exceptions.
//!
//! Always true:
//!  - G1. A request is a mark. It becomes one exception, in its target: in the wait that it ends, else in the next wait
//!    of this package, else in a loop that computes. Until then further requests of its kind are the same one.
//!  - G2. A wait that a request ends has had no effect. A wait whose event came first gives its result, and the request
//!    stays for the next one: nothing that was taken is lost.
//!
//! Called with the GIL held, by wait.rs, io.rs, exit.rs and task.rs. Blocks nothing.

use crate::task::Task;
use crate::wait::Waiter;
use crate::{errors, io, shim};
use pyo3::ffi;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What may be asked for; more than one at once. The order of the bits is that of delivery.
pub const EXIT: u8 = 1;
pub const CANCEL: u8 = 2;

/// All-zero is a target that has not started: requests wait for it.
#[repr(C)]
pub struct Target {
    /// By what name the interpreter knows it; 0 while it cannot be interrupted in its code.
    ident: u64,
    /// What this task waits on, while it waits in a call of this package.
    pub parked: *mut Waiter,
    /// The descriptor that it waits on, plus one, while it is in a call of io.rs; 0: none. And what for.
    pub fd_plus_one: c_int,
    pub fd_events: c_int,
    pending: u8,
    /// In gmp_yield or gmp_checkpoint.
    pub yielding: bool,
    /// The descriptor's deadline was set by `request`.
    pub fd_cut: bool,
    /// `POKE` is, or was, in the interpreter's slot.
    poked: bool,
    /// Its outcome is settled: too late for requests.
    closed: bool,
}

/// What became of a request.
#[derive(PartialEq)]
pub enum Answer {
    /// It will be raised, at the latest in the target's next wait.
    Noted,
    /// The target's outcome is settled.
    TooLate,
}

/// Asks for `what` to be raised at `target`.
///
/// # Safety
/// The GIL is held and the target lives.
pub unsafe fn request(target: *mut Target, what: u8) -> Answer {
    // SAFETY: plain fields of a live target; the GIL orders all access. None of the calls waits.
    unsafe {
        if (*target).closed {
            return Answer::TooLate;
        }
        (*target).pending |= what;
        if !(*target).parked.is_null() {
            Waiter::interrupt((*target).parked);
        } else if (*target).fd_plus_one != 0 {
            (*target).fd_cut = true;
            io::interrupt(target);
        } else if !(*target).yielding && (*target).ident != 0 && target != current() {
            poke(target);
        }
        Answer::Noted
    }
}

/// The calling task's target; null elsewhere.
pub fn current() -> *mut Target {
    // SAFETY: the running task's object lives.
    unsafe {
        let task = shim::shim_current() as *mut Task;
        if task.is_null() {
            ptr::null_mut()
        } else {
            &raw mut (*task).target
        }
    }
}

/// From now on the interpreter knows the target by `ident`.
///
/// # Safety
/// The GIL is held; called by the target itself.
pub unsafe fn open(target: *mut Target, ident: u64) {
    // SAFETY: as the caller promises.
    unsafe { (*target).ident = ident };
}

/// From now on it is too late for requests; those that were noted are dropped.
///
/// # Safety
/// The GIL is held; called by the target itself or for one that never started.
pub unsafe fn close(target: *mut Target) {
    // SAFETY: as the caller promises.
    unsafe {
        (*target).closed = true;
        (*target).pending = 0;
        unpoke(target);
    }
}

/// Whether something waits to be raised.
///
/// # Safety
/// The GIL is held; the target is the caller's own.
#[inline(always)]
pub unsafe fn has_pending(target: *mut Target) -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*target).pending != 0 }
}

/// Raises what was asked for, if anything was: true with an exception set.
///
/// # Safety
/// The GIL is held; the target is the caller's own.
#[inline(always)]
pub unsafe fn take(target: *mut Target) -> bool {
    // SAFETY: as the caller promises.
    unsafe { has_pending(target) && raise(target) }
}

#[cold]
unsafe fn raise(target: *mut Target) -> bool {
    // SAFETY: as `take`.
    unsafe {
        let error = next(target);
        unpoke(target);
        if !error.is_null() {
            ffi::PyErr_SetObject(ffi::Py_TYPE(error) as *mut ffi::PyObject, error);
            ffi::Py_DECREF(error);
        }
        true
    }
}

/// The exception whose turn it is, a new reference; its mark is gone. NULL with an exception set when there is no memory.
unsafe fn next(target: *mut Target) -> *mut ffi::PyObject {
    // SAFETY: the GIL is held; making an exception may run Python code, so the mark goes first.
    unsafe {
        if (*target).pending & EXIT != 0 {
            (*target).pending = 0;
            return ffi::PyObject_CallNoArgs(errors::TASK_EXIT.get());
        }
        (*target).pending &= !CANCEL;
        ffi::PyObject_CallNoArgs(errors::CANCELLED.get())
    }
}

/// The type in the interpreter's slot. Called to make the exception, at the moment it is raised, it gives the one whose
/// turn it is: the slot holds no instances.
static POKE: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn poke_new(
    _: *mut ffi::PyTypeObject,
    _: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter in the target. (3.11 may call late, when a finalizer's wait has raised it.)
    unsafe {
        let target = current();
        if target.is_null() || !has_pending(target) {
            return ffi::PyObject_CallNoArgs(errors::CANCELLED.get());
        }
        (*target).poked = false;
        let error = next(target);
        if has_pending(target) {
            poke(target);
        }
        error
    }
}

/// Has the interpreter raise it where the target is.
unsafe fn poke(target: *mut Target) {
    // SAFETY: the GIL is held; an ident that the interpreter does not know (yet, any more) is ignored.
    unsafe {
        let kind = POKE.load(Ordering::Relaxed);
        (*target).poked = ffi::PyThreadState_SetAsyncExc((*target).ident as c_long, kind) != 0;
    }
}

/// What was raised otherwise is not raised again.
unsafe fn unpoke(target: *mut Target) {
    // SAFETY: the GIL is held.
    unsafe {
        if (*target).poked && (*target).pending == 0 {
            (*target).poked = false;
            ffi::PyThreadState_SetAsyncExc((*target).ident as c_long, ptr::null_mut());
        }
    }
}

/// Makes the type of the slot; -1 with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> c_int {
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [slot(ffi::Py_tp_new, poke_new as *mut c_void), slot(0, ptr::null_mut())];
    let mut spec = ffi::PyType_Spec {
        name: c"gmp_py._Poke".as_ptr(),
        basicsize: 0,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the spec is copied.
    let made = unsafe { ffi::PyType_FromSpecWithBases(&mut spec, ffi::PyExc_BaseException) };
    POKE.store(made, Ordering::Relaxed);
    if made.is_null() {
        -1
    } else {
        0
    }
}
