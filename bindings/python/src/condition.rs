//! Condition: `threading.Condition` for tasks and threads alike.
//!
//! Owns: the object's layout, and the way of a wait: queue, release the lock, sleep, take the lock again. under.rs speaks
//! to the lock under it. condition_type.rs has what the interpreter sees.
//!
//! Always true:
//!  - C1. A waiter is queued before the lock is released, so no `notify` under the lock misses it.
//!  - C2. A wait ends with the lock held, whatever ended it, unless the lock itself refuses or the interpreter exits. An
//!    exception that comes meanwhile is raised after that.
//!  - C3. A notification that was given to a waiter whose wait raises goes to the next one.
//!
//! Called with the GIL held. `sleep` and `wait_for` wait; nothing of PyO3 lives across that (see wait.rs, W3).

use crate::lock_type::{misuse, none, truth, Head, Object};
use crate::queue::{self, Node, Queue};
use crate::under::{self, Saved};
use crate::wait::{self, Wake};
use crate::{abi, args, errors, exit, shim};
use pyo3::ffi;
use std::ffi::CStr;
use std::ptr;

#[repr(C)]
pub struct Condition {
    head: Head,
    queue: Queue,
    /// Owned; null until `__init__`.
    pub lock: Object,
    /// The fork generation of the queue.
    epoch: u32,
}

/// The lock, borrowed; null with an exception set before `__init__`.
///
/// # Safety
/// The GIL is held; `object` is a Condition.
pub unsafe fn lock_of(object: Object) -> Object {
    // SAFETY: as the caller promises.
    unsafe {
        let lock = (*(object as *mut Condition)).lock;
        if lock.is_null() {
            misuse(c"Condition.__init__() was not called");
        }
        lock
    }
}

/// Drops what a fork left behind of the parent's waiters.
///
/// # Safety
/// The GIL is held.
pub unsafe fn refresh(this: *mut Condition) {
    // SAFETY: a live Condition.
    unsafe {
        if (*this).epoch != exit::epoch() {
            (*this).epoch = exit::epoch();
            (*this).queue.forget();
        }
    }
}

/// Whether the caller holds the lock; false with an exception set otherwise.
unsafe fn check_owned(lock: Object, message: &CStr) -> bool {
    // SAFETY: the GIL is held and the lock lives.
    unsafe {
        match under::is_owned(lock) {
            Some(true) => true,
            Some(false) => {
                misuse(message);
                false
            }
            None => false,
        }
    }
}

/// Releases the lock, waits until notified or the deadline, and takes the lock again.
///
/// # Safety
/// The GIL is held; references to `this` and `lock` are held.
unsafe fn sleep(this: *mut Condition, lock: Object, deadline: i64) -> Wake {
    // SAFETY: as the caller promises. The node leaves the queue in `Node::sleep` or by `withdraw`.
    unsafe {
        if !check_owned(lock, c"cannot wait on un-acquired lock") || !wait::may_enter() {
            return Wake::Raised;
        }
        let mut node = Node::new(0);
        node.arm();
        refresh(this);
        (*this).queue.push(&mut node);
        let Some(saved) = under::release(lock) else {
            Node::withdraw(&mut node);
            if node.granted {
                wake(this, 1);
            }
            return Wake::Raised;
        };
        let woke = if deadline == abi::NOWAIT {
            Node::withdraw(&mut node);
            Wake::TimedOut
        } else {
            Node::sleep(&mut node, deadline)
        };
        let mut error = if woke == Wake::Raised { errors::take() } else { ptr::null_mut() };
        take_again(lock, &saved, &mut error);
        if error.is_null() {
            return if node.granted { Wake::Signaled } else { Wake::TimedOut };
        }
        if node.granted {
            wake(this, 1);
        }
        ffi::PyErr_SetObject(ffi::Py_TYPE(error) as Object, error);
        ffi::Py_DECREF(error);
        Wake::Raised
    }
}

/// Takes the lock whatever comes; keeps the first exception in `error`.
unsafe fn take_again(lock: Object, saved: &Saved, error: &mut Object) {
    // SAFETY: the GIL is held; exceptions are owned.
    unsafe {
        while !under::restore(lock, saved) {
            let raised = errors::take();
            if error.is_null() {
                *error = raised;
            } else {
                ffi::Py_DECREF(raised);
            }
            if !saved.is_ours() || shim::shim_closing() != 0 {
                return;
            }
        }
    }
}

/// Wakes up to `most` waiters.
unsafe fn wake(this: *mut Condition, most: usize) {
    // SAFETY: the GIL is held; the caller holds a reference. The nodes are signaled last.
    unsafe {
        let (chain, _) = (*this).queue.take_some(most);
        chain.signal();
    }
}

/// `wait(timeout=None)`.
///
/// # Safety
/// The interpreter's fastcall protocol.
pub unsafe extern "C" fn wait(
    object: Object,
    values: *const Object,
    count: ffi::Py_ssize_t,
    keywords: Object,
) -> Object {
    // SAFETY: the interpreter passes a Condition; references are held across the wait.
    unsafe {
        let Some([timeout]) = args::parse(values, count, keywords, [c"timeout"]) else { return ptr::null_mut() };
        let lock = lock_of(object);
        if lock.is_null() {
            return lock;
        }
        let Some(deadline) = args::lock_deadline(timeout) else { return ptr::null_mut() };
        ffi::Py_INCREF(object);
        ffi::Py_INCREF(lock);
        let woke = sleep(object as *mut Condition, lock, deadline);
        ffi::Py_DECREF(lock);
        ffi::Py_DECREF(object);
        match woke {
            Wake::Raised => ptr::null_mut(),
            woke => truth(woke == Wake::Signaled),
        }
    }
}

/// `wait_for(predicate, timeout=None)`.
///
/// # Safety
/// The interpreter's fastcall protocol.
pub unsafe extern "C" fn wait_for(
    object: Object,
    values: *const Object,
    count: ffi::Py_ssize_t,
    keywords: Object,
) -> Object {
    // SAFETY: as `wait`.
    unsafe {
        let names = [c"predicate", c"timeout"];
        let Some([predicate, timeout]) = args::parse(values, count, keywords, names) else { return ptr::null_mut() };
        if predicate.is_null() {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"a predicate is required".as_ptr());
            return ptr::null_mut();
        }
        let lock = lock_of(object);
        if lock.is_null() {
            return lock;
        }
        let Some(deadline) = args::lock_deadline(timeout) else { return ptr::null_mut() };
        ffi::Py_INCREF(object);
        ffi::Py_INCREF(lock);
        let result = wait_until(object as *mut Condition, lock, predicate, deadline);
        ffi::Py_DECREF(lock);
        ffi::Py_DECREF(object);
        result
    }
}

unsafe fn wait_until(this: *mut Condition, lock: Object, predicate: Object, deadline: i64) -> Object {
    // SAFETY: the caller of `wait_for` holds the references.
    unsafe {
        loop {
            let result = ffi::PyObject_CallNoArgs(predicate);
            if result.is_null() {
                return result;
            }
            let truth = ffi::PyObject_IsTrue(result);
            let over = deadline == abi::NOWAIT || (deadline != abi::FOREVER && abi::gmp_now() >= deadline);
            if truth > 0 || (truth == 0 && over) {
                return result;
            }
            ffi::Py_DECREF(result);
            if truth < 0 || sleep(this, lock, deadline) == Wake::Raised {
                return ptr::null_mut();
            }
        }
    }
}

unsafe fn notify_some(object: Object, most: usize) -> Object {
    // SAFETY: the interpreter passes a Condition; a reference is held while others may run.
    unsafe {
        let lock = lock_of(object);
        if lock.is_null() || !check_owned(lock, c"cannot notify on un-acquired lock") {
            return ptr::null_mut();
        }
        let this = object as *mut Condition;
        refresh(this);
        if (*this).queue.is_empty() {
            return none();
        }
        if !queue::may_signal() {
            return ptr::null_mut();
        }
        ffi::Py_INCREF(object);
        wake(this, most);
        ffi::Py_DECREF(object);
        none()
    }
}

/// `notify(n=1)`.
///
/// # Safety
/// The interpreter's fastcall protocol.
pub unsafe extern "C" fn notify(
    object: Object,
    values: *const Object,
    count: ffi::Py_ssize_t,
    keywords: Object,
) -> Object {
    // SAFETY: as the caller promises.
    unsafe {
        let Some([n]) = args::parse(values, count, keywords, [c"n"]) else { return ptr::null_mut() };
        match args::count(n, 1) {
            Some(n) => notify_some(object, n.max(0) as usize),
            None => ptr::null_mut(),
        }
    }
}

/// `notify_all()`.
///
/// # Safety
/// A METH_NOARGS method of Condition.
pub unsafe extern "C" fn notify_all(object: Object, _: Object) -> Object {
    // SAFETY: as the caller promises.
    unsafe { notify_some(object, usize::MAX) }
}

/// `_at_fork_reinit()`: as made, and so its lock.
///
/// # Safety
/// A METH_NOARGS method of Condition.
pub unsafe extern "C" fn at_fork_reinit(object: Object, _: Object) -> Object {
    // SAFETY: as the caller promises.
    unsafe {
        let lock = lock_of(object);
        if lock.is_null() {
            return lock;
        }
        (*(object as *mut Condition)).queue.forget();
        ffi::PyObject_CallMethod(lock, c"_at_fork_reinit".as_ptr(), ptr::null())
    }
}
