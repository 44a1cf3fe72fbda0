//! Ends: the interpreter's exit with tasks alive, and the child of a fork.
//!
//! Owns: the fork generation; the order in which exit stops things (shim/exit.c owns the flags).
//!
//! Always true: after `at_exit` no machine asks for the GIL any more, whatever the tasks were doing; the exit takes
//! `DRAIN_NS` longer at most; the exit status is not touched.
//!
//! Called by: the interpreter's atexit, the C library's fork, and the entry of a task that was forked.

use crate::{abi, calls, clock, errors, live, owner, shim, target, wait};
use pyo3::ffi;
use std::ffi::{c_int, CStr};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// How long tasks may clean up when the interpreter exits, and how often signals are looked at meanwhile.
const DRAIN_NS: i64 = 1_000_000_000;
const SLICE_NS: i64 = 50_000_000;

static EPOCH: AtomicU32 = AtomicU32::new(0);

/// Counts the forks on the way to this process.
pub fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

/// atexit's callback: lets every task that waits run its `finally` blocks, for a bounded time.
///
/// # Safety
/// A METH_NOARGS method.
pub unsafe extern "C" fn at_exit(_: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the GIL is held but for the drain. While it is held no task runs, so the list stands still.
    unsafe {
        shim::shim_stop();
        let mut task = live::first();
        while !task.is_null() {
            let next = (*task).next;
            // One that has not started never will: first_run refuses it.
            target::request(&raw mut (*task).target, target::EXIT);
            task = next;
        }
        let end = abi::gmp_after_ns(DRAIN_NS);
        let mut interrupted = false;
        loop {
            let left = end - abi::gmp_now();
            if left <= 0 || wait::detached(|| shim::shim_drain(left.min(SLICE_NS))) != 0 {
                break;
            }
            if ffi::PyErr_CheckSignals() != 0 {
                interrupted = true;
                break;
            }
        }
        shim::shim_close();
        if interrupted {
            return ptr::null_mut();
        }
        ffi::Py_NewRef(ffi::Py_None())
    }
}

/// pthread_atfork's child handler: every task and machine stayed behind.
pub unsafe extern "C" fn after_fork() {
    owner::after_fork();
    EPOCH.fetch_add(1, Ordering::Relaxed);
    live::forget_all();
    calls::forget_run();
    clock::after_fork();
    // SAFETY: the child has one thread, this one, which is its main thread from now on.
    unsafe {
        shim::shim_after_fork();
        wait::set_main_thread(ffi::PyThread_get_thread_ident() as u64);
    }
}

/// The function of a task that forked has returned in the child, where there is no runtime to return to: the child
/// ends as a forked thread does, and tells an error that nobody caught.
///
/// # Safety
/// The GIL is held; `result` is NULL when an exception is set.
pub unsafe fn end_forked_child(result: *mut ffi::PyObject) -> ! {
    // SAFETY: the GIL is held; references are owned; _exit does not return.
    unsafe {
        let status = if result.is_null() { error_status() } else { 0 };
        for name in [c"stdout", c"stderr"] {
            let file = ffi::PySys_GetObject(name.as_ptr());
            if !file.is_null() {
                let flushed = ffi::PyObject_CallMethod(file, c"flush".as_ptr(), ptr::null());
                ffi::Py_XDECREF(flushed);
                ffi::PyErr_Clear();
            }
        }
        libc::_exit(status)
    }
}

/// What the interpreter would exit with for the exception that is set.
unsafe fn error_status() -> c_int {
    // SAFETY: the GIL is held and an exception is set.
    unsafe {
        if ffi::PyErr_ExceptionMatches(ffi::PyExc_SystemExit) == 0 {
            ffi::PyErr_Print();
            return 1;
        }
        let error = errors::take();
        let code = ffi::PyObject_GetAttrString(error, c"code".as_ptr());
        let status = if code == ffi::Py_None() {
            0
        } else if !code.is_null() && ffi::PyLong_Check(code) != 0 {
            ffi::PyLong_AsLong(code) as c_int
        } else {
            1
        };
        ffi::PyErr_Clear();
        status
    }
}

static THREADING: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());
static HOOKS: [(&CStr, &CStr); 2] = [(c"_trace_hook", c"settrace"), (c"_profile_hook", c"setprofile")];
static HOOK_NAMES: [AtomicPtr<ffi::PyObject>; 2] = [const { AtomicPtr::new(ptr::null_mut()) }; 2];

/// Remembers where `threading.settrace` and `threading.setprofile` leave their hooks.
///
/// # Safety
/// The GIL is held; `threading` is the module's dict, of which a reference is kept.
pub unsafe fn set_threading(threading: *mut ffi::PyObject) {
    // SAFETY: the GIL is held.
    unsafe {
        for ((name, _), slot) in HOOKS.iter().zip(&HOOK_NAMES) {
            slot.store(ffi::PyUnicode_InternFromString(name.as_ptr()), Ordering::Relaxed);
        }
        THREADING.store(ffi::Py_NewRef(threading), Ordering::Relaxed);
    }
}

/// A new task is traced and profiled as a new thread is. False with an exception set when a hook could not be set.
///
/// # Safety
/// The GIL is held.
pub unsafe fn apply_trace_hooks() -> bool {
    // SAFETY: the GIL is held; the dict and the names are kept for ever; found hooks are borrowed from the dict, which
    // the call may change, so a reference is held.
    unsafe {
        let threading = THREADING.load(Ordering::Relaxed);
        for ((_, setter), name) in HOOKS.iter().zip(&HOOK_NAMES) {
            let hook = ffi::PyDict_GetItemWithError(threading, name.load(Ordering::Relaxed));
            if hook.is_null() || hook == ffi::Py_None() {
                continue;
            }
            let hook = ffi::Py_NewRef(hook);
            let set = ffi::PySys_GetObject(setter.as_ptr());
            let done = if set.is_null() { ptr::null_mut() } else { ffi::PyObject_CallOneArg(set, hook) };
            ffi::Py_DECREF(hook);
            if done.is_null() && !ffi::PyErr_Occurred().is_null() {
                return false;
            }
            ffi::Py_XDECREF(done);
        }
        true
    }
}
