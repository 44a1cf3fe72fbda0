//! `blocking(fn, *args)`: a call that is known to block.
//!
//! Owns: nothing. A blocking call is seen without this, a little later (shim/class.c, `is_blocked`).
//!
//! Called with the GIL held. Blocks: as the function does; at its end the task may have to wait for a processor.

use crate::{abi, docs, shim};
use pyo3::ffi;
use std::ptr;

type Object = *mut ffi::PyObject;

unsafe extern "C" fn blocking(_: Object, values: *const Object, count: ffi::Py_ssize_t, names: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol: `count` values, and one more for each of `names`.
    unsafe {
        if count < 1 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"a function is required".as_ptr());
            return ptr::null_mut();
        }
        if ffi::PyCallable_Check(*values) == 0 {
            ffi::PyErr_Format(ffi::PyExc_TypeError, c"%R is not callable".as_ptr(), *values);
            return ptr::null_mut();
        }
        // Nested, or from no task: there is nothing to hand off.
        let declared = !shim::shim_current().is_null() && abi::gmp_blocking_enter() == 0;
        let result = ffi::PyObject_Vectorcall(*values, values.add(1), count as usize - 1, names);
        if declared {
            // Refused if the function has waited in this package, which ends the section.
            abi::gmp_blocking_exit();
        }
        result
    }
}

/// The function, for the module. The table lives as long as the process.
pub fn methods() -> &'static mut [ffi::PyMethodDef] {
    Box::leak(Box::new([ffi::PyMethodDef {
        ml_name: docs::BLOCKING.0.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: blocking },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: docs::BLOCKING.1.as_ptr(),
    }]))
}
