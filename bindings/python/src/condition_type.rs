//! The Condition type as Python sees it: its slots, its documentation, and the methods that it borrows from its lock.
//!
//! Owns: nothing. condition.rs has what it does of its own.
//!
//! Called by the interpreter with the GIL held. What is passed on to the lock waits as that lock does.

use crate::condition::{self, lock_of, Condition};
use crate::lock_type::{self, named, plain, positional, slot, Object};
use crate::{args, rlock};
use pyo3::ffi;
use std::ffi::{c_int, c_void, CStr};
use std::ptr;

/// Calls a method of the lock with the arguments as they came.
unsafe fn pass_on(
    object: Object,
    name: &CStr,
    values: *const Object,
    count: ffi::Py_ssize_t,
    keywords: Object,
) -> Object {
    // SAFETY: the interpreter's fastcall protocol; the bound method holds the lock.
    unsafe {
        let lock = lock_of(object);
        if lock.is_null() {
            return lock;
        }
        let method = ffi::PyObject_GetAttrString(lock, name.as_ptr());
        if method.is_null() {
            return method;
        }
        let result = ffi::PyObject_Vectorcall(method, values, count as usize, keywords);
        ffi::Py_DECREF(method);
        result
    }
}

unsafe extern "C" fn acquire(this: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe { pass_on(this, c"acquire", values, count, keywords) }
}

unsafe extern "C" fn release(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Condition.
    unsafe { pass_on(this, c"release", ptr::null(), 0, ptr::null_mut()) }
}

unsafe extern "C" fn enter(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Condition.
    unsafe { pass_on(this, c"__enter__", ptr::null(), 0, ptr::null_mut()) }
}

unsafe extern "C" fn leave(this: Object, values: *mut Object, count: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe { pass_on(this, c"__exit__", values, count, ptr::null_mut()) }
}

unsafe extern "C" fn is_owned(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Condition.
    unsafe {
        let lock = lock_of(this);
        if lock.is_null() {
            return lock;
        }
        ffi::Py_INCREF(lock);
        let owned = crate::under::is_owned(lock);
        ffi::Py_DECREF(lock);
        owned.map_or(ptr::null_mut(), lock_type::truth)
    }
}

unsafe extern "C" fn release_save(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Condition.
    unsafe {
        let lock = lock_of(this);
        if !lock.is_null() && ffi::PyObject_HasAttrString(lock, c"_release_save".as_ptr()) == 0 {
            return pass_on(this, c"release", ptr::null(), 0, ptr::null_mut());
        }
        pass_on(this, c"_release_save", ptr::null(), 0, ptr::null_mut())
    }
}

unsafe extern "C" fn acquire_restore(this: Object, saved: Object) -> Object {
    // SAFETY: the interpreter passes a Condition and an object.
    unsafe {
        let lock = lock_of(this);
        if !lock.is_null() && ffi::PyObject_HasAttrString(lock, c"_acquire_restore".as_ptr()) == 0 {
            return pass_on(this, c"acquire", ptr::null(), 0, ptr::null_mut());
        }
        pass_on(this, c"_acquire_restore", &saved, 1, ptr::null_mut())
    }
}

unsafe extern "C" fn init(object: Object, values: Object, keywords: Object) -> c_int {
    // SAFETY: the interpreter passes a Condition, a tuple, and a dict or NULL. Dropping the old lock comes last.
    unsafe {
        let Some([lock]) = args::parse_call(values, keywords, [c"lock"]) else { return -1 };
        let lock = if args::is_none(lock) { rlock::new() } else { ffi::Py_NewRef(lock) };
        if lock.is_null() {
            return -1;
        }
        let old = std::mem::replace(&mut (*(object as *mut Condition)).lock, lock);
        ffi::Py_XDECREF(old);
        0
    }
}

unsafe extern "C" fn traverse(this: Object, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the interpreter passes a Condition.
    unsafe {
        for field in [(*(this as *mut Condition)).lock, ffi::Py_TYPE(this) as Object] {
            let code = if field.is_null() { 0 } else { visit(field, arg) };
            if code != 0 {
                return code;
            }
        }
    }
    0
}

unsafe extern "C" fn clear(this: Object) -> c_int {
    // SAFETY: the interpreter passes a Condition; the field is emptied before Python code can run.
    unsafe {
        let lock = std::mem::replace(&mut (*(this as *mut Condition)).lock, ptr::null_mut());
        ffi::Py_XDECREF(lock);
    }
    0
}

unsafe extern "C" fn dealloc(this: Object) {
    // SAFETY: the interpreter's protocol for a collected type.
    unsafe {
        ffi::PyObject_GC_UnTrack(this as *mut c_void);
        clear(this);
        lock_type::dealloc(this);
    }
}

unsafe extern "C" fn repr(this: Object) -> Object {
    // SAFETY: the format matches its arguments.
    unsafe {
        let lock = (*(this as *mut Condition)).lock;
        let lock = ffi::Py_NewRef(if lock.is_null() { ffi::Py_None() } else { lock });
        let name = (*ffi::Py_TYPE(this)).tp_name;
        let text = ffi::PyUnicode_FromFormat(c"<%s at %p: %R>".as_ptr(), name, this as *mut c_void, lock);
        ffi::Py_DECREF(lock);
        text
    }
}

const DOC: &CStr = c"Condition(lock=None)\n--\n\nTo wait under a lock until something has changed; ``threading.Condition`` in its methods.

Those that wait are notified in the order of coming.

Args:
    lock: The lock to hold: a Mutex, an RLock, or anything with ``acquire`` and ``release``. None makes an RLock.

Example:
    >>> import gmp_py
    >>> changed, items = gmp_py.Condition(), []
    >>> def take():
    ...     with changed:
    ...         changed.wait_for(lambda: items)
    ...         return items.pop()
    >>> task = gmp_py.go(take)
    >>> with changed:
    ...     items.append('one')
    ...     changed.notify()
    >>> task.join()
    'one'
";

const ACQUIRE_DOC: &CStr = c"acquire($self, /, *args, **kwargs)\n--\n\nTakes the lock: its own ``acquire``.

Args:
    *args: As the lock takes them.
    **kwargs: As the lock takes them.

Returns:
    What the lock answers.

Example:
    >>> import gmp_py
    >>> changed = gmp_py.Condition()
    >>> changed.acquire(timeout=1)
    True
";

const RELEASE_DOC: &CStr = c"release($self, /)\n--\n\nReleases the lock: its own ``release``.

Raises:
    RuntimeError: The lock is not held.

Example:
    >>> import gmp_py
    >>> changed = gmp_py.Condition()
    >>> changed.acquire()
    True
    >>> changed.release()
";

const WAIT_DOC: &CStr =
    c"wait($self, /, timeout=None)\n--\n\nReleases the lock, waits until notified, and takes the lock again.

Args:
    timeout: Seconds to wait; None, -1 and infinity wait for ever.

Returns:
    True, or False when the time is over.

Raises:
    Misuse: The caller does not hold the lock.
    ValueError: timeout is negative or NaN.
    OverflowError: timeout is too large.
    TypeError: timeout is not a number.

Example:
    >>> import gmp_py
    >>> changed = gmp_py.Condition()
    >>> with changed:
    ...     changed.wait(timeout=0.001)
    False
";

const WAIT_FOR_DOC: &CStr =
    c"wait_for($self, /, predicate, timeout=None)\n--\n\nWaits until a predicate holds, looking whenever notified.

Args:
    predicate: A callable without arguments; it is called with the lock held.
    timeout: Seconds to wait; None, -1 and infinity wait for ever.

Returns:
    The predicate's last result.

Raises:
    Misuse: The caller does not hold the lock, and the predicate does not hold.
    ValueError: timeout is negative or NaN.
    OverflowError: timeout is too large.
    TypeError: timeout is not a number.

Example:
    >>> import gmp_py
    >>> changed = gmp_py.Condition()
    >>> with changed:
    ...     changed.wait_for(lambda: 'enough')
    'enough'
";

const NOTIFY_DOC: &CStr =
    c"notify($self, /, n=1)\n--\n\nWakes some of those that wait; they go on once the lock is free.

Args:
    n: How many, at most.

Raises:
    Misuse: The caller does not hold the lock.

Example:
    >>> import gmp_py
    >>> changed = gmp_py.Condition()
    >>> with changed:
    ...     changed.notify(2)
";

const NOTIFY_ALL_DOC: &CStr = c"notify_all($self, /)\n--\n\nWakes all that wait; they go on once the lock is free.

Raises:
    Misuse: The caller does not hold the lock.

Example:
    >>> import gmp_py
    >>> changed = gmp_py.Condition()
    >>> with changed:
    ...     changed.notify_all()
";

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> Object {
    let none = ffi::METH_NOARGS;
    let methods = vec![
        named(c"acquire", acquire, ACQUIRE_DOC),
        plain(c"release", release, none, RELEASE_DOC),
        named(c"wait", condition::wait, WAIT_DOC),
        named(c"wait_for", condition::wait_for, WAIT_FOR_DOC),
        named(c"notify", condition::notify, NOTIFY_DOC),
        plain(c"notify_all", condition::notify_all, none, NOTIFY_ALL_DOC),
        plain(c"__enter__", enter, none, c"__enter__($self, /)\n--\n\n"),
        positional(c"__exit__", leave, c"__exit__($self, /, *args)\n--\n\n"),
        plain(c"_is_owned", is_owned, none, c"_is_owned($self, /)\n--\n\n"),
        plain(c"_release_save", release_save, none, c"_release_save($self, /)\n--\n\n"),
        plain(c"_acquire_restore", acquire_restore, ffi::METH_O, c"_acquire_restore($self, saved, /)\n--\n\n"),
        plain(c"_at_fork_reinit", condition::at_fork_reinit, none, c"_at_fork_reinit($self, /)\n--\n\n"),
    ];
    let slots = vec![
        slot(ffi::Py_tp_init, init as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
    ];
    // SAFETY: as the caller promises; a Condition begins with its head.
    unsafe { lock_type::make(c"gmp_py.Condition", size_of::<Condition>(), DOC, methods, slots) }
}
