//! The Chan type as Python sees it: its slots, attributes and methods.
//!
//! Owns: the type object, made once when the module is loaded and kept for ever.
//!
//! Called by the interpreter with the GIL held. `send`, `recv` and the iteration wait; they are raw functions that hold
//! nothing of PyO3 (see wait.rs, W3).

use crate::case::Call;
use crate::chan::{Chan, Tried};
use crate::{abi, alarms, args, chan, chan_docs as docs};
use pyo3::ffi;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

type Object = *mut ffi::PyObject;

static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// The type object, borrowed.
pub fn get() -> *mut ffi::PyTypeObject {
    TYPE.load(Ordering::Relaxed)
}

/// Whether an object is a channel.
///
/// # Safety
/// The GIL is held and `object` lives.
pub unsafe fn is_chan(object: Object) -> bool {
    // SAFETY: as the caller promises; the type has no subclasses.
    unsafe { ffi::Py_TYPE(object) == get() }
}

unsafe extern "C" fn construct(_: *mut ffi::PyTypeObject, values: Object, keywords: Object) -> Object {
    let mut names = [c"capacity".as_ptr() as *mut c_char, ptr::null_mut()];
    let mut capacity: Object = ptr::null_mut();
    // SAFETY: the interpreter's tp_new protocol; the format matches its arguments.
    unsafe {
        let format = c"|O:Chan".as_ptr();
        let names = names.as_mut_ptr();
        if ffi::PyArg_ParseTupleAndKeywords(values, keywords, format, names as *mut _, &raw mut capacity) == 0 {
            return ptr::null_mut();
        }
        let mut room = 0;
        if !capacity.is_null() {
            room = ffi::PyNumber_AsSsize_t(capacity, ffi::PyExc_OverflowError);
            if room == -1 && !ffi::PyErr_Occurred().is_null() {
                return ptr::null_mut();
            }
            if room < 0 {
                ffi::PyErr_SetString(ffi::PyExc_ValueError, c"capacity must not be negative".as_ptr());
                return ptr::null_mut();
            }
        }
        chan::new(room as usize) as Object
    }
}

extern "C" {
    /// The type's way out: by the interpreter's trashcan, then `gmp_py_free_chan`.
    fn shim_dealloc_chan(object: Object);
}

/// First of all: nobody sends to a channel that dies, even if the trashcan keeps it for a while. May come twice.
///
/// # Safety
/// Called by the shim only.
#[no_mangle]
unsafe extern "C" fn gmp_py_unset_chan(object: Object) {
    // SAFETY: as the caller promises; the box was made for this channel.
    unsafe {
        let chan = object as *mut Chan;
        let alarm = std::mem::replace(&mut (*chan).alarm, ptr::null_mut());
        if !alarm.is_null() {
            alarms::unset(alarm);
            drop(Box::from_raw(alarm));
        }
    }
}

/// # Safety
/// Called by the shim only; the channel is untracked, and nobody waits at one that nobody refers to.
#[no_mangle]
unsafe extern "C" fn gmp_py_free_chan(object: Object) {
    // SAFETY: the interpreter's protocol for a collected type: drop fields, free, drop the type.
    unsafe {
        let chan = object as *mut Chan;
        if !(*chan).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        clear(object);
        ptr::drop_in_place((*chan).buffer());
        let kind = ffi::Py_TYPE(object);
        ffi::PyObject_GC_Del(object as *mut c_void);
        ffi::Py_DECREF(kind as Object);
    }
}

unsafe extern "C" fn clear(object: Object) -> c_int {
    // SAFETY: the interpreter passes a Chan. The values leave it before any of them may run Python code.
    unsafe {
        for value in std::mem::take((*(object as *mut Chan)).buffer()) {
            ffi::Py_DECREF(value);
        }
    }
    0
}

unsafe extern "C" fn traverse(object: Object, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the interpreter passes a Chan. Values of senders that wait belong to their callers.
    unsafe {
        let kind = ffi::Py_TYPE(object) as Object;
        for value in (*(object as *mut Chan)).buffer().iter().copied().chain([kind]) {
            let code = visit(value, arg);
            if code != 0 {
                return code;
            }
        }
    }
    0
}

unsafe extern "C" fn repr(object: Object) -> Object {
    // SAFETY: the interpreter passes a Chan; the format matches its arguments.
    unsafe {
        let chan = object as *mut Chan;
        let closed: &CStr = if (*chan).is_closed() { c" closed" } else { c"" };
        let (count, who) = match ((*chan).senders.count(), (*chan).receivers.count()) {
            (0, 0) => (0, None),
            (0, n) => (n, Some(c" receivers=")),
            (n, _) => (n, Some(c" senders=")),
        };
        let waiting =
            who.map_or(ptr::null_mut(), |who| ffi::PyUnicode_FromFormat(c"%s%zu".as_ptr(), who.as_ptr(), count));
        if who.is_some() && waiting.is_null() {
            return waiting;
        }
        let text = ffi::PyUnicode_FromFormat(
            c"<gmp_py.Chan at %p capacity=%zu len=%zu%V%s>".as_ptr(),
            object,
            (*chan).capacity,
            (*chan).buffer().len(),
            waiting,
            c"".as_ptr(),
            closed.as_ptr(),
        );
        ffi::Py_XDECREF(waiting);
        text
    }
}

unsafe extern "C" fn length(object: Object) -> ffi::Py_ssize_t {
    // SAFETY: the interpreter passes a Chan.
    unsafe { (*(object as *mut Chan)).buffer().len() as ffi::Py_ssize_t }
}

/// An empty channel is a channel.
unsafe extern "C" fn truth(_: Object) -> c_int {
    1
}

unsafe extern "C" fn get_capacity(object: Object, _: *mut c_void) -> Object {
    // SAFETY: the interpreter passes a Chan.
    unsafe { ffi::PyLong_FromSize_t((*(object as *mut Chan)).capacity) }
}

unsafe extern "C" fn get_closed(object: Object, _: *mut c_void) -> Object {
    // SAFETY: the interpreter passes a Chan.
    unsafe { ffi::PyBool_FromLong((*(object as *mut Chan)).is_closed().into()) }
}

fn none() -> Object {
    // SAFETY: all callers hold the GIL.
    unsafe { ffi::Py_NewRef(ffi::Py_None()) }
}

unsafe extern "C" fn send(object: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol; the caller holds references to the channel and the value.
    unsafe {
        let (value, deadline) = if count == 1 && keywords.is_null() {
            (*values, abi::FOREVER)
        } else {
            if count < 1 {
                ffi::PyErr_SetString(ffi::PyExc_TypeError, c"send needs a value".as_ptr());
                return ptr::null_mut();
            }
            let Some([timeout]) = args::parse(values.add(1), count - 1, keywords, [c"timeout"]) else {
                return ptr::null_mut();
            };
            let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
            (*values, deadline)
        };
        if chan::send(object as *mut Chan, value, deadline) {
            none()
        } else {
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn recv(object: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol; the caller holds a reference to the channel.
    unsafe {
        let mut deadline = abi::FOREVER;
        if count != 0 || !keywords.is_null() {
            let Some([timeout]) = args::parse(values, count, keywords, [c"timeout"]) else { return ptr::null_mut() };
            let Some(given) = args::deadline(timeout) else { return ptr::null_mut() };
            deadline = given;
        }
        let value = chan::recv(object as *mut Chan, deadline);
        if value.is_null() && ffi::PyErr_Occurred().is_null() {
            chan::raise_closed();
        }
        value
    }
}

unsafe extern "C" fn next(object: Object) -> Object {
    // SAFETY: the interpreter passes a Chan and holds a reference. NULL without an exception ends the loop.
    unsafe { chan::recv(object as *mut Chan, abi::FOREVER) }
}

unsafe extern "C" fn try_send(object: Object, value: Object) -> Object {
    // SAFETY: the interpreter passes a Chan.
    unsafe {
        let chan = object as *mut Chan;
        if !chan::may_use(chan) {
            return ptr::null_mut();
        }
        let sent = match (*chan).try_send(value) {
            Tried::Done(_, peer) => {
                Call::signal(peer);
                true
            }
            Tried::Blocked => false,
            Tried::Closed => {
                chan::raise_closed();
                return ptr::null_mut();
            }
            Tried::NoMemory => return ffi::PyErr_NoMemory(),
        };
        ffi::PyBool_FromLong(sent.into())
    }
}

unsafe extern "C" fn try_recv(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Chan. The pair is made first: a value that was taken must not be lost.
    unsafe {
        let chan = object as *mut Chan;
        if !chan::may_use(chan) {
            return ptr::null_mut();
        }
        let pair = ffi::PyTuple_New(2);
        if pair.is_null() {
            return pair;
        }
        let (value, got) = match (*chan).try_recv() {
            Tried::Done(value, peer) => {
                Call::signal(peer);
                (value, true)
            }
            Tried::Blocked => (none(), false),
            Tried::Closed | Tried::NoMemory => {
                ffi::Py_DECREF(pair);
                chan::raise_closed();
                return ptr::null_mut();
            }
        };
        ffi::PyTuple_SET_ITEM(pair, 0, value);
        ffi::PyTuple_SET_ITEM(pair, 1, ffi::PyBool_FromLong(got.into()));
        pair
    }
}

unsafe extern "C" fn close(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Chan and holds a reference.
    unsafe {
        if chan::close(object as *mut Chan) {
            none()
        } else {
            ptr::null_mut()
        }
    }
}

/// For gmp_py.aio: a value that came too late for the coroutine that waited.
unsafe extern "C" fn give_back(object: Object, value: Object) -> Object {
    // SAFETY: the interpreter passes a Chan and holds references to both.
    unsafe {
        let chan = object as *mut Chan;
        if !chan::may_use(chan) {
            return ptr::null_mut();
        }
        Call::signal((*chan).give_back(ffi::Py_NewRef(value)));
        none()
    }
}

unsafe extern "C" fn reduce(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe {
        ffi::PyErr_SetString(ffi::PyExc_TypeError, c"cannot pickle or copy 'gmp_py.Chan' object".as_ptr());
    }
    ptr::null_mut()
}

/// `async for` is the affair of gmp_py.aio, which is loaded when it is first used.
unsafe extern "C" fn async_iter(object: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe {
        let module = ffi::PyImport_ImportModule(c"gmp_py.aio".as_ptr());
        if module.is_null() {
            return module;
        }
        let iterate = ffi::PyObject_GetAttrString(module, c"_iterate".as_ptr());
        ffi::Py_DECREF(module);
        if iterate.is_null() {
            return iterate;
        }
        let iterator = ffi::PyObject_CallOneArg(iterate, object);
        ffi::Py_DECREF(iterate);
        iterator
    }
}

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
    let fast = |f| ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: f };
    let plain = |f| ffi::PyMethodDefPointer { PyCFunction: f };
    let attribute = |name: &'static CStr, get: ffi::getter, doc: &'static CStr| ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        set: None,
        doc: doc.as_ptr(),
        closure: ptr::null_mut(),
    };
    let waits = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
    let methods = Box::leak(Box::new([
        method(c"send", fast(send), waits, docs::SEND),
        method(c"recv", fast(recv), waits, docs::RECV),
        method(c"try_send", plain(try_send), ffi::METH_O, docs::TRY_SEND),
        method(c"try_recv", plain(try_recv), ffi::METH_NOARGS, docs::TRY_RECV),
        method(c"close", plain(close), ffi::METH_NOARGS, docs::CLOSE),
        method(c"_give_back", plain(give_back), ffi::METH_O, docs::GIVE_BACK),
        method(c"__reduce__", plain(reduce), ffi::METH_NOARGS, docs::REDUCE),
        method(c"__class_getitem__", plain(ffi::Py_GenericAlias), ffi::METH_O | ffi::METH_CLASS, docs::GENERIC),
        ffi::PyMethodDef::zeroed(),
    ]));
    // SAFETY: an all-zero entry ends a table of attributes or members.
    let (no_attribute, no_member) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let attributes = Box::leak(Box::new([
        attribute(c"capacity", get_capacity, c"How many values it holds that nobody has received."),
        attribute(c"closed", get_closed, c"Whether `close` was called. There may be values left to receive."),
        no_attribute,
    ]));
    let members = Box::leak(Box::new([
        ffi::PyMemberDef {
            name: c"__weaklistoffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: std::mem::offset_of!(Chan, weakrefs) as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        },
        no_member,
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, docs::CHAN.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_new, construct as *mut c_void),
        slot(ffi::Py_tp_dealloc, shim_dealloc_chan as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
        slot(ffi::Py_am_aiter, async_iter as *mut c_void),
        slot(ffi::Py_mp_length, length as *mut c_void),
        slot(ffi::Py_nb_bool, truth as *mut c_void),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_getset, attributes.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr() as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"gmp_py.Chan".as_ptr() as *const c_char,
        basicsize: std::mem::size_of::<Chan>() as c_int,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the tables it keeps pointers to are leaked.
    let made = unsafe { ffi::PyType_FromSpec(&mut spec) } as *mut ffi::PyTypeObject;
    TYPE.store(made, Ordering::Relaxed);
    made
}
