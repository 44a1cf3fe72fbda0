//! Timer and Ticker as Python sees them, and `after`.
//!
//! Owns: the type objects, made once when the module is loaded and kept for ever.
//!
//! Called by the interpreter with the GIL held. Blocks nothing.

use crate::alarms::{self, Alarm};
use crate::chan::{self, Chan};
use crate::{args, docs, errors, exit, timer_docs};
use pyo3::ffi;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr;

type Object = *mut ffi::PyObject;

#[repr(C)]
struct Timer {
    ob_base: ffi::PyObject,
    weakrefs: Object,
    alarm: Alarm,
    epoch: u32,
}

#[repr(C)]
struct Ticker {
    ob_base: ffi::PyObject,
    weakrefs: Object,
    chan: *mut Chan,
    epoch: u32,
}

unsafe fn check_epoch(epoch: u32) -> bool {
    let ours = epoch == exit::epoch();
    if !ours {
        // SAFETY: the GIL is held.
        unsafe { errors::GMP_ERROR.raise(c"this timer belongs to the parent of a fork") };
    }
    ours
}

unsafe extern "C" fn new_timer(kind: *mut ffi::PyTypeObject, values: Object, keywords: Object) -> Object {
    let mut names = [c"seconds".as_ptr() as *mut c_char, c"fn".as_ptr() as *mut c_char, ptr::null_mut()];
    let (mut seconds, mut func): (Object, Object) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the interpreter's tp_new protocol; the format matches its arguments. The alarm lies in the object, which
    // the heap keeps while it is set.
    unsafe {
        let format = c"OO:Timer".as_ptr();
        let list = names.as_mut_ptr() as *mut _;
        if ffi::PyArg_ParseTupleAndKeywords(values, keywords, format, list, &raw mut seconds, &raw mut func) == 0 {
            return ptr::null_mut();
        }
        let Some(ns) = args::nanoseconds(seconds) else { return ptr::null_mut() };
        if ffi::PyCallable_Check(func) == 0 {
            ffi::PyErr_Format(ffi::PyExc_TypeError, c"%R is not callable".as_ptr(), func);
            return ptr::null_mut();
        }
        let timer = ffi::PyType_GenericAlloc(kind, 0) as *mut Timer;
        if timer.is_null() {
            return ptr::null_mut();
        }
        (*timer).epoch = exit::epoch();
        (&raw mut (*timer).alarm).write(Alarm::to_start(func));
        if !alarms::set(&raw mut (*timer).alarm, ns, timer as Object) {
            ffi::Py_DECREF(timer as Object);
            return ptr::null_mut();
        }
        timer as Object
    }
}

/// A channel of capacity 1 that is sent the time, first in `ns`; NULL with an exception set on failure.
unsafe fn new_clock(ns: i64, period: i64) -> *mut Chan {
    // SAFETY: the GIL is held; the channel owns its alarm and outlives its being set (alarms.rs, A3).
    unsafe {
        let chan = chan::new(1);
        if !chan.is_null() {
            (*chan).alarm = Box::into_raw(Box::new(Alarm::to_send(chan, period)));
            if !alarms::set((*chan).alarm, ns, ptr::null_mut()) {
                ffi::Py_DECREF(chan as Object);
                return ptr::null_mut();
            }
        }
        chan
    }
}

unsafe extern "C" fn new_ticker(kind: *mut ffi::PyTypeObject, values: Object, keywords: Object) -> Object {
    let mut names = [c"seconds".as_ptr() as *mut c_char, ptr::null_mut()];
    let mut seconds: Object = ptr::null_mut();
    // SAFETY: as new_timer.
    unsafe {
        let list = names.as_mut_ptr() as *mut _;
        if ffi::PyArg_ParseTupleAndKeywords(values, keywords, c"O:Ticker".as_ptr(), list, &raw mut seconds) == 0 {
            return ptr::null_mut();
        }
        let Some(ns) = args::nanoseconds(seconds) else { return ptr::null_mut() };
        if ns == 0 {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"seconds must be a nanosecond or more".as_ptr());
            return ptr::null_mut();
        }
        let ticker = ffi::PyType_GenericAlloc(kind, 0) as *mut Ticker;
        if ticker.is_null() {
            return ptr::null_mut();
        }
        (*ticker).epoch = exit::epoch();
        (*ticker).chan = new_clock(ns, ns);
        if (*ticker).chan.is_null() {
            ffi::Py_DECREF(ticker as Object);
            return ptr::null_mut();
        }
        ticker as Object
    }
}

unsafe extern "C" fn after(_: Object, seconds: Object) -> Object {
    // SAFETY: the interpreter passes a live object.
    unsafe {
        let Some(ns) = args::nanoseconds(seconds) else { return ptr::null_mut() };
        new_clock(ns, 0) as Object
    }
}

unsafe extern "C" fn stop_timer(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Timer and holds a reference.
    unsafe {
        let timer = object as *mut Timer;
        if !check_epoch((*timer).epoch) {
            return ptr::null_mut();
        }
        let stopped = alarms::unset(&raw mut (*timer).alarm);
        if stopped {
            Alarm::clear(&raw mut (*timer).alarm);
        }
        ffi::PyBool_FromLong(stopped.into())
    }
}

unsafe extern "C" fn stop_ticker(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Ticker.
    unsafe {
        let ticker = object as *mut Ticker;
        if !check_epoch((*ticker).epoch) {
            return ptr::null_mut();
        }
        alarms::unset((*(*ticker).chan).alarm);
        ffi::Py_NewRef(ffi::Py_None())
    }
}

unsafe extern "C" fn get_chan(object: Object, _: *mut c_void) -> Object {
    // SAFETY: the interpreter passes a Ticker.
    unsafe { ffi::Py_NewRef((*(object as *mut Ticker)).chan as Object) }
}

unsafe extern "C" fn clear_timer(object: Object) -> c_int {
    // SAFETY: the interpreter passes a Timer. One that is set is owned by the heap, which no collector sees.
    unsafe { Alarm::clear(&raw mut (*(object as *mut Timer)).alarm) };
    0
}

unsafe extern "C" fn clear_ticker(_: Object) -> c_int {
    0 // the channel cannot refer back to it, but for values of a program's own: its clear drops those
}

unsafe extern "C" fn traverse_timer(object: Object, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the interpreter passes a Timer.
    unsafe { traverse_both(object, (*(object as *mut Timer)).alarm.held(), visit, arg) }
}

unsafe extern "C" fn traverse_ticker(object: Object, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the interpreter passes a Ticker.
    unsafe { traverse_both(object, (*(object as *mut Ticker)).chan as Object, visit, arg) }
}

unsafe fn traverse_both(object: Object, held: Object, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: as the callers.
    unsafe {
        let code = if held.is_null() { 0 } else { visit(held, arg) };
        if code != 0 {
            return code;
        }
        visit(ffi::Py_TYPE(object) as Object, arg)
    }
}

unsafe extern "C" fn dealloc_timer(object: Object) {
    // SAFETY: the interpreter's protocol for a collected type: untrack, drop fields, free, drop the type.
    unsafe {
        ffi::PyObject_GC_UnTrack(object as *mut c_void);
        if !(*(object as *mut Timer)).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        clear_timer(object);
        let kind = ffi::Py_TYPE(object);
        ffi::PyObject_GC_Del(object as *mut c_void);
        ffi::Py_DECREF(kind as Object);
    }
}

unsafe extern "C" fn dealloc_ticker(object: Object) {
    // SAFETY: as dealloc_timer.
    unsafe {
        ffi::PyObject_GC_UnTrack(object as *mut c_void);
        if !(*(object as *mut Ticker)).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        ffi::Py_XDECREF((*(object as *mut Ticker)).chan as Object);
        let kind = ffi::Py_TYPE(object);
        ffi::PyObject_GC_Del(object as *mut c_void);
        ffi::Py_DECREF(kind as Object);
    }
}

/// What the two types differ in.
struct Kind {
    name: &'static CStr,
    doc: &'static CStr,
    stop_doc: &'static CStr,
    size: usize,
    weakrefs: usize,
    new: ffi::newfunc,
    stop: ffi::PyCFunction,
    dealloc: ffi::destructor,
    traverse: ffi::traverseproc,
    clear: ffi::inquiry,
    has_chan: bool,
}

unsafe fn make(kind: Kind) -> *mut ffi::PyTypeObject {
    let methods = Box::leak(Box::new([
        ffi::PyMethodDef {
            ml_name: c"stop".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: kind.stop },
            ml_flags: ffi::METH_NOARGS,
            ml_doc: kind.stop_doc.as_ptr(),
        },
        ffi::PyMethodDef::zeroed(),
    ]));
    // SAFETY: an all-zero entry ends a table of attributes or members.
    let (no_attribute, no_member) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let chan = ffi::PyGetSetDef {
        name: c"c".as_ptr(),
        get: Some(get_chan),
        set: None,
        doc: c"The Chan, of capacity 1, that is sent the time.".as_ptr(),
        closure: ptr::null_mut(),
    };
    let attributes = Box::leak(Box::new([if kind.has_chan { chan } else { no_attribute }, no_attribute]));
    let members = Box::leak(Box::new([
        ffi::PyMemberDef {
            name: c"__weaklistoffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: kind.weakrefs as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        },
        no_member,
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, kind.doc.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_new, kind.new as *mut c_void),
        slot(ffi::Py_tp_dealloc, kind.dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, kind.traverse as *mut c_void),
        slot(ffi::Py_tp_clear, kind.clear as *mut c_void),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_getset, attributes.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr() as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: kind.name.as_ptr() as *const c_char,
        basicsize: kind.size as c_int,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the tables it keeps pointers to are leaked.
    unsafe { ffi::PyType_FromSpec(&mut spec) as *mut ffi::PyTypeObject }
}

/// Makes Timer; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make_timer() -> *mut ffi::PyTypeObject {
    // SAFETY: as the caller promises.
    unsafe {
        make(Kind {
            name: c"gmp_py.Timer",
            doc: timer_docs::TIMER,
            stop_doc: timer_docs::STOP_TIMER,
            size: std::mem::size_of::<Timer>(),
            weakrefs: std::mem::offset_of!(Timer, weakrefs),
            new: new_timer,
            stop: stop_timer,
            dealloc: dealloc_timer,
            traverse: traverse_timer,
            clear: clear_timer,
            has_chan: false,
        })
    }
}

/// Makes Ticker; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make_ticker() -> *mut ffi::PyTypeObject {
    // SAFETY: as the caller promises.
    unsafe {
        make(Kind {
            name: c"gmp_py.Ticker",
            doc: timer_docs::TICKER,
            stop_doc: timer_docs::STOP_TICKER,
            size: std::mem::size_of::<Ticker>(),
            weakrefs: std::mem::offset_of!(Ticker, weakrefs),
            new: new_ticker,
            stop: stop_ticker,
            dealloc: dealloc_ticker,
            traverse: traverse_ticker,
            clear: clear_ticker,
            has_chan: true,
        })
    }
}

/// The functions; the table lives as long as the process.
pub fn methods() -> &'static mut [ffi::PyMethodDef] {
    let (name, doc): docs::Entry = timer_docs::AFTER;
    Box::leak(Box::new([ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: after },
        ml_flags: ffi::METH_O,
        ml_doc: doc.as_ptr(),
    }]))
}
