//! How the types of the locks are made: the slots that all of them share.
//!
//! Owns: nothing; what it makes lives as long as the process.
//!
//! Always true: a lock's struct begins with `Head`; all-zero is a valid lock, so an object is usable before and without
//! its `__init__`.
//!
//! Called by the interpreter with the GIL held. Blocks nothing.

use crate::errors;
use pyo3::ffi;
use std::ffi::{c_int, c_ulong, c_void, CStr};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

pub type Object = *mut ffi::PyObject;

/// What every lock begins with.
#[repr(C)]
pub struct Head {
    ob_base: ffi::PyObject,
    weakrefs: Object,
}

/// A type object, once it was made.
pub struct Made(AtomicPtr<ffi::PyObject>);

impl Made {
    pub const fn new() -> Self {
        Made(AtomicPtr::new(ptr::null_mut()))
    }

    /// The type object, borrowed.
    #[inline(always)]
    pub fn get(&self) -> Object {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, made: Object) {
        self.0.store(made, Ordering::Relaxed);
    }
}

/// One row of a table of methods; its documentation opens with the signature.
pub fn named(
    name: &'static CStr,
    f: unsafe extern "C" fn(Object, *const Object, ffi::Py_ssize_t, Object) -> Object,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    let ml_meth = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: f };
    let ml_flags = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
    ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth, ml_flags, ml_doc: doc.as_ptr() }
}

/// A method without arguments, or with one.
pub fn plain(
    name: &'static CStr,
    f: unsafe extern "C" fn(Object, Object) -> Object,
    ml_flags: c_int,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    let ml_meth = ffi::PyMethodDefPointer { PyCFunction: f };
    ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth, ml_flags, ml_doc: doc.as_ptr() }
}

/// A method with positional arguments only.
pub fn positional(
    name: &'static CStr,
    f: unsafe extern "C" fn(Object, *mut Object, ffi::Py_ssize_t) -> Object,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    let ml_meth = ffi::PyMethodDefPointer { PyCFunctionFast: f };
    ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth, ml_flags: ffi::METH_FASTCALL, ml_doc: doc.as_ptr() }
}

pub fn slot(slot: c_int, pfunc: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot, pfunc }
}

/// Drops what `Head` holds and frees the object: the end of every lock's dealloc.
///
/// # Safety
/// The GIL is held; called once, by the type's dealloc.
pub unsafe extern "C" fn dealloc(this: Object) {
    // SAFETY: the interpreter's protocol: drop the fields, free, drop the type.
    unsafe {
        if !(*(this as *mut Head)).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(this);
        }
        let kind = ffi::Py_TYPE(this);
        if let Some(free) = (*kind).tp_free {
            free(this as *mut c_void);
        }
        ffi::Py_DECREF(kind as Object);
    }
}

/// The `__init__` of a type whose call takes nothing.
unsafe extern "C" fn init(_: Object, values: Object, keywords: Object) -> c_int {
    // SAFETY: the interpreter passes a tuple and a dict or NULL.
    unsafe {
        if ffi::PyTuple_Size(values) > 0 || (!keywords.is_null() && ffi::PyDict_Size(keywords) > 0) {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"no arguments are expected".as_ptr());
            return -1;
        }
    }
    0
}

/// Makes a type of its name, size, documentation, methods and what slots it has beyond the common ones. NULL with an
/// exception set on failure.
///
/// # Safety
/// The GIL is held; once a process and name. Instances are `size` bytes and begin with `Head`.
pub unsafe fn make(
    name: &'static CStr,
    size: usize,
    doc: &'static CStr,
    methods: Vec<ffi::PyMethodDef>,
    own: Vec<ffi::PyType_Slot>,
) -> Object {
    // SAFETY: as the caller promises.
    unsafe { make_with(name, size, doc, methods, own, ffi::Py_TPFLAGS_BASETYPE) }
}

/// As `make`, for a type that programs cannot call or derive from.
///
/// # Safety
/// As `make`.
pub unsafe fn make_closed(
    name: &'static CStr,
    size: usize,
    doc: &'static CStr,
    methods: Vec<ffi::PyMethodDef>,
    own: Vec<ffi::PyType_Slot>,
) -> Object {
    // SAFETY: as the caller promises.
    unsafe { make_with(name, size, doc, methods, own, ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION) }
}

unsafe fn make_with(
    name: &'static CStr,
    size: usize,
    doc: &'static CStr,
    mut methods: Vec<ffi::PyMethodDef>,
    own: Vec<ffi::PyType_Slot>,
    kind: c_ulong,
) -> Object {
    methods.push(ffi::PyMethodDef::zeroed());
    let has = |id: c_int| own.iter().any(|slot| slot.slot == id);
    let closed = kind == ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
    let mut flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_IMMUTABLETYPE | kind;
    if has(ffi::Py_tp_traverse) {
        flags |= ffi::Py_TPFLAGS_HAVE_GC;
    }
    // SAFETY: an all-zero entry ends a table of members.
    let no_member = unsafe { std::mem::zeroed() };
    let members = Box::leak(Box::new([
        ffi::PyMemberDef {
            name: c"__weaklistoffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: std::mem::offset_of!(Head, weakrefs) as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        },
        no_member,
    ]));
    let mut slots = vec![
        slot(ffi::Py_tp_doc, doc.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_methods, methods.leak().as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr() as *mut c_void),
    ];
    if !closed {
        slots.push(slot(ffi::Py_tp_new, ffi::PyType_GenericNew as *mut c_void));
    }
    if !has(ffi::Py_tp_dealloc) {
        slots.push(slot(ffi::Py_tp_dealloc, dealloc as *mut c_void));
    }
    if !closed && !has(ffi::Py_tp_init) {
        slots.push(slot(ffi::Py_tp_init, init as *mut c_void));
    }
    slots.extend(own);
    slots.push(slot(0, ptr::null_mut()));
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size as c_int,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the tables that the type keeps pointers to are leaked.
    unsafe { ffi::PyType_FromSpec(&mut spec) }
}

/// A new reference to None.
pub fn none() -> Object {
    // SAFETY: None lives; all callers hold the GIL.
    unsafe { ffi::Py_NewRef(ffi::Py_None()) }
}

/// A new reference to True or False.
pub fn truth(value: bool) -> Object {
    // SAFETY: both live; all callers hold the GIL.
    unsafe { ffi::Py_NewRef(if value { ffi::Py_True() } else { ffi::Py_False() }) }
}

/// Sets Misuse, which is also a RuntimeError, and gives NULL.
///
/// # Safety
/// The GIL is held.
pub unsafe fn misuse(message: &CStr) -> Object {
    // SAFETY: the GIL is held.
    unsafe { errors::MISUSE.raise(message) };
    ptr::null_mut()
}
