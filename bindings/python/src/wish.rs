//! The objects that `recv(chan)` and `send(chan, value)` give to `select`.
//!
//! Owns: their type, made once when the module is loaded and kept for ever.
//!
//! Always true: a wish does not change; any number of calls may use it, one after the other and at once.
//!
//! Called by the interpreter with the GIL held. Blocks nothing.

use crate::chan::Chan;
use crate::{chan_type, select_docs as docs};
use pyo3::ffi;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

type Object = *mut ffi::PyObject;

#[repr(C)]
pub struct Wish {
    ob_base: ffi::PyObject,
    chan: Object,
    /// NULL: to receive.
    value: Object,
}

static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// The channel and the value (NULL: to receive) of a wish, borrowed from it; None when it is something else.
///
/// # Safety
/// The GIL is held and `object` lives.
pub unsafe fn parts(object: Object) -> Option<(*mut Chan, Object)> {
    // SAFETY: as the caller promises; the type has no subclasses. A wish that can be reached was not cleared.
    unsafe {
        if ffi::Py_TYPE(object) != TYPE.load(Ordering::Relaxed) {
            return None;
        }
        let wish = object as *mut Wish;
        Some(((*wish).chan as *mut Chan, (*wish).value))
    }
}

unsafe fn new(chan: Object, value: Object) -> Object {
    // SAFETY: the GIL is held; `chan` lives, and so does `value` unless it is NULL.
    unsafe {
        if !chan_type::is_chan(chan) {
            ffi::PyErr_Format(ffi::PyExc_TypeError, c"%R is not a Chan".as_ptr(), chan);
            return ptr::null_mut();
        }
        let wish = ffi::PyType_GenericAlloc(TYPE.load(Ordering::Relaxed), 0) as *mut Wish;
        if !wish.is_null() {
            (*wish).chan = ffi::Py_NewRef(chan);
            (*wish).value = ffi::Py_XNewRef(value);
        }
        wish as Object
    }
}

/// # Safety
/// A METH_O method.
pub unsafe extern "C" fn recv(_: Object, chan: Object) -> Object {
    // SAFETY: the interpreter passes a live object.
    unsafe { new(chan, ptr::null_mut()) }
}

/// # Safety
/// A METH_FASTCALL method.
pub unsafe extern "C" fn send(_: Object, values: *mut Object, count: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        if count != 2 {
            ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"send needs a channel and a value, got %zd arguments".as_ptr(),
                count,
            );
            return ptr::null_mut();
        }
        new(*values, *values.add(1))
    }
}

unsafe extern "C" fn dealloc(object: Object) {
    // SAFETY: the interpreter's protocol for a collected type: untrack, drop fields, free, drop the type.
    unsafe {
        ffi::PyObject_GC_UnTrack(object as *mut c_void);
        clear(object);
        let kind = ffi::Py_TYPE(object);
        ffi::PyObject_GC_Del(object as *mut c_void);
        ffi::Py_DECREF(kind as Object);
    }
}

unsafe extern "C" fn clear(object: Object) -> c_int {
    // SAFETY: the interpreter passes a Wish; both fields are emptied before Python code can run.
    unsafe {
        let wish = object as *mut Wish;
        let chan = std::mem::replace(&mut (*wish).chan, ptr::null_mut());
        let value = std::mem::replace(&mut (*wish).value, ptr::null_mut());
        ffi::Py_XDECREF(chan);
        ffi::Py_XDECREF(value);
    }
    0
}

unsafe extern "C" fn traverse(object: Object, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the interpreter passes a Wish.
    unsafe {
        let wish = object as *mut Wish;
        for field in [(*wish).chan, (*wish).value, ffi::Py_TYPE(object) as Object] {
            if !field.is_null() {
                let code = visit(field, arg);
                if code != 0 {
                    return code;
                }
            }
        }
    }
    0
}

unsafe extern "C" fn repr(object: Object) -> Object {
    // SAFETY: the interpreter passes a Wish; the formats match their arguments.
    unsafe {
        let wish = object as *mut Wish;
        match (*wish).value.is_null() {
            true => ffi::PyUnicode_FromFormat(c"gmp_py.recv(%R)".as_ptr(), (*wish).chan),
            false => ffi::PyUnicode_FromFormat(c"gmp_py.send(%R, %R)".as_ptr(), (*wish).chan, (*wish).value),
        }
    }
}

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> *mut ffi::PyTypeObject {
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, docs::CASE.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_HAVE_GC
        | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION
        | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"gmp_py._gmp.Case".as_ptr() as *const c_char,
        basicsize: std::mem::size_of::<Wish>() as c_int,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held.
    let made = unsafe { ffi::PyType_FromSpec(&mut spec) } as *mut ffi::PyTypeObject;
    TYPE.store(made, Ordering::Relaxed);
    made
}
