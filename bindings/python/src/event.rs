//! Event: `threading.Event` for tasks and threads alike.
//!
//! Owns: the object's layout. Always true: nobody waits while the flag is set.
//!
//! Called by the interpreter with the GIL held. `wait` waits; it is a raw method that holds nothing of PyO3 (see
//! wait.rs, W3). `set` may let others have their turn.

use crate::lock_type::{self, named, none, plain, slot, truth, Head, Object};
use crate::queue::{self, Node, Queue};
use crate::wait::{self, Wake};
use crate::{abi, args, exit, mutex};
use pyo3::ffi;
use std::ffi::{c_void, CStr};
use std::ptr;

#[repr(C)]
struct Event {
    head: Head,
    queue: Queue,
    /// The fork generation of the queue.
    epoch: u32,
    flag: bool,
}

/// Drops what a fork left behind of the parent's waiters.
unsafe fn refresh(this: *mut Event) {
    // SAFETY: a live Event, under the GIL.
    unsafe {
        if (*this).epoch != exit::epoch() {
            (*this).epoch = exit::epoch();
            (*this).queue.forget();
        }
    }
}

unsafe extern "C" fn wait(object: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol; a reference is held across the wait.
    unsafe {
        let Some([timeout]) = args::parse(values, count, keywords, [c"timeout"]) else { return ptr::null_mut() };
        let Some(deadline) = args::lock_deadline(timeout) else { return ptr::null_mut() };
        let this = object as *mut Event;
        if (*this).flag || deadline == abi::NOWAIT {
            return truth((*this).flag);
        }
        if !wait::may_enter() {
            return ptr::null_mut();
        }
        ffi::Py_INCREF(object);
        let mut node = Node::new(0);
        node.arm();
        let woke = if (*this).flag {
            Wake::Signaled // set while the node was armed
        } else {
            refresh(this);
            (*this).queue.push(&mut node);
            let woke = Node::sleep(&mut node, deadline);
            if woke == Wake::TimedOut && node.granted {
                Wake::Signaled
            } else {
                woke
            }
        };
        ffi::Py_DECREF(object);
        mutex::answer(woke)
    }
}

unsafe extern "C" fn set(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an Event; a reference is held while others may run.
    unsafe {
        let this = object as *mut Event;
        refresh(this);
        if !(*this).queue.is_empty() && !queue::may_signal() {
            return ptr::null_mut();
        }
        (*this).flag = true;
        let (chain, _) = (*this).queue.take_some(usize::MAX);
        ffi::Py_INCREF(object);
        chain.signal();
        ffi::Py_DECREF(object);
    }
    none()
}

unsafe extern "C" fn clear(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an Event.
    unsafe { (*(this as *mut Event)).flag = false };
    none()
}

unsafe extern "C" fn is_set(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an Event.
    unsafe { truth((*(this as *mut Event)).flag) }
}

unsafe extern "C" fn at_fork_reinit(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an Event.
    unsafe { (*(this as *mut Event)).queue.forget() };
    none()
}

unsafe extern "C" fn repr(this: Object) -> Object {
    // SAFETY: the format matches its arguments.
    unsafe {
        let state = if (*(this as *mut Event)).flag { c"set" } else { c"unset" };
        let name = (*ffi::Py_TYPE(this)).tp_name;
        ffi::PyUnicode_FromFormat(c"<%s at %p: %s>".as_ptr(), name, this as *mut c_void, state.as_ptr())
    }
}

const DOC: &CStr = c"Event()\n--\n\nA flag that tasks and threads wait for; ``threading.Event`` in its methods.

Example:
    >>> import gmp_py
    >>> event = gmp_py.Event()
    >>> waiters = [gmp_py.go(event.wait) for _ in range(3)]
    >>> event.set()
    >>> [task.join() for task in waiters]
    [True, True, True]
";

const WAIT_DOC: &CStr = c"wait($self, /, timeout=None)\n--\n\nWaits until the flag is set.

Args:
    timeout: Seconds to wait; None, -1 and infinity wait for ever.

Returns:
    True, or False when the time is over.

Raises:
    ValueError: timeout is negative or NaN.
    OverflowError: timeout is too large.
    TypeError: timeout is not a number.

Example:
    >>> import gmp_py
    >>> gmp_py.Event().wait(timeout=0.001)
    False
";

const SET_DOC: &CStr = c"set($self, /)\n--\n\nSets the flag and wakes all that wait.

Example:
    >>> import gmp_py
    >>> event = gmp_py.Event()
    >>> event.set()
    >>> event.wait()
    True
";

const CLEAR_DOC: &CStr = c"clear($self, /)\n--\n\nResets the flag: from now on `wait` waits again.

Example:
    >>> import gmp_py
    >>> event = gmp_py.Event()
    >>> event.set()
    >>> event.clear()
    >>> event.is_set()
    False
";

const IS_SET_DOC: &CStr = c"is_set($self, /)\n--\n\nTells whether the flag is set.

Returns:
    True when `wait` would answer at once.

Example:
    >>> import gmp_py
    >>> gmp_py.Event().is_set()
    False
";

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> Object {
    let none = ffi::METH_NOARGS;
    let methods = vec![
        named(c"wait", wait, WAIT_DOC),
        plain(c"set", set, none, SET_DOC),
        plain(c"clear", clear, none, CLEAR_DOC),
        plain(c"is_set", is_set, none, IS_SET_DOC),
        plain(c"_at_fork_reinit", at_fork_reinit, none, c"_at_fork_reinit($self, /)\n--\n\n"),
    ];
    let slots = vec![slot(ffi::Py_tp_repr, repr as *mut c_void)];
    // SAFETY: as the caller promises; an Event begins with its head.
    unsafe { lock_type::make(c"gmp_py.Event", size_of::<Event>(), DOC, methods, slots) }
}
