//! The type cancel_scope as Python sees it: its slots and methods.
//!
//! Owns: the type object, made once when the module is loaded and kept for ever.
//!
//! Called by the interpreter with the GIL held. Nothing here waits. `__enter__` and `__exit__` are no Python code: the
//! interpreter interrupts nobody between them and the block.

use crate::scope::{self, Exit, Fired, Scope};
use crate::{abi, args};
use pyo3::ffi;
use std::ffi::{c_int, c_void, CStr};
use std::ptr;

type Object = *mut ffi::PyObject;

unsafe extern "C" fn new(kind: *mut ffi::PyTypeObject, positional: Object, keywords: Object) -> Object {
    // SAFETY: the interpreter's protocol; the list of names ends with NULL. The type's instances are `Scope`s and come
    // zeroed.
    unsafe {
        let mut timeout: Object = ptr::null_mut();
        let names = [c"timeout".as_ptr(), ptr::null()];
        let format = c"|O:cancel_scope".as_ptr();
        let names = names.as_ptr().cast_mut().cast();
        if ffi::PyArg_ParseTupleAndKeywords(positional, keywords, format, names, &raw mut timeout) == 0 {
            return ptr::null_mut();
        }
        let timeout = match args::is_none(timeout) {
            true => Some(abi::FOREVER),
            false => args::nanoseconds(timeout),
        };
        let Some(timeout) = timeout else { return ptr::null_mut() };
        let object = ffi::PyType_GenericAlloc(kind, 0);
        if !object.is_null() {
            (*(object as *mut Scope)).timeout = timeout;
        }
        object
    }
}

unsafe extern "C" fn dealloc(object: Object) {
    // SAFETY: the interpreter's protocol for a collected type.
    unsafe {
        ffi::PyObject_GC_UnTrack(object as *mut c_void);
        let scope = object as *mut Scope;
        if !(*scope).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        scope::unlink(scope);
        scope::clear(scope);
        let kind = ffi::Py_TYPE(object);
        ffi::PyObject_GC_Del(object as *mut c_void);
        ffi::Py_DECREF(kind as Object);
    }
}

unsafe extern "C" fn clear(object: Object) -> c_int {
    // SAFETY: the interpreter passes a Scope.
    unsafe { scope::clear(object as *mut Scope) };
    0
}

unsafe extern "C" fn traverse(object: Object, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the interpreter passes a Scope.
    unsafe {
        let kind = ffi::Py_TYPE(object) as Object;
        for field in scope::held_objects(object as *mut Scope).into_iter().chain([kind]) {
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

unsafe extern "C" fn enter(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Scope.
    unsafe {
        if scope::enter(object as *mut Scope) {
            ffi::Py_NewRef(object)
        } else {
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn exit(object: Object, values: *mut Object, count: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter passes a Scope and `count` values.
    unsafe {
        if count != 3 {
            ffi::PyErr_SetString(
                ffi::PyExc_TypeError,
                c"__exit__ takes an exception's type, value and traceback".as_ptr(),
            );
            return ptr::null_mut();
        }
        match scope::exit(object as *mut Scope, *values.add(1)) {
            Exit::AsIs => ffi::PyBool_FromLong(0),
            Exit::Quiet => ffi::PyBool_FromLong(1),
            Exit::Raise => ptr::null_mut(),
        }
    }
}

unsafe extern "C" fn cancel(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Scope.
    unsafe {
        scope::fire(object as *mut Scope, Fired::Told);
        ffi::Py_NewRef(ffi::Py_None())
    }
}

unsafe extern "C" fn get_cancelled(object: Object, _: *mut c_void) -> Object {
    // SAFETY: the interpreter passes a Scope.
    unsafe { ffi::PyBool_FromLong(scope::has_fired(object as *mut Scope).into()) }
}

const DOC: &CStr =
    c"cancel_scope(timeout=None)\n--\n\nA block whose waits end at a deadline, or when `cancel` is called.

At that time `Cancelled` is raised in the block, once, as by `Task.cancel`: in its wait, its next wait, or its loop that
computes. When it leaves the block it becomes TimeoutError, or nothing after `cancel`. A block that ends by itself, or
with another exception, is not changed. The task's own cancellation passes through. Scopes nest: the outermost that
has ended decides. Works in tasks and in threads. A scope is used once.

Args:
    timeout: Seconds from the block's start; None or infinity sets no deadline.

Raises:
    TimeoutError: From the block, when its time was over.
    TypeError: timeout is not a number.
    ValueError: timeout is negative or NaN.
    Misuse: It is entered twice, or left by another task.

Example:
    >>> import gmp_py
    >>> try:
    ...     with gmp_py.cancel_scope(timeout=0.01):
    ...         gmp_py.sleep(1000)
    ... except TimeoutError:
    ...     print('too slow')
    too slow
    >>> with gmp_py.cancel_scope() as scope:
    ...     scope.cancel()
    ...     gmp_py.sleep(1000)
    >>> scope.cancelled
    True
";

const ENTER_DOC: &CStr = c"__enter__($self, /)\n--\n\nStarts the block, and its time.";
const EXIT_DOC: &CStr = c"__exit__($self, /, *args)\n--\n\nEnds the block.";

const CANCEL_DOC: &CStr = c"cancel($self, /)\n--\n\nEnds the block quietly, from any task or thread.

Before the block it ends the block at its first wait; after it does nothing.

Example:
    >>> import gmp_py
    >>> with gmp_py.cancel_scope() as scope:
    ...     task = gmp_py.go(scope.cancel)
    ...     gmp_py.sleep(1000)
    >>> task.join()
";

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> *mut ffi::PyTypeObject {
    let method = |name: &'static CStr, function, flags, doc: &'static CStr| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: function,
        ml_flags: flags,
        ml_doc: doc.as_ptr(),
    };
    let plain = |f| ffi::PyMethodDefPointer { PyCFunction: f };
    let methods = Box::leak(Box::new([
        method(c"__enter__", plain(enter), ffi::METH_NOARGS, ENTER_DOC),
        method(c"__exit__", ffi::PyMethodDefPointer { PyCFunctionFast: exit }, ffi::METH_FASTCALL, EXIT_DOC),
        method(c"cancel", plain(cancel), ffi::METH_NOARGS, CANCEL_DOC),
        ffi::PyMethodDef::zeroed(),
    ]));
    // SAFETY: an all-zero entry ends a table of attributes or members.
    let (no_attribute, no_member) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let attributes = Box::leak(Box::new([
        ffi::PyGetSetDef {
            name: c"cancelled".as_ptr(),
            get: Some(get_cancelled),
            set: None,
            doc: c"Whether its time was over or `cancel` was called, before the block ended.".as_ptr(),
            closure: ptr::null_mut(),
        },
        no_attribute,
    ]));
    let members = Box::leak(Box::new([
        ffi::PyMemberDef {
            name: c"__weaklistoffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: std::mem::offset_of!(Scope, weakrefs) as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        },
        no_member,
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, DOC.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_getset, attributes.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr() as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"gmp_py.cancel_scope".as_ptr(),
        basicsize: std::mem::size_of::<Scope>() as c_int,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the tables it keeps pointers to are leaked.
    unsafe { ffi::PyType_FromSpec(&mut spec) as *mut ffi::PyTypeObject }
}
