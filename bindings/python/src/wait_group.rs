//! WaitGroup: waits until a count is back at zero.
//!
//! Owns: the object's layout. Always true: nobody waits while the count is zero; it is never negative.
//!
//! Called by the interpreter with the GIL held. `wait` waits; it is a raw method that holds nothing of PyO3 (see
//! wait.rs, W3). `add` and `done` may let others have their turn.

use crate::lock_type::{self, misuse, named, none, plain, slot, Head, Object};
use crate::queue::{self, Node, Queue};
use crate::wait::{self, Wake};
use crate::{abi, args, exit};
use pyo3::ffi;
use std::ffi::{c_void, CStr};
use std::ptr;

#[repr(C)]
struct WaitGroup {
    head: Head,
    queue: Queue,
    count: isize,
    /// The fork generation of the queue.
    epoch: u32,
}

/// Drops what a fork left behind of the parent's waiters.
unsafe fn refresh(this: *mut WaitGroup) {
    // SAFETY: a live WaitGroup, under the GIL.
    unsafe {
        if (*this).epoch != exit::epoch() {
            (*this).epoch = exit::epoch();
            (*this).queue.forget();
        }
    }
}

unsafe fn change(object: Object, by: isize) -> Object {
    // SAFETY: the interpreter passes a WaitGroup; a reference is held while others may run.
    unsafe {
        let this = object as *mut WaitGroup;
        let Some(count) = (*this).count.checked_add(by) else {
            ffi::PyErr_SetString(ffi::PyExc_OverflowError, c"the count is too large".as_ptr());
            return ptr::null_mut();
        };
        if count < 0 {
            return misuse(c"the count of a WaitGroup would be negative");
        }
        refresh(this);
        if count > 0 || (*this).queue.is_empty() {
            (*this).count = count;
            return none();
        }
        if !queue::may_signal() {
            return ptr::null_mut();
        }
        (*this).count = 0;
        let (chain, _) = (*this).queue.take_some(usize::MAX);
        ffi::Py_INCREF(object);
        chain.signal();
        ffi::Py_DECREF(object);
        none()
    }
}

unsafe extern "C" fn add(this: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        let Some([n]) = args::parse(values, count, keywords, [c"n"]) else { return ptr::null_mut() };
        match args::count(n, 1) {
            Some(n) => change(this, n),
            None => ptr::null_mut(),
        }
    }
}

unsafe extern "C" fn done(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a WaitGroup.
    unsafe { change(this, -1) }
}

unsafe extern "C" fn wait(object: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol; a reference is held across the wait.
    unsafe {
        let Some([timeout]) = args::parse(values, count, keywords, [c"timeout"]) else { return ptr::null_mut() };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        let this = object as *mut WaitGroup;
        if (*this).count == 0 {
            return none();
        }
        if deadline != abi::NOWAIT && !wait::may_enter() {
            return ptr::null_mut();
        }
        ffi::Py_INCREF(object);
        let woke = if deadline == abi::NOWAIT { Wake::TimedOut } else { wait_until(this, deadline) };
        ffi::Py_DECREF(object);
        match woke {
            Wake::Signaled => none(),
            Wake::Raised => ptr::null_mut(),
            Wake::TimedOut => {
                ffi::PyErr_SetString(ffi::PyExc_TimeoutError, c"the count is not at zero in time".as_ptr());
                ptr::null_mut()
            }
        }
    }
}

unsafe fn wait_until(this: *mut WaitGroup, deadline: i64) -> Wake {
    // SAFETY: the caller holds a reference.
    unsafe {
        let mut node = Node::new(0);
        node.arm();
        if (*this).count == 0 {
            return Wake::Signaled; // done while the node was armed
        }
        refresh(this);
        (*this).queue.push(&mut node);
        let woke = Node::sleep(&mut node, deadline);
        if woke == Wake::TimedOut && node.granted {
            return Wake::Signaled;
        }
        woke
    }
}

unsafe extern "C" fn repr(this: Object) -> Object {
    // SAFETY: the format matches its arguments.
    unsafe {
        let count = (*(this as *mut WaitGroup)).count;
        let name = (*ffi::Py_TYPE(this)).tp_name;
        ffi::PyUnicode_FromFormat(c"<%s at %p: count=%zd>".as_ptr(), name, this as *mut c_void, count)
    }
}

const DOC: &CStr = c"WaitGroup()\n--\n\nA count of what is not done yet, and a way to wait until it is zero.

Example:
    >>> import gmp_py
    >>> group, found = gmp_py.WaitGroup(), []
    >>> def look(n):
    ...     gmp_py.yield_()
    ...     found.append(n)
    ...     group.done()
    >>> for n in range(3):
    ...     group.add()
    ...     task = gmp_py.go(look, n)
    >>> group.wait()
    >>> sorted(found)
    [0, 1, 2]
";

const ADD_DOC: &CStr = c"add($self, /, n=1)\n--\n\nAdds to the count; those that wait go on when it becomes zero.

Call it before what is counted starts, not in it: there it may come after the `wait`.

Args:
    n: How much; it may be negative.

Raises:
    Misuse: The count would be negative. It stays.

Example:
    >>> import gmp_py
    >>> group = gmp_py.WaitGroup()
    >>> group.add(2)
    >>> group.add(-2)
    >>> group.wait()
";

const DONE_DOC: &CStr = c"done($self, /)\n--\n\nTakes one from the count.

Raises:
    Misuse: The count is zero.

Example:
    >>> import gmp_py
    >>> group = gmp_py.WaitGroup()
    >>> group.add()
    >>> group.done()
    >>> group.wait()
";

const WAIT_DOC: &CStr = c"wait($self, /, timeout=None)\n--\n\nWaits until the count is zero.

Args:
    timeout: Seconds to wait; None or infinity waits for ever.

Raises:
    TimeoutError: The time is over.

Example:
    >>> import gmp_py
    >>> group = gmp_py.WaitGroup()
    >>> group.add()
    >>> group.wait(timeout=0.001)
    Traceback (most recent call last):
        ...
    TimeoutError: the count is not at zero in time
";

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> Object {
    let methods = vec![
        named(c"add", add, ADD_DOC),
        plain(c"done", done, ffi::METH_NOARGS, DONE_DOC),
        named(c"wait", wait, WAIT_DOC),
    ];
    let slots = vec![slot(ffi::Py_tp_repr, repr as *mut c_void)];
    // SAFETY: as the caller promises; a WaitGroup begins with its head.
    unsafe { lock_type::make(c"gmp_py.WaitGroup", size_of::<WaitGroup>(), DOC, methods, slots) }
}
