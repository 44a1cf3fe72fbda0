//! Code in Python that only waits may interrupt: a function that calls it so, and the base type of Group.
//!
//! Owns: nothing. The type's `__enter__` calls `_begin()` and `__exit__` calls `_leave(type, value, traceback)`, methods in Python,
//! with the caller's target masked: a loop in them is not interrupted as one that computes would be.
//!
//! Called by the interpreter with the GIL held. Waits where the Python methods do; nothing of PyO3 is held.

use crate::target;
use pyo3::ffi;
use std::ffi::{c_int, c_void, CStr};
use std::ptr;

type Object = *mut ffi::PyObject;

/// Calls `object.name(*values)` masked.
unsafe fn call_masked(object: Object, name: &CStr, values: *const Object, count: usize) -> Object {
    // SAFETY: the GIL is held; the caller's references keep the values.
    unsafe {
        let method = ffi::PyObject_GetAttrString(object, name.as_ptr());
        if method.is_null() {
            return ptr::null_mut();
        }
        let result = in_mask(method, values, count);
        ffi::Py_DECREF(method);
        result
    }
}

/// The target may be another one afterwards: a thread has one in scopes only.
unsafe fn in_mask(function: Object, values: *const Object, count: usize) -> Object {
    // SAFETY: as `call_masked`.
    unsafe {
        let before = target::current();
        if !before.is_null() {
            target::mask(before);
        }
        let result = ffi::PyObject_Vectorcall(function, values, count, ptr::null_mut());
        let after = target::current();
        if !after.is_null() {
            target::unmask(after);
        }
        result
    }
}

unsafe extern "C" fn enter(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter's protocol.
    unsafe { call_masked(object, c"_begin", ptr::null(), 0) }
}

unsafe extern "C" fn exit(object: Object, values: *mut Object, count: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe { call_masked(object, c"_leave", values, count as usize) }
}

/// `_masked(fn, *args)`: calls fn so.
///
/// # Safety
/// A METH_FASTCALL function.
pub unsafe extern "C" fn masked(_: Object, values: *mut Object, count: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter's fastcall protocol; the package passes a function.
    unsafe { in_mask(*values, values.add(1), count as usize - 1) }
}

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> *mut ffi::PyTypeObject {
    let method = |name: &'static CStr, ml_meth, ml_flags, doc: &'static CStr| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth,
        ml_flags,
        ml_doc: doc.as_ptr(),
    };
    use ffi::PyMethodDefPointer as F;
    let methods = Box::leak(Box::new([
        method(
            c"__enter__",
            F { PyCFunction: enter },
            ffi::METH_NOARGS,
            c"__enter__($self, /)\n--\n\nStarts the block.",
        ),
        method(
            c"__exit__",
            F { PyCFunctionFast: exit },
            ffi::METH_FASTCALL,
            c"__exit__($self, /, *args)\n--\n\nEnds the block.",
        ),
        ffi::PyMethodDef::zeroed(),
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(
            ffi::Py_tp_doc,
            c"A block that only waits may interrupt while it starts and ends.".as_ptr() as *mut c_void,
        ),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr() as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"gmp_py._gmp._Shield".as_ptr(),
        basicsize: 0,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the tables it keeps pointers to are leaked.
    unsafe { ffi::PyType_FromSpec(&mut spec) as *mut ffi::PyTypeObject }
}
