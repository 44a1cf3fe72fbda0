//! The Task object: what `go`, `go_native` and `run` make, and what the class's entry fills in.
//!
//! Owns: the object's layout, its type, its end. While a Python task runs the runtime owns one reference to it.
//!
//! Always true:
//!  - T1. Every field is read and written with the GIL held.
//!  - T2. `head.done` is set exactly once, after `result` or `error`; from then on `joiners` is empty.
//!  - T3. A task is in the live list from its spawn until `head.done`; native tasks never are.
//!  - T4. The last thing of a task that can run Python code happens on the task's own stack, before `gmp_py_done`:
//!    after it, dropping the runtime's reference frees plain memory only.
//!
//! Called by: calls.rs, join.rs, exit.rs; the entry in shim/class.c. Blocks nothing.

use crate::native::{self, Native};
use crate::shim::{self, PyTask};
use crate::target::{self, Target};
use crate::wait::{self, Waiters};
use crate::{errors, exit, live, task_type};
use pyo3::ffi;
use std::ffi::{c_char, c_int};
use std::ptr;

#[repr(C)]
pub struct Task {
    pub head: PyTask,
    pub name: *mut ffi::PyObject,
    /// The context to run in; entered by `begin`, left by `end`.
    context: *mut ffi::PyObject,
    result: *mut ffi::PyObject,
    error: *mut ffi::PyObject,
    /// The error's traceback as the task left it: every join raises from there, not from the last join.
    traceback: *mut ffi::PyObject,
    pub weakrefs: *mut ffi::PyObject,
    /// Is called with the error, on the task's own stack, before anyone else can have it; or NULL.
    pub on_error: *mut ffi::PyObject,
    /// The task that this one waits for without an end, or null.
    pub joins: *mut Task,
    pub joiners: Waiters,
    pub target: Target,
    pub prev: *mut Task,
    pub next: *mut Task,
    /// One strong reference, or null for Python tasks.
    pub native: *const Native,
    /// The fork generation it belongs to.
    pub epoch: u32,
    /// Someone was given the error.
    observed: bool,
    /// The context was entered.
    entered: bool,
}

/// Makes an unspawned task; NULL with an exception set on failure. Steals `args` (a tuple or NULL).
///
/// # Safety
/// The GIL is held; `func` and `args` are valid.
pub unsafe fn new(func: *mut ffi::PyObject, args: *mut ffi::PyObject) -> *mut Task {
    // SAFETY: the type's instances are `Task`s and come zeroed, which is valid for every field.
    unsafe {
        let task = ffi::PyType_GenericAlloc(task_type::get(), 0) as *mut Task;
        if task.is_null() {
            ffi::Py_XDECREF(args);
            return ptr::null_mut();
        }
        ffi::Py_XINCREF(func);
        (*task).head.func = func;
        (*task).head.args = args;
        (*task).epoch = exit::epoch();
        task
    }
}

/// Spawns a Python task; false with an exception set on failure. The runtime then owns a reference of its own.
///
/// # Safety
/// The GIL is held; `task` is fresh from `new`; `name` is NULL or a str, `context` NULL or a Context.
pub unsafe fn spawn(task: *mut Task, name: *mut ffi::PyObject, context: *mut ffi::PyObject, stack_size: usize) -> bool {
    // SAFETY: as the caller promises; `name`'s UTF-8 form lives as long as `name`, and the runtime copies it.
    unsafe {
        if shim::shim_stopping() != 0 {
            errors::STOPPED.raise(c"the interpreter is exiting: no new tasks");
            return false;
        }
        if !wait::may_enter() {
            return false;
        }
        let mut utf8: *const c_char = ptr::null();
        if !name.is_null() {
            utf8 = ffi::PyUnicode_AsUTF8(name);
            if utf8.is_null() {
                return false;
            }
            (*task).name = ffi::Py_NewRef(name);
        }
        if !context.is_null() {
            (*task).context = ffi::Py_NewRef(context);
        }
        ffi::Py_INCREF(task as *mut ffi::PyObject);
        live::link(task);
        let code = shim::shim_spawn(&raw mut (*task).head, utf8, stack_size);
        if code != 0 {
            live::unlink(task);
            (*task).head.done = 1;
            ffi::Py_DECREF(task as *mut ffi::PyObject);
            errors::raise_code(code);
            return false;
        }
        true
    }
}

/// First thing on the task's own stack. 0: do not call the function, its outcome is in place.
///
/// # Safety
/// Called by the entry only, GIL held.
#[no_mangle]
unsafe extern "C" fn gmp_py_begin(head: *mut PyTask) -> c_int {
    // SAFETY: the entry's argument is a Task that the runtime owns a reference to.
    unsafe {
        let task = head as *mut Task;
        target::open(&raw mut (*task).target, (*head).id);
        let ready = !target::take(&raw mut (*task).target)
            && exit::apply_trace_hooks()
            && ((*task).context.is_null() || {
                (*task).entered = ffi::PyContext_Enter((*task).context) == 0;
                (*task).entered
            });
        if !ready {
            target::close(&raw mut (*task).target);
            set_error(task, errors::take());
            tell_error(task);
            clear_call(task);
        }
        c_int::from(ready)
    }
}

/// Takes the function's result, or the exception that is set, and drops what the call needed.
///
/// # Safety
/// Called by the entry only, GIL held.
#[no_mangle]
unsafe extern "C" fn gmp_py_end(head: *mut PyTask, result: *mut ffi::PyObject) {
    // SAFETY: as gmp_py_begin; `result` is owned or NULL with an exception set.
    unsafe {
        let task = head as *mut Task;
        if (*task).epoch != exit::epoch() {
            exit::end_forked_child(result);
        }
        target::close(&raw mut (*task).target);
        if result.is_null() {
            set_error(task, errors::take());
        } else {
            (*task).result = result;
        }
        if (*task).entered && ffi::PyContext_Exit((*task).context) != 0 {
            ffi::PyErr_WriteUnraisable(task as *mut ffi::PyObject);
        }
        tell_error(task);
        clear_call(task);
        if ffi::Py_REFCNT(task as *mut ffi::PyObject) == 1 {
            // Nobody can ask for the outcome any more: report and drop it here, where finalizers may wait (T4).
            report_unobserved(task);
            let result = std::mem::replace(&mut (*task).result, ptr::null_mut());
            ffi::Py_XDECREF(result);
            drop_error(task);
            if !(*task).weakrefs.is_null() {
                ffi::PyObject_ClearWeakRefs(task as *mut ffi::PyObject);
            }
        }
    }
}

/// The task's end as others see it.
///
/// # Safety
/// Called by the entry only, GIL held, outcome in place.
#[no_mangle]
unsafe extern "C" fn gmp_py_done(head: *mut PyTask) {
    // SAFETY: as gmp_py_begin.
    unsafe {
        let task = head as *mut Task;
        live::unlink(task);
        (*task).head.done = 1;
        let chain = (*task).joiners.claim_all();
        wait::signal_chain(chain);
    }
}

/// The entry did not reach its end: first_run failed, or the task was cut off by gmp_exit or a foreign exception.
///
/// # Safety
/// Called by the class's finish only, GIL held.
#[no_mangle]
unsafe extern "C" fn gmp_py_abandoned(head: *mut PyTask) {
    // SAFETY: as gmp_py_begin.
    unsafe {
        let task = head as *mut Task;
        match (*head).start_error {
            0 => errors::GMP_ERROR.raise(c"the task was cut off by gmp_exit or by a foreign exception"),
            crate::abi::ESTOPPED => ffi::PyErr_SetNone(errors::TASK_EXIT.get()),
            code => {
                errors::raise_code(code);
            }
        }
        target::close(&raw mut (*task).target);
        set_error(task, errors::take());
        tell_error(task);
        clear_call(task);
        gmp_py_done(head);
    }
}

/// # Safety
/// The GIL is held; steals `error`.
unsafe fn set_error(task: *mut Task, error: *mut ffi::PyObject) {
    // SAFETY: `error` is an exception instance.
    unsafe {
        let old = std::mem::replace(&mut (*task).error, error);
        (*task).traceback = ffi::PyException_GetTraceback(error);
        let kind = ffi::Py_TYPE(error) as *mut ffi::PyObject;
        if kind == errors::TASK_EXIT.get() || kind == errors::CANCELLED.get() {
            (*task).observed = true; // the interpreter's exit, or what somebody asked for: no error of the program
        }
        ffi::Py_XDECREF(old);
    }
}

/// Hands the error, if there is one, to who wants to know of it first.
unsafe fn tell_error(task: *mut Task) {
    // SAFETY: the GIL is held; no exception is set; the task is the caller's.
    unsafe {
        let hook = std::mem::replace(&mut (*task).on_error, ptr::null_mut());
        if !hook.is_null() && !(*task).error.is_null() {
            (*task).observed = true;
            let told = ffi::PyObject_CallOneArg(hook, (*task).error);
            if told.is_null() {
                ffi::PyErr_WriteUnraisable(hook);
            }
            ffi::Py_XDECREF(told);
        }
        ffi::Py_XDECREF(hook);
    }
}

/// # Safety
/// The GIL is held.
unsafe fn drop_error(task: *mut Task) {
    // SAFETY: both fields own their reference or are NULL; they are emptied before Python code can run.
    unsafe {
        let error = std::mem::replace(&mut (*task).error, ptr::null_mut());
        let traceback = std::mem::replace(&mut (*task).traceback, ptr::null_mut());
        ffi::Py_XDECREF(error);
        ffi::Py_XDECREF(traceback);
    }
}

/// Drops whatever Python objects it holds, but for its name.
///
/// # Safety
/// The GIL is held.
pub unsafe fn clear(task: *mut Task) {
    // SAFETY: as drop_error.
    unsafe {
        clear_call(task);
        drop_error(task);
        let result = std::mem::replace(&mut (*task).result, ptr::null_mut());
        ffi::Py_XDECREF(result);
    }
}

/// What a collector must visit; some are NULL.
///
/// # Safety
/// The GIL is held.
pub unsafe fn held_objects(task: *mut Task) -> [*mut ffi::PyObject; 7] {
    // SAFETY: plain reads of a live Task.
    unsafe {
        let head = &(*task).head;
        [head.func, head.args, (*task).context, (*task).result, (*task).error, (*task).traceback, (*task).on_error]
    }
}

/// # Safety
/// The GIL is held.
unsafe fn clear_call(task: *mut Task) {
    // SAFETY: as drop_error.
    unsafe {
        let func = std::mem::replace(&mut (*task).head.func, ptr::null_mut());
        let args = std::mem::replace(&mut (*task).head.args, ptr::null_mut());
        let context = std::mem::replace(&mut (*task).context, ptr::null_mut());
        let hook = std::mem::replace(&mut (*task).on_error, ptr::null_mut());
        ffi::Py_XDECREF(func);
        ffi::Py_XDECREF(args);
        ffi::Py_XDECREF(context);
        ffi::Py_XDECREF(hook);
    }
}

/// Asks for Cancelled to be raised in the task; false when its outcome is settled.
///
/// # Safety
/// The GIL is held.
pub unsafe fn cancel(task: *mut Task) -> bool {
    // SAFETY: a live Task; the record of a native task lives as long as it.
    unsafe {
        if is_done(task) {
            return false;
        }
        if !(*task).native.is_null() {
            (*(*task).native).cancel();
            return true;
        }
        target::request(&raw mut (*task).target, target::CANCEL) == target::Answer::Noted
    }
}

/// The outcome of a task that is done: its result (new reference), or NULL with its exception set.
///
/// # Safety
/// The GIL is held and `head.done` is set.
pub unsafe fn outcome(task: *mut Task) -> *mut ffi::PyObject {
    // SAFETY: T2.
    unsafe {
        let error = (*task).error;
        if error.is_null() {
            let result = (*task).result;
            return ffi::Py_NewRef(if result.is_null() { ffi::Py_None() } else { result });
        }
        (*task).observed = true;
        restore_traceback(task);
        ffi::PyErr_SetObject(ffi::Py_TYPE(error) as *mut ffi::PyObject, error);
        ptr::null_mut()
    }
}

/// The exception of a task that is done, or None; a new reference.
///
/// # Safety
/// As `outcome`.
pub unsafe fn error_of(task: *mut Task) -> *mut ffi::PyObject {
    // SAFETY: T2.
    unsafe {
        let error = (*task).error;
        if error.is_null() {
            return ffi::Py_NewRef(ffi::Py_None());
        }
        (*task).observed = true;
        restore_traceback(task);
        ffi::Py_NewRef(error)
    }
}

unsafe fn restore_traceback(task: *mut Task) {
    // SAFETY: PyException_SetTraceback takes a traceback or None and counts its own reference.
    unsafe {
        let traceback = (*task).traceback;
        ffi::PyException_SetTraceback((*task).error, if traceback.is_null() { ffi::Py_None() } else { traceback });
    }
}

/// Whether it failed and nobody was given the error.
///
/// # Safety
/// The GIL is held.
pub unsafe fn has_unobserved_error(task: *mut Task) -> bool {
    // SAFETY: plain reads of a live Task.
    unsafe { !(*task).error.is_null() && !(*task).observed }
}

/// An error that nobody asked for is reported once, when nobody can ask any more.
///
/// # Safety
/// The GIL is held and no exception is set.
pub unsafe fn report_unobserved(task: *mut Task) {
    // SAFETY: the GIL is held; WriteUnraisable takes the exception that is set here.
    unsafe {
        if !has_unobserved_error(task) {
            return;
        }
        (*task).observed = true;
        restore_traceback(task);
        ffi::PyErr_SetObject(ffi::Py_TYPE((*task).error) as *mut ffi::PyObject, (*task).error);
        ffi::PyErr_WriteUnraisable(task as *mut ffi::PyObject);
    }
}

/// Whether its outcome is there.
///
/// # Safety
/// The GIL is held.
pub unsafe fn is_done(task: *mut Task) -> bool {
    // SAFETY: T1; a native task's outcome is taken over by the first who sees that it ended.
    unsafe {
        if (*task).head.done == 0 && !(*task).native.is_null() {
            let Some(outcome) = (*(*task).native).outcome() else { return false };
            match outcome {
                Ok(value) => (*task).result = ffi::PyLong_FromSize_t(value),
                Err(()) => native::raise_cut_off(),
            }
            if (*task).result.is_null() {
                set_error(task, errors::take());
            }
            (*task).head.done = 1;
        }
        (*task).head.done != 0
    }
}

/// Whether it ended with an exception.
///
/// # Safety
/// The GIL is held.
pub unsafe fn has_failed(task: *mut Task) -> bool {
    // SAFETY: a plain read of a live Task.
    unsafe { !(*task).error.is_null() }
}
