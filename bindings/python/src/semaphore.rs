//! Semaphore: `threading.Semaphore` for tasks and threads alike.
//!
//! Owns: the object's layout.
//!
//! Always true: while `value` is not 0 nobody waits. A permit that is released goes to the first waiter; `in_flight`
//! counts those whose new owner has not run yet, so that the child of a fork gets them back.
//!
//! Called by the interpreter with the GIL held. `acquire` and `__enter__` wait; they are raw methods that hold nothing
//! of PyO3 (see wait.rs, W3). `release` may let others have their turn.

use crate::lock_type::{self, named, none, plain, positional, slot, Head, Object};
use crate::queue::{self, Node, Queue};
use crate::wait::{self, Wake};
use crate::{abi, args, exit, mutex};
use pyo3::ffi;
use std::ffi::{c_int, c_void, CStr};
use std::ptr;

#[repr(C)]
struct Semaphore {
    head: Head,
    queue: Queue,
    value: usize,
    in_flight: usize,
    /// The fork generation of the queue and of `in_flight`.
    epoch: u32,
}

/// Drops what a fork left behind of the parent's waiters.
unsafe fn refresh(this: *mut Semaphore) {
    // SAFETY: a live Semaphore, under the GIL.
    unsafe {
        if (*this).epoch != exit::epoch() {
            (*this).epoch = exit::epoch();
            (*this).queue.forget();
            (*this).value += std::mem::take(&mut (*this).in_flight);
        }
    }
}

#[inline(always)]
unsafe fn try_take(this: *mut Semaphore) -> bool {
    // SAFETY: a live Semaphore, under the GIL.
    unsafe {
        let free = (*this).value > 0;
        (*this).value -= usize::from(free);
        free
    }
}

unsafe fn take(object: Object, deadline: i64) -> Object {
    // SAFETY: the interpreter passes a Semaphore; a reference is held across the wait.
    unsafe {
        let this = object as *mut Semaphore;
        if try_take(this) {
            return mutex::answer(Wake::Signaled);
        }
        ffi::Py_INCREF(object);
        let woke = wait_for_one(this, deadline);
        ffi::Py_DECREF(object);
        mutex::answer(woke)
    }
}

#[inline(never)]
unsafe fn wait_for_one(this: *mut Semaphore, deadline: i64) -> Wake {
    // SAFETY: the caller holds a reference.
    unsafe {
        refresh(this);
        if try_take(this) {
            return Wake::Signaled;
        }
        if deadline == abi::NOWAIT {
            return Wake::TimedOut;
        }
        if !wait::may_enter() {
            return Wake::Raised;
        }
        let mut node = Node::new(0);
        node.arm();
        if try_take(this) {
            return Wake::Signaled; // released while the node was armed
        }
        (*this).queue.push(&mut node);
        let woke = Node::sleep(&mut node, deadline);
        if !node.granted {
            return woke;
        }
        (*this).in_flight = (*this).in_flight.saturating_sub(1);
        if woke == Wake::Raised {
            give(this, 1);
            return woke;
        }
        Wake::Signaled
    }
}

/// Gives permits to those who wait, and keeps the rest.
unsafe fn give(this: *mut Semaphore, permits: usize) {
    // SAFETY: the caller holds a reference; the nodes are signaled last.
    unsafe {
        let (chain, taken) = (*this).queue.take_some(permits);
        (*this).value += permits - taken;
        (*this).in_flight += taken;
        chain.signal();
    }
}

unsafe extern "C" fn init(object: Object, values: Object, keywords: Object) -> c_int {
    // SAFETY: the interpreter passes a Semaphore, a tuple, and a dict or NULL.
    unsafe {
        let Some([value]) = args::parse_call(values, keywords, [c"value"]) else { return -1 };
        let Some(value) = args::count(value, 1) else { return -1 };
        if value < 0 {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"semaphore initial value must be >= 0".as_ptr());
            return -1;
        }
        let this = object as *mut Semaphore;
        if !(*this).queue.is_empty() {
            lock_type::misuse(c"a semaphore that is waited for cannot be made anew");
            return -1;
        }
        (*this).value = value as usize;
        0
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
    // SAFETY: the interpreter passes a Semaphore.
    unsafe { take(this, abi::FOREVER) }
}

unsafe fn put(object: Object, permits: usize) -> Object {
    // SAFETY: the interpreter passes a Semaphore; a reference is held while others may run.
    unsafe {
        let this = object as *mut Semaphore;
        refresh(this);
        if (*this).value.checked_add(permits).is_none_or(|sum| sum > isize::MAX as usize) {
            ffi::PyErr_SetString(ffi::PyExc_OverflowError, c"the semaphore's value is too large".as_ptr());
            return ptr::null_mut();
        }
        if (*this).queue.is_empty() {
            (*this).value += permits;
            return none();
        }
        if !queue::may_signal() {
            return ptr::null_mut();
        }
        ffi::Py_INCREF(object);
        give(this, permits);
        ffi::Py_DECREF(object);
        none()
    }
}

unsafe extern "C" fn release(this: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        let Some([n]) = args::parse(values, count, keywords, [c"n"]) else { return ptr::null_mut() };
        let Some(n) = args::count(n, 1) else { return ptr::null_mut() };
        if n < 1 {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"n must be one or more".as_ptr());
            return ptr::null_mut();
        }
        put(this, n as usize)
    }
}

unsafe extern "C" fn leave(this: Object, _: *mut Object, _: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter passes a Semaphore.
    unsafe { put(this, 1) }
}

unsafe extern "C" fn repr(this: Object) -> Object {
    // SAFETY: the format matches its arguments.
    unsafe {
        let value = (*(this as *mut Semaphore)).value;
        let name = (*ffi::Py_TYPE(this)).tp_name;
        ffi::PyUnicode_FromFormat(c"<%s at %p: value=%zu>".as_ptr(), name, this as *mut c_void, value)
    }
}

const DOC: &CStr = c"Semaphore(value=1)\n--\n\nA number of permits; ``threading.Semaphore`` in its methods.

A permit that is released goes to the one that has waited longest.

Args:
    value: How many permits there are at first.

Raises:
    ValueError: value is negative.

Example:
    >>> import gmp_py
    >>> two = gmp_py.Semaphore(2)
    >>> inside, most = 0, 0
    >>> def work():
    ...     global inside, most
    ...     with two:
    ...         inside += 1
    ...         most = max(most, inside)
    ...         gmp_py.sleep(0.001)
    ...         inside -= 1
    >>> for task in [gmp_py.go(work) for _ in range(10)]:
    ...     task.join()
    >>> most
    2
";

const ACQUIRE_DOC: &CStr =
    c"acquire($self, /, blocking=True, timeout=None)\n--\n\nTakes a permit, waiting until there is one.

Args:
    blocking: Whether to wait at all.
    timeout: Seconds to wait; None, -1 and infinity wait for ever.

Returns:
    Whether a permit was taken.

Raises:
    ValueError: timeout is negative or NaN, or given although blocking is false.
    OverflowError: timeout is too large.
    TypeError: timeout is not a number.

Example:
    >>> import gmp_py
    >>> one = gmp_py.Semaphore()
    >>> one.acquire(), one.acquire(blocking=False), one.acquire(timeout=0.001)
    (True, False, False)
";

const RELEASE_DOC: &CStr = c"release($self, /, n=1)\n--\n\nGives permits back, or new ones.

Args:
    n: How many.

Raises:
    ValueError: n is less than one.

Example:
    >>> import gmp_py
    >>> none = gmp_py.Semaphore(0)
    >>> none.release(2)
    >>> none.acquire(), none.acquire(), none.acquire(False)
    (True, True, False)
";

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> Object {
    let methods = vec![
        named(c"acquire", acquire, ACQUIRE_DOC),
        named(c"release", release, RELEASE_DOC),
        plain(c"__enter__", enter, ffi::METH_NOARGS, c"__enter__($self, /)\n--\n\n"),
        positional(c"__exit__", leave, c"__exit__($self, /, *args)\n--\n\n"),
    ];
    let slots = vec![slot(ffi::Py_tp_repr, repr as *mut c_void), slot(ffi::Py_tp_init, init as *mut c_void)];
    // SAFETY: as the caller promises; a Semaphore begins with its head.
    unsafe { lock_type::make(c"gmp_py.Semaphore", size_of::<Semaphore>(), DOC, methods, slots) }
}
