//! What `monkey.patch_threading` and `monkey.patch_time` need below Python: `get_ident` and `sleep` as the standard
//! library has them, and the tasks that there are.
//!
//! Owns: the interpreter's own `time.sleep`, taken once.
//!
//! Always true: elsewhere than in a task both functions do what the interpreter's own do. A task's ident is its id,
//! which is also its thread state's `thread_id`: what the interpreter tells about threads and what `get_ident` tells
//! agree.
//!
//! Called by the interpreter with the GIL held. `sleep` waits, as calls.rs does; the rest blocks nothing.

use crate::task::Task;
use crate::{calls, live, shim};
use pyo3::ffi;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

type Object = *mut ffi::PyObject;

static OWN_SLEEP: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());

/// More seconds than this are the interpreter's to refuse.
const MOST_SECONDS: f64 = 9e9;

unsafe extern "C" fn get_ident(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held; the running task's object lives.
    unsafe {
        let task = shim::shim_current();
        let ident = if task.is_null() { ffi::PyThread_get_thread_ident() as u64 } else { (*task).id };
        ffi::PyLong_FromUnsignedLongLong(ident)
    }
}

/// Whether it is a length of time that `time.sleep` takes, so that nothing is left to complain about.
unsafe fn is_time(seconds: Object) -> bool {
    // SAFETY: the GIL is held.
    unsafe {
        if ffi::PyFloat_Check(seconds) == 0 && ffi::PyLong_Check(seconds) == 0 {
            return false;
        }
        let value = ffi::PyFloat_AsDouble(seconds);
        if !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
            return false;
        }
        (0.0..MOST_SECONDS).contains(&value)
    }
}

unsafe extern "C" fn sleep(module: Object, seconds: Object) -> Object {
    // SAFETY: the GIL is held; an int made here is dropped here.
    unsafe {
        if shim::shim_current().is_null() {
            return ffi::PyObject_CallOneArg(OWN_SLEEP.load(Ordering::Relaxed), seconds);
        }
        if is_time(seconds) {
            return calls::sleep(module, seconds);
        }
        if ffi::PyFloat_Check(seconds) == 0 && ffi::PyLong_Check(seconds) == 0 && ffi::PyIndex_Check(seconds) != 0 {
            let number = ffi::PyNumber_Index(seconds);
            if number.is_null() {
                return number;
            }
            let slept = if is_time(number) {
                calls::sleep(module, number)
            } else {
                ffi::PyObject_CallOneArg(OWN_SLEEP.load(Ordering::Relaxed), number)
            };
            ffi::Py_DECREF(number);
            return slept;
        }
        ffi::PyObject_CallOneArg(OWN_SLEEP.load(Ordering::Relaxed), seconds)
    }
}

/// `_ident_function(module, /)`: `get_ident` as a function of that module, so that it is found there by its name.
unsafe extern "C" fn ident_function(_: Object, module: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe {
        function_of(
            module,
            c"get_ident",
            c"get_ident()\n--\n\nThe id of the task, elsewhere of the thread.",
            get_ident,
            ffi::METH_NOARGS,
        )
    }
}

/// `_sleep_function(module, /)`: the same for `sleep`, whose own is taken from the module.
unsafe extern "C" fn sleep_function(_: Object, module: Object) -> Object {
    // SAFETY: the GIL is held; the own function is kept for ever.
    unsafe {
        let own = ffi::PyObject_GetAttrString(module, c"sleep".as_ptr());
        if own.is_null() {
            return own;
        }
        let old = OWN_SLEEP.swap(own, Ordering::Relaxed);
        ffi::Py_XDECREF(old);
        let doc = c"sleep(seconds)\n--\n\nAs the interpreter's own; a task that sleeps is parked.";
        function_of(module, c"sleep", doc, sleep, ffi::METH_O)
    }
}

unsafe fn function_of(
    module: Object,
    name: &'static std::ffi::CStr,
    doc: &'static std::ffi::CStr,
    function: ffi::PyCFunction,
    flags: c_int,
) -> Object {
    // SAFETY: the GIL is held; the definition is leaked, once for each patch.
    unsafe {
        let module_name = ffi::PyModule_GetNameObject(module);
        if module_name.is_null() {
            return module_name;
        }
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
            ml_flags: flags,
            ml_doc: doc.as_ptr(),
        }));
        let made = ffi::PyCFunction_NewEx(definition, module, module_name);
        ffi::Py_DECREF(module_name);
        made
    }
}

/// `_running_tasks()`: the Python tasks that have started and not ended.
unsafe extern "C" fn running_tasks(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held. Nothing between the first and the last append runs Python code: the list stands still.
    unsafe {
        let found = ffi::PyList_New(0);
        if found.is_null() {
            return found;
        }
        let mut task: *mut Task = live::first();
        while !task.is_null() {
            let head = &(*task).head;
            let started = !head.ts.is_null() && head.cleared == 0 && head.done == 0;
            if started && ffi::PyList_Append(found, task as Object) != 0 {
                ffi::Py_DECREF(found);
                return ptr::null_mut();
            }
            task = (*task).next;
        }
        found
    }
}

/// The functions; the table lives as long as the process.
pub fn methods() -> &'static mut [ffi::PyMethodDef] {
    let method = |name: &'static std::ffi::CStr, doc: &'static std::ffi::CStr, function, flags| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: flags,
        ml_doc: doc.as_ptr(),
    };
    Box::leak(Box::new([
        method(c"_ident_function", c"_ident_function(module, /)\n--\n\n", ident_function, ffi::METH_O),
        method(c"_sleep_function", c"_sleep_function(module, /)\n--\n\n", sleep_function, ffi::METH_O),
        method(c"_running_tasks", c"_running_tasks()\n--\n\n", running_tasks, ffi::METH_NOARGS),
    ]))
}
