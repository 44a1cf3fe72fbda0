//! The Task type as Python sees it: its slots, attributes and methods.
//!
//! Owns: the type object, made once when the module is loaded and kept for ever.
//!
//! Called by the interpreter with the GIL held. `join` and `exception` wait; they are raw methods that hold nothing of
//! PyO3 (see wait.rs, W3).

use crate::native::Native;
use crate::task::{self, Task};
use crate::wait::{self, Waiter, Wake};
use crate::{abi, args, errors, exit, shim};
use pyo3::ffi;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// The type object, borrowed.
pub fn get() -> *mut ffi::PyTypeObject {
    TYPE.load(Ordering::Relaxed)
}

unsafe extern "C" fn finalize(object: *mut ffi::PyObject) {
    // SAFETY: called by the interpreter with a Task; the exception that may be set is put back.
    unsafe {
        let task = object as *mut Task;
        if !task::has_unobserved_error(task) {
            return;
        }
        let pending = if ffi::PyErr_Occurred().is_null() { ptr::null_mut() } else { errors::take() };
        task::report_unobserved(task);
        if !pending.is_null() {
            ffi::PyErr_SetObject(ffi::Py_TYPE(pending) as *mut ffi::PyObject, pending);
            ffi::Py_DECREF(pending);
        }
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter's protocol for a collected type: finalize, untrack, drop fields, free, drop the type.
    unsafe {
        let task = object as *mut Task;
        if task::has_unobserved_error(task) && ffi::PyObject_CallFinalizerFromDealloc(object) < 0 {
            return; // the hook kept it alive
        }
        ffi::PyObject_GC_UnTrack(object as *mut c_void);
        if !(*task).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        task::clear(task);
        ffi::Py_XDECREF((*task).name);
        Native::release((*task).native);
        let kind = ffi::Py_TYPE(object);
        ffi::PyObject_GC_Del(object as *mut c_void);
        ffi::Py_DECREF(kind as *mut ffi::PyObject);
    }
}

unsafe extern "C" fn clear(object: *mut ffi::PyObject) -> c_int {
    // SAFETY: the interpreter passes a Task.
    unsafe { task::clear(object as *mut Task) };
    0
}

unsafe extern "C" fn traverse(object: *mut ffi::PyObject, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the interpreter passes a Task. The runtime's own reference is not visited, so a task that has not ended
    // is never taken for garbage.
    unsafe {
        let kind = ffi::Py_TYPE(object) as *mut ffi::PyObject;
        for field in task::held_objects(object as *mut Task).into_iter().chain([kind]) {
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

unsafe extern "C" fn repr(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes a Task; the format matches its arguments.
    unsafe {
        let task = object as *mut Task;
        let state: &CStr = if (*task).epoch != exit::epoch() {
            c"of the fork's parent"
        } else if !task::is_done(task) {
            if (*task).head.ts.is_null() && (*task).native.is_null() {
                c"not started"
            } else {
                c"started"
            }
        } else if !task::has_failed(task) {
            c"done"
        } else {
            c"failed"
        };
        let name = get_name(object, ptr::null_mut());
        if name.is_null() {
            return name;
        }
        let text = ffi::PyUnicode_FromFormat(
            c"<gmp_py.Task id=%llu name=%R %s>".as_ptr(),
            (*task).head.id,
            name,
            state.as_ptr(),
        );
        ffi::Py_DECREF(name);
        text
    }
}

unsafe extern "C" fn get_id(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes a Task.
    unsafe { ffi::PyLong_FromUnsignedLongLong((*(object as *mut Task)).head.id) }
}

unsafe extern "C" fn get_name(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes a Task.
    unsafe {
        let task = object as *mut Task;
        if (*task).name.is_null() {
            ffi::PyUnicode_FromFormat(c"task-%llu".as_ptr(), (*task).head.id)
        } else {
            ffi::Py_NewRef((*task).name)
        }
    }
}

/// A handle that a fork's child inherited stands for a task that does not exist there.
unsafe fn check_epoch(task: *mut Task) -> bool {
    // SAFETY: the interpreter passes a Task.
    unsafe {
        let ours = (*task).epoch == exit::epoch();
        if !ours {
            errors::GMP_ERROR.raise(c"this task belongs to the parent of a fork");
        }
        ours
    }
}

/// Waits until the task is done; false with an exception set otherwise.
///
/// # Safety
/// The GIL is held; the caller holds a reference to `task`.
pub unsafe fn wait_done(task: *mut Task, deadline: i64) -> bool {
    // SAFETY: the waiter lies on this call's stack and leaves its list before the call returns.
    unsafe {
        if !check_epoch(task) {
            return false;
        }
        if task::is_done(task) {
            return true;
        }
        if shim::shim_current() == &raw mut (*task).head {
            errors::MISUSE.raise(c"a task cannot join itself");
            return false;
        }
        if deadline == abi::NOWAIT {
            return timed_out();
        }
        if deadline == abi::FOREVER && closes_circle(task) {
            errors::MISUSE.raise(c"tasks that join each other in a circle never end");
            return false;
        }
        let mut waiter = Waiter::guarded_by((*task).native);
        waiter.arm();
        // Arming entered the runtime, where others may have had their turn: the task may be done by now. From here to
        // the push nothing enters it.
        if task::is_done(task) {
            return true;
        }
        let woke = if (*task).native.is_null() {
            (*task).joiners.push(&mut waiter);
            let caller = shim::shim_current() as *mut Task;
            if !caller.is_null() && deadline == abi::FOREVER {
                (*caller).joins = task;
            }
            let woke = wait::wait(&mut waiter, deadline);
            if !caller.is_null() {
                (*caller).joins = ptr::null_mut();
            }
            waiter.unlink();
            woke
        } else {
            (*(*task).native).wait(&mut waiter, deadline)
        };
        if waiter.is_claimed() {
            waiter.wait_claimed();
        }
        match woke {
            Wake::Raised => false,
            _ if task::is_done(task) => true,
            _ => timed_out(),
        }
    }
}

/// Whether a wait of the caller for `task` would be for itself, by way of others. Only waits that nothing but an end or a
/// cancellation ends are links; a chain of more than `LINKS` is not followed to its end.
unsafe fn closes_circle(task: *mut Task) -> bool {
    const LINKS: u32 = 1000;
    // SAFETY: a task that waits holds a reference to the one it waits for.
    unsafe {
        let caller = shim::shim_current() as *mut Task;
        if caller.is_null() || !(*caller).target.scopes.is_null() {
            return false;
        }
        let mut at = task;
        for _ in 0..LINKS {
            at = (*at).joins;
            if at.is_null() || !(*at).target.scopes.is_null() {
                return false;
            }
            if at == caller {
                return true;
            }
        }
        false
    }
}

unsafe fn timed_out() -> bool {
    // SAFETY: the GIL is held.
    unsafe { ffi::PyErr_SetString(ffi::PyExc_TimeoutError, c"the task has not ended in time".as_ptr()) };
    false
}

/// The shared half of `join` and `exception`.
unsafe fn wait_with_timeout(
    object: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
    finish: unsafe fn(*mut Task) -> *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter's fastcall protocol; a reference is held across the wait.
    unsafe {
        let [timeout] = match args::parse(values, count, keywords, [c"timeout"]) {
            Some(found) => found,
            None => return ptr::null_mut(),
        };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        let task = object as *mut Task;
        ffi::Py_INCREF(object);
        let result = if wait_done(task, deadline) { finish(task) } else { ptr::null_mut() };
        ffi::Py_DECREF(object);
        result
    }
}

unsafe extern "C" fn join(
    object: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe { wait_with_timeout(object, values, count, keywords, task::outcome) }
}

unsafe extern "C" fn exception(
    object: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe { wait_with_timeout(object, values, count, keywords, task::error_of) }
}

unsafe extern "C" fn done(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes a Task.
    unsafe {
        let task = object as *mut Task;
        if !check_epoch(task) {
            return ptr::null_mut();
        }
        ffi::PyBool_FromLong(task::is_done(task).into())
    }
}

unsafe extern "C" fn cancel(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter passes a Task.
    unsafe {
        let task = object as *mut Task;
        if !check_epoch(task) {
            return ptr::null_mut();
        }
        ffi::PyBool_FromLong(task::cancel(task).into())
    }
}

const DOC: &CStr = c"A task: a function that runs beside others and is switched when it waits.

Made by `go`, `go_native` and `run`, never by calling the class. An error that nobody was given is reported through
``sys.unraisablehook`` when the task object dies.

Example:
    >>> import gmp_py
    >>> task = gmp_py.go(pow, 2, 10, name='power')
    >>> task.join()
    1024
    >>> task.name, task.done()
    ('power', True)
";

const JOIN_DOC: &CStr = c"join($self, /, timeout=None)\n--\n\nWaits until the task has ended and gives its result.

Any number of tasks and threads may join the same task, before and after its end.

Args:
    timeout: Seconds to wait; None or infinity waits for ever.

Returns:
    What the task's function returned; for `go_native` the returned pointer as an int.

Raises:
    TimeoutError: The task has not ended in time. It goes on.
    Misuse: A task joins itself, or tasks join each other in a circle.
    GmpError: The task belongs to the parent of a fork.
    BaseException: Whatever the task's function raised, with its traceback.

Example:
    >>> import gmp_py
    >>> gmp_py.go(int, 'x').join()
    Traceback (most recent call last):
        ...
    ValueError: invalid literal for int() with base 10: 'x'
";

const EXCEPTION_DOC: &CStr =
    c"exception($self, /, timeout=None)\n--\n\nWaits until the task has ended and gives its exception.

Args:
    timeout: Seconds to wait; None or infinity waits for ever.

Returns:
    The exception that ended the task, or None when its function returned.

Raises:
    TimeoutError: The task has not ended in time. It goes on.
    Misuse: A task waits for itself.
    GmpError: The task belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> gmp_py.go(int, 'x').exception()
    ValueError(\"invalid literal for int() with base 10: 'x'\")
    >>> gmp_py.go(int, '1').exception() is None
    True
";

const DONE_DOC: &CStr = c"done($self, /)\n--\n\nTells whether the task has ended, without waiting.

Returns:
    True when `join` would answer at once.

Raises:
    GmpError: The task belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> task = gmp_py.go(len, 'abc')
    >>> task.join(), task.done()
    (3, True)
";

const CANCEL_DOC: &CStr = c"cancel($self, /)\n--\n\nAsks the task to end: raises `Cancelled` in it, once.

A task that waits in this package has its wait ended, and that wait has had no effect. One that runs gets it in its
next wait, `yield_` or `checkpoint`, or in a loop that computes. One that blocks in other code gets it after it comes
back. A task that has not started never runs. The task may clean up, and wait while it does; it may also go on.

Asking again before `Cancelled` was raised changes nothing; after that it raises another one. May be called from any
task and thread, by the task itself too. A native task sees the runtime's own cancellation, which lasts.

Returns:
    True, or False when the task has ended: then nothing happens.

Raises:
    GmpError: The task belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> task = gmp_py.go(gmp_py.sleep, 1000)
    >>> task.cancel()
    True
    >>> task.exception()
    Cancelled()
    >>> task.cancel()
    False
";

const GENERIC_DOC: &CStr = c"__class_getitem__($cls, item, /)\n--\n\nFor annotations such as ``Task[int]``.";

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
        method(c"join", fast(join), waits, JOIN_DOC),
        method(c"exception", fast(exception), waits, EXCEPTION_DOC),
        method(c"cancel", plain(cancel), ffi::METH_NOARGS, CANCEL_DOC),
        method(c"done", plain(done), ffi::METH_NOARGS, DONE_DOC),
        method(c"__class_getitem__", plain(ffi::Py_GenericAlias), ffi::METH_O | ffi::METH_CLASS, GENERIC_DOC),
        ffi::PyMethodDef::zeroed(),
    ]));
    // SAFETY: an all-zero entry ends a table of attributes or members.
    let (no_attribute, no_member) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let attributes = Box::leak(Box::new([
        attribute(c"id", get_id, c"The runtime's number for the task; never used again in this process."),
        attribute(c"name", get_name, c"The name given to `go`, or one made from the id."),
        no_attribute,
    ]));
    let members = Box::leak(Box::new([
        ffi::PyMemberDef {
            name: c"__weaklistoffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: std::mem::offset_of!(Task, weakrefs) as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        },
        no_member,
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, DOC.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_finalize, finalize as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_getset, attributes.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr() as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_HAVE_GC
        | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION
        | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"gmp_py.Task".as_ptr() as *const c_char,
        basicsize: std::mem::size_of::<Task>() as c_int,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the tables it keeps pointers to are leaked.
    let made = unsafe { ffi::PyType_FromSpec(&mut spec) } as *mut ffi::PyTypeObject;
    TYPE.store(made, Ordering::Relaxed);
    made
}
