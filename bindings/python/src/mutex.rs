//! Mutex: `threading.Lock` for tasks and threads alike.
//!
//! Owns: the object's layout. lock.rs has the lock itself.
//!
//! Called by the interpreter with the GIL held. `acquire` and `__enter__` wait; they are raw methods that hold nothing
//! of PyO3 (see wait.rs, W3).

use crate::abi;
use crate::args;
use crate::lock::Lock;
use crate::lock_type::{self, misuse, named, none, plain, positional, slot, truth, Head, Object};
use crate::wait::Wake;
use pyo3::ffi;
use std::ffi::{c_void, CStr};
use std::ptr;

#[repr(C)]
struct Mutex {
    head: Head,
    lock: Lock,
}

unsafe fn lock_of(this: Object) -> *mut Lock {
    // SAFETY: the interpreter passes a Mutex.
    unsafe { &raw mut (*(this as *mut Mutex)).lock }
}

/// A lock's wait as its `acquire` answers: True, False, or NULL with the exception set.
pub fn answer(woke: Wake) -> Object {
    match woke {
        Wake::Signaled => truth(true),
        Wake::TimedOut => truth(false),
        Wake::Raised => ptr::null_mut(),
    }
}

unsafe fn take(this: Object, deadline: i64) -> Object {
    // SAFETY: a reference is held across the wait.
    unsafe {
        let lock = lock_of(this);
        if (*lock).try_take() {
            return truth(true);
        }
        ffi::Py_INCREF(this);
        let result = answer(Lock::take(lock, deadline));
        ffi::Py_DECREF(this);
        result
    }
}

unsafe extern "C" fn acquire(this: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        match args::acquire(values, count, keywords) {
            Some(deadline) => take(this, deadline),
            None => ptr::null_mut(),
        }
    }
}

unsafe extern "C" fn enter(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Mutex.
    unsafe { take(this, abi::FOREVER) }
}

unsafe extern "C" fn release(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Mutex; a reference is held while others may run.
    unsafe {
        let lock = lock_of(this);
        if !(*lock).is_locked() {
            return misuse(c"release unlocked lock");
        }
        if !(*lock).may_release() {
            return ptr::null_mut();
        }
        ffi::Py_INCREF(this);
        Lock::release(lock);
        ffi::Py_DECREF(this);
        none()
    }
}

unsafe extern "C" fn leave(this: Object, _: *mut Object, _: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter passes a Mutex.
    unsafe { release(this, ptr::null_mut()) }
}

unsafe extern "C" fn locked(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Mutex.
    unsafe { truth((*lock_of(this)).is_locked()) }
}

unsafe extern "C" fn at_fork_reinit(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a Mutex.
    unsafe { (*lock_of(this)).reset() };
    none()
}

unsafe extern "C" fn repr(this: Object) -> Object {
    // SAFETY: the format matches its arguments.
    unsafe {
        let state = if (*lock_of(this)).is_locked() { c"locked" } else { c"unlocked" };
        ffi::PyUnicode_FromFormat(
            c"<%s %s object at %p>".as_ptr(),
            state.as_ptr(),
            (*ffi::Py_TYPE(this)).tp_name,
            this as *mut c_void,
        )
    }
}

/// The lock of a plain Mutex; None for other objects.
///
/// # Safety
/// The GIL is held.
pub unsafe fn exact(object: Object) -> Option<*mut Lock> {
    // SAFETY: reads the type of a live object.
    unsafe { (ffi::Py_TYPE(object) as Object == TYPE.get()).then(|| lock_of(object)) }
}

static TYPE: lock_type::Made = lock_type::Made::new();

const DOC: &CStr = c"Mutex()\n--\n\nA lock that one task or thread holds at a time; ``threading.Lock`` in its methods.

It has no owner: any task or thread may release it. A release wakes the first that waits, and whoever comes by first has
the lock; a waiter that was overtaken for a millisecond is handed it.

Example:
    >>> import gmp_py
    >>> mutex = gmp_py.Mutex()
    >>> total = 0
    >>> def add(n):
    ...     global total
    ...     with mutex:
    ...         before = total
    ...         gmp_py.yield_()
    ...         total = before + n
    >>> for task in [gmp_py.go(add, n) for n in range(5)]:
    ...     task.join()
    >>> total
    10
";

pub const ACQUIRE_DOC: &CStr =
    c"acquire($self, /, blocking=True, timeout=-1)\n--\n\nTakes the lock, waiting until it is free.

Args:
    blocking: Whether to wait at all.
    timeout: Seconds to wait; -1, None and infinity wait for ever.

Returns:
    Whether the lock was taken.

Raises:
    ValueError: timeout is negative or NaN, or given although blocking is false.
    OverflowError: timeout is too large.
    TypeError: timeout is not a number.

Example:
    >>> import gmp_py
    >>> mutex = gmp_py.Mutex()
    >>> mutex.acquire(), mutex.acquire(blocking=False), mutex.acquire(timeout=0.001)
    (True, False, False)
";

const RELEASE_DOC: &CStr = c"release($self, /)\n--\n\nReleases the lock; any task or thread may.

Raises:
    Misuse: The lock is not held.

Example:
    >>> import gmp_py
    >>> mutex = gmp_py.Mutex()
    >>> mutex.acquire()
    True
    >>> mutex.release()
    >>> mutex.locked()
    False
";

const LOCKED_DOC: &CStr = c"locked($self, /)\n--\n\nTells whether the lock is held.

Returns:
    True while anybody holds it.

Example:
    >>> import gmp_py
    >>> mutex = gmp_py.Mutex()
    >>> with mutex:
    ...     mutex.locked()
    True
";

// `_thread`'s lock has these names too, and code that was written for it may use them.
const ACQUIRE_LOCK_DOC: &CStr = c"acquire_lock($self, /, blocking=True, timeout=-1)\n--\n\nThe old name of ``acquire``.

Args:
    blocking: Whether to wait at all.
    timeout: Seconds to wait; -1, None and infinity wait for ever.

Example:
    >>> import gmp_py
    >>> gmp_py.Mutex().acquire_lock()
    True
";

const RELEASE_LOCK_DOC: &CStr = c"release_lock($self, /)\n--\n\nThe old name of ``release``.

Example:
    >>> import gmp_py
    >>> mutex = gmp_py.Mutex()
    >>> mutex.acquire_lock()
    True
    >>> mutex.release_lock()
";

const LOCKED_LOCK_DOC: &CStr = c"locked_lock($self, /)\n--\n\nThe old name of ``locked``.

Example:
    >>> import gmp_py
    >>> gmp_py.Mutex().locked_lock()
    False
";

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> Object {
    let methods = vec![
        named(c"acquire", acquire, ACQUIRE_DOC),
        plain(c"release", release, ffi::METH_NOARGS, RELEASE_DOC),
        plain(c"locked", locked, ffi::METH_NOARGS, LOCKED_DOC),
        named(c"acquire_lock", acquire, ACQUIRE_LOCK_DOC),
        plain(c"release_lock", release, ffi::METH_NOARGS, RELEASE_LOCK_DOC),
        plain(c"locked_lock", locked, ffi::METH_NOARGS, LOCKED_LOCK_DOC),
        plain(c"__enter__", enter, ffi::METH_NOARGS, c"__enter__($self, /)\n--\n\n"),
        positional(c"__exit__", leave, c"__exit__($self, /, *args)\n--\n\n"),
        plain(c"_at_fork_reinit", at_fork_reinit, ffi::METH_NOARGS, c"_at_fork_reinit($self, /)\n--\n\n"),
    ];
    let slots = vec![slot(ffi::Py_tp_repr, repr as *mut c_void)];
    // SAFETY: as the caller promises; a Mutex begins with its head.
    let made = unsafe { lock_type::make(c"gmp_py.Mutex", size_of::<Mutex>(), DOC, methods, slots) };
    TYPE.set(made);
    made
}
