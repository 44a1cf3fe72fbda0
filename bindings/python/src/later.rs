//! A call at a later time, for what is written in Python: the clock's thread makes it.
//!
//! Owns: the object `_Later(seconds, fn)`, and while it is pending one reference to itself.
//!
//! Always true: `entry` is in the clock exactly while the object owns that reference. The function never waits.
//!
//! Called by the interpreter with the GIL held. Blocks nothing.

use crate::clock::{self, Key};
use crate::{abi, args};
use pyo3::ffi;
use std::ffi::{c_int, c_void, CStr};
use std::ptr;

type Object = *mut ffi::PyObject;

#[repr(C)]
struct Later {
    ob_base: ffi::PyObject,
    entry: Key,
    function: Object,
}

unsafe fn due(later: *mut c_void) {
    // SAFETY: the entry's reference keeps it; the GIL is held.
    unsafe {
        let object = later as Object;
        (*(later as *mut Later)).entry = Key::NONE;
        let function = std::mem::replace(&mut (*(later as *mut Later)).function, ptr::null_mut());
        let result = ffi::PyObject_CallNoArgs(function);
        if result.is_null() {
            ffi::PyErr_WriteUnraisable(function);
        }
        ffi::Py_XDECREF(result);
        ffi::Py_DECREF(function);
        ffi::Py_DECREF(object);
    }
}

unsafe extern "C" fn new(kind: *mut ffi::PyTypeObject, positional: Object, _: Object) -> Object {
    // SAFETY: the interpreter's protocol; instances come zeroed.
    unsafe {
        let (mut seconds, mut function): (Object, Object) = (ptr::null_mut(), ptr::null_mut());
        if ffi::PyArg_ParseTuple(positional, c"OO:_Later".as_ptr(), &raw mut seconds, &raw mut function) == 0 {
            return ptr::null_mut();
        }
        let Some(ns) = args::nanoseconds(seconds) else { return ptr::null_mut() };
        let object = ffi::PyType_GenericAlloc(kind, 0);
        if object.is_null() {
            return object;
        }
        let later = object as *mut Later;
        if ns != abi::FOREVER {
            match clock::at(abi::gmp_now().saturating_add(ns), due, object as *mut c_void) {
                Some(key) => (*later).entry = key,
                None => {
                    ffi::Py_DECREF(object);
                    return ptr::null_mut();
                }
            }
            ffi::Py_INCREF(object);
            (*later).function = ffi::Py_NewRef(function);
        }
        object
    }
}

unsafe extern "C" fn stop(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Later; its caller holds a reference.
    unsafe {
        let later = object as *mut Later;
        let found = clock::forget(std::mem::replace(&mut (*later).entry, Key::NONE));
        if found {
            let function = std::mem::replace(&mut (*later).function, ptr::null_mut());
            ffi::Py_XDECREF(function);
            ffi::Py_DECREF(object);
        }
        ffi::PyBool_FromLong(found.into())
    }
}

unsafe extern "C" fn dealloc(object: Object) {
    // SAFETY: the interpreter's protocol; nothing is pending, which would keep it.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        ffi::Py_XDECREF((*(object as *mut Later)).function);
        ffi::PyObject_Free(object as *mut c_void);
        ffi::Py_DECREF(kind as Object);
    }
}

const DOC: &CStr = c"_Later(seconds, fn, /)\n--\n\nCalls fn() in so many seconds, on a thread of the package.";

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> *mut ffi::PyTypeObject {
    let methods = Box::leak(Box::new([
        ffi::PyMethodDef {
            ml_name: c"stop".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: stop },
            ml_flags: ffi::METH_NOARGS,
            ml_doc: c"stop($self, /)\n--\n\nTrue when the call will not be made, and would have been.".as_ptr(),
        },
        ffi::PyMethodDef::zeroed(),
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, DOC.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr() as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"gmp_py._gmp._Later".as_ptr(),
        basicsize: std::mem::size_of::<Later>() as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_IMMUTABLETYPE) as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the table it keeps a pointer to is leaked.
    unsafe { ffi::PyType_FromSpec(&mut spec) as *mut ffi::PyTypeObject }
}
