//! Traces from Python: `gmp_py.trace` is made of these two in `python/gmp_py/_trace.py`.
//!
//! Owns: nothing.
//!
//! Called with the GIL held. Blocks: a plain thread lets go of the GIL while the runtime opens the file, or writes the rest; a
//! task is in a blocking section meanwhile.

use crate::{abi, docs, errors, shim, wait};
use pyo3::ffi;
use std::ffi::c_int;
use std::ptr;

type Object = *mut ffi::PyObject;

/// Calls what may block, as a task or as a thread; None with an exception set where neither is possible.
unsafe fn call(f: impl FnOnce() -> c_int) -> Option<c_int> {
    // SAFETY: the GIL is held.
    unsafe {
        if !wait::may_enter() {
            return None;
        }
        Some(if shim::shim_current().is_null() { wait::detached(f) } else { f() })
    }
}

unsafe extern "C" fn start(_: Object, path: Object) -> Object {
    // SAFETY: the GIL is held; the bytes live as long as the caller's reference.
    unsafe {
        let (mut bytes, mut size) = (ptr::null_mut(), 0);
        if ffi::PyBytes_AsStringAndSize(path, &mut bytes, &mut size) != 0 {
            return ptr::null_mut();
        }
        if libc::strlen(bytes) != size as usize {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"embedded null byte".as_ptr());
            return ptr::null_mut();
        }
        match call(|| abi::gmp_trace_start(bytes)) {
            None => ptr::null_mut(),
            Some(0) => ffi::Py_NewRef(ffi::Py_None()),
            Some(abi::EBUSY) => {
                errors::MISUSE.raise(c"a trace is under way already");
                ptr::null_mut()
            }
            Some(code) => errors::raise_io(code),
        }
    }
}

unsafe extern "C" fn stop(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe {
        match call(|| abi::gmp_trace_stop()) {
            None => ptr::null_mut(),
            Some(0) => ffi::Py_NewRef(ffi::Py_None()),
            Some(abi::EMISUSE) => {
                errors::MISUSE.raise(c"the trace has ended already");
                ptr::null_mut()
            }
            Some(code) => errors::raise_io(code),
        }
    }
}

/// The functions. The table lives as long as the process.
pub fn methods() -> &'static mut [ffi::PyMethodDef] {
    let method = |(name, doc): docs::Entry, function, ml_flags| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags,
        ml_doc: doc.as_ptr(),
    };
    Box::leak(Box::new([
        method(docs::TRACE_START, start, ffi::METH_O),
        method(docs::TRACE_STOP, stop, ffi::METH_NOARGS),
    ]))
}
