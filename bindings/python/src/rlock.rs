//! RLock: `threading.RLock` for tasks and threads alike. Its owner is a task or a plain thread.
//!
//! Owns: the object's layout, and how often its owner took it.
//!
//! Always true: `count` is not 0 exactly while a task or thread holds the lock and has run since it got it; then `owner`
//! names it. A task keeps its locks when another OS thread runs it.
//!
//! Called by the interpreter with the GIL held. `acquire`, `__enter__` and `_acquire_restore` wait; they are raw methods
//! that hold nothing of PyO3 (see wait.rs, W3).

use crate::lock::Lock;
use crate::lock_type::{self, misuse, named, none, plain, positional, slot, truth, Head, Object};
use crate::wait::Wake;
use crate::{abi, args, mutex, owner};
use pyo3::ffi;
use std::ffi::{c_ulong, c_ulonglong, c_void, CStr};
use std::ptr;

/// An RLock object.
#[repr(C)]
pub struct RLock {
    head: Head,
    lock: Lock,
    owner: u64,
    count: usize,
}

/// What `_release_save` hands to `_acquire_restore`.
pub struct Saved {
    count: usize,
    owner: u64,
}

/// # Safety
/// The GIL is held.
#[inline(always)]
unsafe fn is_mine(this: *mut RLock, me: u64) -> bool {
    // SAFETY: a live RLock.
    unsafe { (*this).count != 0 && owner::is_caller((*this).owner, me) }
}

#[inline(always)]
unsafe fn take(object: Object, deadline: i64) -> Object {
    // SAFETY: the interpreter passes an RLock.
    unsafe {
        let this = object as *mut RLock;
        let me = owner::caller();
        if (*this).lock.try_take() {
            (*this).owner = me;
            (*this).count = 1;
            return truth(true);
        }
        take_again(object, me, deadline)
    }
}

#[inline(never)]
unsafe fn take_again(object: Object, me: u64, deadline: i64) -> Object {
    // SAFETY: a reference is held across the wait.
    unsafe {
        let this = object as *mut RLock;
        if is_mine(this, me) {
            let Some(more) = (*this).count.checked_add(1) else {
                ffi::PyErr_SetString(ffi::PyExc_OverflowError, c"Internal lock count overflowed".as_ptr());
                return ptr::null_mut();
            };
            (*this).count = more;
            return truth(true);
        }
        ffi::Py_INCREF(object);
        let woke = take_for(this, &Saved { count: 1, owner: me }, deadline);
        let result = mutex::answer(woke);
        ffi::Py_DECREF(object);
        result
    }
}

/// Takes the lock for an owner that does not hold it, as often as it is told.
///
/// # Safety
/// The GIL is held; a reference to the RLock is held.
pub unsafe fn take_for(this: *mut RLock, saved: &Saved, deadline: i64) -> Wake {
    // SAFETY: as the caller promises.
    unsafe {
        let woke = Lock::take(&raw mut (*this).lock, deadline);
        if woke == Wake::Signaled {
            (*this).owner = saved.owner;
            (*this).count = saved.count;
        }
        woke
    }
}

/// Releases the lock whatever its count; None with an exception set when the caller does not hold it.
///
/// # Safety
/// The GIL is held; a reference to the RLock is held.
pub unsafe fn release_all(this: *mut RLock) -> Option<Saved> {
    // SAFETY: as the caller promises.
    unsafe {
        if !is_mine(this, owner::caller()) {
            misuse(c"cannot release un-acquired lock");
            return None;
        }
        if !(*this).lock.may_release() {
            return None;
        }
        let saved = Saved { count: (*this).count, owner: (*this).owner };
        (*this).count = 0;
        (*this).owner = 0;
        Lock::release(&raw mut (*this).lock);
        Some(saved)
    }
}

/// Whether the caller holds it.
///
/// # Safety
/// The GIL is held.
pub unsafe fn is_owned_by_caller(this: *mut RLock) -> bool {
    // SAFETY: a live RLock.
    unsafe { is_mine(this, owner::caller()) }
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
    // SAFETY: the interpreter passes an RLock.
    unsafe { take(this, abi::FOREVER) }
}

unsafe extern "C" fn release(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an RLock; a reference is held while others may run.
    unsafe {
        let this = object as *mut RLock;
        if !is_mine(this, owner::caller()) {
            return misuse(c"cannot release un-acquired lock");
        }
        if (*this).count > 1 {
            (*this).count -= 1;
            return none();
        }
        if !(*this).lock.may_release() {
            return ptr::null_mut();
        }
        (*this).count = 0;
        (*this).owner = 0;
        ffi::Py_INCREF(object);
        Lock::release(&raw mut (*this).lock);
        ffi::Py_DECREF(object);
        none()
    }
}

unsafe extern "C" fn leave(this: Object, _: *mut Object, _: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter passes an RLock.
    unsafe { release(this, ptr::null_mut()) }
}

unsafe extern "C" fn locked(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an RLock.
    unsafe { truth((*(this as *mut RLock)).lock.is_locked()) }
}

unsafe extern "C" fn is_owned(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an RLock.
    unsafe { truth(is_owned_by_caller(this as *mut RLock)) }
}

unsafe extern "C" fn recursion_count(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an RLock.
    unsafe {
        let this = this as *mut RLock;
        ffi::PyLong_FromSize_t(if is_mine(this, owner::caller()) { (*this).count } else { 0 })
    }
}

unsafe extern "C" fn release_save(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an RLock; the tuple is made first, so that a failure changes nothing.
    unsafe {
        let this = object as *mut RLock;
        let (count, owner) = ((*this).count as c_ulong, (*this).owner as c_ulonglong);
        let pair = ffi::Py_BuildValue(c"(kK)".as_ptr(), count, owner);
        if pair.is_null() {
            return pair;
        }
        ffi::Py_INCREF(object);
        let done = release_all(this).is_some();
        ffi::Py_DECREF(object);
        if !done {
            ffi::Py_DECREF(pair);
            return ptr::null_mut();
        }
        pair
    }
}

unsafe extern "C" fn acquire_restore(object: Object, pair: Object) -> Object {
    // SAFETY: the interpreter passes an RLock and an object; the format matches its arguments.
    unsafe {
        let (mut count, mut owner): (c_ulong, c_ulonglong) = (0, 0);
        if ffi::PyTuple_Check(pair) == 0 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"what _release_save gave is expected".as_ptr());
            return ptr::null_mut();
        }
        if ffi::PyArg_ParseTuple(pair, c"kK:_acquire_restore".as_ptr(), &mut count, &mut owner) == 0 {
            return ptr::null_mut();
        }
        ffi::Py_INCREF(object);
        let saved = Saved { count: count as usize, owner };
        let woke = take_for(object as *mut RLock, &saved, abi::FOREVER);
        ffi::Py_DECREF(object);
        if woke == Wake::Signaled {
            none()
        } else {
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn at_fork_reinit(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an RLock.
    unsafe {
        let this = this as *mut RLock;
        (*this).lock.reset();
        (*this).owner = 0;
        (*this).count = 0;
    }
    none()
}

unsafe extern "C" fn repr(object: Object) -> Object {
    // SAFETY: the format matches its arguments.
    unsafe {
        let this = object as *mut RLock;
        let state = if (*this).lock.is_locked() { c"locked" } else { c"unlocked" };
        ffi::PyUnicode_FromFormat(
            c"<%s %s object owner=%llu count=%zu at %p>".as_ptr(),
            state.as_ptr(),
            (*ffi::Py_TYPE(object)).tp_name,
            (*this).owner,
            (*this).count,
            object as *mut c_void,
        )
    }
}

/// A plain RLock as such; None for other objects.
///
/// # Safety
/// The GIL is held.
pub unsafe fn exact(object: Object) -> Option<*mut RLock> {
    // SAFETY: reads the type of a live object.
    unsafe { (ffi::Py_TYPE(object) as Object == TYPE.get()).then_some(object as *mut RLock) }
}

/// A new RLock; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held.
pub unsafe fn new() -> Object {
    // SAFETY: all-zero is a free lock.
    unsafe { ffi::PyType_GenericAlloc(TYPE.get() as *mut ffi::PyTypeObject, 0) }
}

static TYPE: lock_type::Made = lock_type::Made::new();

const DOC: &CStr = c"RLock()\n--\n\nA lock that its owner may take again; ``threading.RLock`` in its methods.

The owner is the task that took it, or the thread outside of tasks. It is free again when its owner has released it as
often as it took it.

Example:
    >>> import gmp_py
    >>> lock = gmp_py.RLock()
    >>> def length(tree):
    ...     with lock:
    ...         return 1 if isinstance(tree, str) else sum(map(length, tree))
    >>> gmp_py.go(length, ['a', ['b', 'c']]).join()
    3
";

const ACQUIRE_DOC: &CStr =
    c"acquire($self, /, blocking=True, timeout=-1)\n--\n\nTakes the lock, waiting until it is free or the caller's.

Args:
    blocking: Whether to wait at all.
    timeout: Seconds to wait; -1, None and infinity wait for ever.

Returns:
    Whether the lock was taken.

Raises:
    ValueError: timeout is negative or NaN, or given although blocking is false.
    OverflowError: timeout is too large, or the lock was taken too often.
    TypeError: timeout is not a number.

Example:
    >>> import gmp_py
    >>> lock = gmp_py.RLock()
    >>> lock.acquire(), lock.acquire()
    (True, True)
    >>> gmp_py.go(lock.acquire, False).join()
    False
";

const RELEASE_DOC: &CStr = c"release($self, /)\n--\n\nTakes one acquire back; the last one frees the lock.

Raises:
    Misuse: The caller does not hold the lock.

Example:
    >>> import gmp_py
    >>> lock = gmp_py.RLock()
    >>> lock.acquire()
    True
    >>> lock.release()
    >>> lock.locked()
    False
";

const LOCKED_DOC: &CStr = c"locked($self, /)\n--\n\nTells whether the lock is held.

Returns:
    True while anybody holds it.

Example:
    >>> import gmp_py
    >>> lock = gmp_py.RLock()
    >>> with lock:
    ...     lock.locked()
    True
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
        plain(c"locked", locked, none, LOCKED_DOC),
        plain(c"__enter__", enter, none, c"__enter__($self, /)\n--\n\n"),
        positional(c"__exit__", leave, c"__exit__($self, /, *args)\n--\n\n"),
        plain(c"_is_owned", is_owned, none, c"_is_owned($self, /)\n--\n\n"),
        plain(c"_recursion_count", recursion_count, none, c"_recursion_count($self, /)\n--\n\n"),
        plain(c"_release_save", release_save, none, c"_release_save($self, /)\n--\n\n"),
        plain(c"_acquire_restore", acquire_restore, ffi::METH_O, c"_acquire_restore($self, saved, /)\n--\n\n"),
        plain(c"_at_fork_reinit", at_fork_reinit, none, c"_at_fork_reinit($self, /)\n--\n\n"),
    ];
    let slots = vec![slot(ffi::Py_tp_repr, repr as *mut c_void)];
    // SAFETY: as the caller promises; an RLock begins with its head.
    let made = unsafe { lock_type::make(c"gmp_py.RLock", size_of::<RLock>(), DOC, methods, slots) };
    TYPE.set(made);
    made
}
