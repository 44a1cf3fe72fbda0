//! RWLock: held by any number of readers, or by one writer.
//!
//! Owns: the lock's layout and that of its two sides, which `read()` and `write()` give.
//!
//! Always true: who waits is served in the order of coming, readers that stand together at once. So a waiting writer
//! keeps later readers out, and nobody starves. What is handed over is held from then on; `in_flight_*` counts what its
//! new holder has not seen yet, so that the child of a fork gets it back.
//!
//! Called by the interpreter with the GIL held. `acquire` and `__enter__` wait; they are raw methods that hold nothing
//! of PyO3 (see wait.rs, W3). `release` may let others have their turn.

use crate::lock_type::{self, misuse, named, none, plain, positional, slot, truth, Head, Object};
use crate::queue::{self, Chain, Node, Queue};
use crate::wait::{self, Wake};
use crate::{abi, args, exit, mutex};
use pyo3::ffi;
use std::ffi::{c_int, c_void, CStr};
use std::ptr;

const READER: u8 = 0;
const WRITER: u8 = 1;

#[repr(C)]
struct RWLock {
    head: Head,
    queue: Queue,
    readers: usize,
    in_flight_readers: usize,
    /// The fork generation of the queue and of what is in flight.
    epoch: u32,
    writer: bool,
    in_flight_writer: bool,
}

/// What `read()` and `write()` give.
#[repr(C)]
struct Side {
    head: Head,
    lock: *mut RWLock,
    kind: u8,
}

/// Drops what a fork left behind of the parent's waiters.
unsafe fn refresh(lock: *mut RWLock) {
    // SAFETY: a live lock, under the GIL.
    unsafe {
        if (*lock).epoch != exit::epoch() {
            (*lock).epoch = exit::epoch();
            (*lock).queue.forget();
            (*lock).readers -= std::mem::take(&mut (*lock).in_flight_readers);
            (*lock).writer &= !std::mem::take(&mut (*lock).in_flight_writer);
        }
    }
}

impl RWLock {
    /// Whether one of this kind may hold it beside those that do.
    fn admits(&self, kind: u8) -> bool {
        !self.writer && (kind == READER || self.readers == 0)
    }

    fn enter(&mut self, kind: u8) {
        if kind == READER {
            self.readers += 1;
        } else {
            self.writer = true;
        }
    }

    fn leave(&mut self, kind: u8) {
        if kind == READER {
            self.readers -= 1;
        } else {
            self.writer = false;
        }
    }

    fn try_take(&mut self, kind: u8) -> bool {
        let free = self.queue.is_empty() && self.admits(kind);
        if free {
            self.enter(kind);
        }
        free
    }

    fn is_held(&self, kind: u8) -> bool {
        if kind == READER {
            self.readers > 0
        } else {
            self.writer
        }
    }
}

#[inline(never)]
unsafe fn wait_for(lock: *mut RWLock, kind: u8, deadline: i64) -> Wake {
    // SAFETY: the caller holds a reference.
    unsafe {
        refresh(lock);
        if (*lock).try_take(kind) {
            return Wake::Signaled;
        }
        if deadline == abi::NOWAIT {
            return Wake::TimedOut;
        }
        if !wait::may_enter() {
            return Wake::Raised;
        }
        let mut node = Node::new(kind);
        node.arm();
        if (*lock).try_take(kind) {
            return Wake::Signaled; // released while the node was armed
        }
        (*lock).queue.push(&mut node);
        let woke = Node::sleep(&mut node, deadline);
        if !node.granted {
            hand_over(lock); // a writer that gives up may have kept readers out
            return woke;
        }
        if kind == READER {
            (*lock).in_flight_readers = (*lock).in_flight_readers.saturating_sub(1);
        } else {
            (*lock).in_flight_writer = false;
        }
        if woke == Wake::Raised {
            (*lock).leave(kind);
            hand_over(lock);
            return woke;
        }
        Wake::Signaled
    }
}

/// Hands the lock to the first waiters, as many as may hold it together.
unsafe fn hand_over(lock: *mut RWLock) {
    // SAFETY: the caller holds a reference; the nodes are signaled last.
    unsafe {
        let mut chain = Chain::new();
        loop {
            let node = (*lock).queue.first();
            if node.is_null() || !(*lock).admits((*node).kind) {
                break;
            }
            (*lock).enter((*node).kind);
            if (*node).kind == READER {
                (*lock).in_flight_readers += 1;
            } else {
                (*lock).in_flight_writer = true;
            }
            chain.add((*lock).queue.take());
        }
        chain.signal();
    }
}

unsafe fn take(object: Object, deadline: i64) -> Object {
    // SAFETY: the interpreter passes a side; a reference to it, and so to its lock, is held across the wait.
    unsafe {
        let side = object as *mut Side;
        let (lock, kind) = ((*side).lock, (*side).kind);
        if (*lock).try_take(kind) {
            return truth(true);
        }
        ffi::Py_INCREF(object);
        let woke = wait_for(lock, kind, deadline);
        ffi::Py_DECREF(object);
        mutex::answer(woke)
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
    // SAFETY: the interpreter passes a side.
    unsafe { take(this, abi::FOREVER) }
}

unsafe extern "C" fn release(object: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a side; a reference is held while others may run.
    unsafe {
        let side = object as *mut Side;
        let (lock, kind) = ((*side).lock, (*side).kind);
        if !(*lock).is_held(kind) {
            return misuse(c"release unlocked lock");
        }
        refresh(lock);
        if (*lock).queue.is_empty() {
            (*lock).leave(kind);
            return none();
        }
        if !queue::may_signal() {
            return ptr::null_mut();
        }
        (*lock).leave(kind);
        ffi::Py_INCREF(object);
        hand_over(lock);
        ffi::Py_DECREF(object);
        none()
    }
}

unsafe extern "C" fn leave(this: Object, _: *mut Object, _: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter passes a side.
    unsafe { release(this, ptr::null_mut()) }
}

unsafe extern "C" fn locked(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes a side.
    unsafe {
        let side = this as *mut Side;
        truth((*(*side).lock).is_held((*side).kind))
    }
}

unsafe fn side(lock: Object, kind: u8) -> Object {
    // SAFETY: the interpreter passes an RWLock; the new side owns a reference to it.
    unsafe {
        let made = ffi::PyType_GenericAlloc(SIDE.get() as *mut ffi::PyTypeObject, 0);
        if !made.is_null() {
            (*(made as *mut Side)).lock = ffi::Py_NewRef(lock) as *mut RWLock;
            (*(made as *mut Side)).kind = kind;
        }
        made
    }
}

unsafe extern "C" fn read(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an RWLock.
    unsafe { side(this, READER) }
}

unsafe extern "C" fn write(this: Object, _: Object) -> Object {
    // SAFETY: the interpreter passes an RWLock.
    unsafe { side(this, WRITER) }
}

unsafe extern "C" fn side_traverse(this: Object, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the interpreter passes a side.
    unsafe {
        for field in [(*(this as *mut Side)).lock as Object, ffi::Py_TYPE(this) as Object] {
            let code = if field.is_null() { 0 } else { visit(field, arg) };
            if code != 0 {
                return code;
            }
        }
    }
    0
}

unsafe extern "C" fn side_dealloc(this: Object) {
    // SAFETY: the interpreter's protocol for a collected type. A cycle through a side is broken at its lock's dict: a
    // side without its lock would be of no use to a finalizer.
    unsafe {
        ffi::PyObject_GC_UnTrack(this as *mut c_void);
        let lock = std::mem::replace(&mut (*(this as *mut Side)).lock, ptr::null_mut());
        ffi::Py_XDECREF(lock as Object);
        lock_type::dealloc(this);
    }
}

unsafe extern "C" fn repr(this: Object) -> Object {
    // SAFETY: the format matches its arguments.
    unsafe {
        let lock = this as *mut RWLock;
        let name = (*ffi::Py_TYPE(this)).tp_name;
        let writer = if (*lock).writer { c"yes" } else { c"no" };
        let format = c"<%s at %p: readers=%zu writer=%s>";
        ffi::PyUnicode_FromFormat(format.as_ptr(), name, this as *mut c_void, (*lock).readers, writer.as_ptr())
    }
}

static SIDE: lock_type::Made = lock_type::Made::new();

const DOC: &CStr = c"RWLock()\n--\n\nA lock for many readers or one writer.

Those that wait are served in the order of coming, so that a writer waits for the readers before it only. A reader that
reads again inside may wait for a writer that waits for it.

Example:
    >>> import gmp_py
    >>> lock, table = gmp_py.RWLock(), {}
    >>> def put(key, value):
    ...     with lock.write():
    ...         table[key] = value
    >>> def get(key):
    ...     with lock.read():
    ...         return table.get(key)
    >>> gmp_py.go(put, 'a', 1).join()
    >>> gmp_py.go(get, 'a').join()
    1
";

const SIDE_DOC: &CStr = c"One side of an RWLock: what its `read` and `write` give.

Example:
    >>> import gmp_py
    >>> lock = gmp_py.RWLock()
    >>> with lock.read():
    ...     lock.write().acquire(timeout=0.001)
    False
";

const READ_DOC: &CStr = c"read($self, /)\n--\n\nGives the readers' side, to be used in ``with`` or like a Mutex.

Returns:
    An object with ``acquire``, ``release`` and ``locked``; all that one lock gives mean the same.

Example:
    >>> import gmp_py
    >>> lock = gmp_py.RWLock()
    >>> with lock.read(), lock.read():
    ...     lock.write().acquire(blocking=False)
    False
";

const WRITE_DOC: &CStr = c"write($self, /)\n--\n\nGives the writers' side, to be used in ``with`` or like a Mutex.

Returns:
    An object with ``acquire``, ``release`` and ``locked``; all that one lock gives mean the same.

Example:
    >>> import gmp_py
    >>> lock = gmp_py.RWLock()
    >>> with lock.write():
    ...     lock.read().acquire(blocking=False)
    False
";

const RELEASE_DOC: &CStr = c"release($self, /)\n--\n\nGives this side back; any task or thread may.

Raises:
    Misuse: It is not held.

Example:
    >>> import gmp_py
    >>> side = gmp_py.RWLock().read()
    >>> side.acquire()
    True
    >>> side.release()
";

const LOCKED_DOC: &CStr = c"locked($self, /)\n--\n\nTells whether anybody holds this side.

Returns:
    True while it is held.

Example:
    >>> import gmp_py
    >>> lock = gmp_py.RWLock()
    >>> with lock.read():
    ...     lock.read().locked(), lock.write().locked()
    (True, False)
";

/// Makes the types of the lock and of its sides; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> [Object; 2] {
    let none = ffi::METH_NOARGS;
    let sides = vec![
        named(c"acquire", acquire, mutex::ACQUIRE_DOC),
        plain(c"release", release, none, RELEASE_DOC),
        plain(c"locked", locked, none, LOCKED_DOC),
        plain(c"__enter__", enter, none, c"__enter__($self, /)\n--\n\n"),
        positional(c"__exit__", leave, c"__exit__($self, /, *args)\n--\n\n"),
    ];
    let side_slots = vec![
        slot(ffi::Py_tp_dealloc, side_dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, side_traverse as *mut c_void),
    ];
    let methods = vec![plain(c"read", read, none, READ_DOC), plain(c"write", write, none, WRITE_DOC)];
    let slots = vec![slot(ffi::Py_tp_repr, repr as *mut c_void)];
    // SAFETY: as the caller promises; both structs begin with their head, and only `side` makes sides.
    unsafe {
        SIDE.set(lock_type::make_closed(c"gmp_py._locks.Side", size_of::<Side>(), SIDE_DOC, sides, side_slots));
        [lock_type::make(c"gmp_py.RWLock", size_of::<RWLock>(), DOC, methods, slots), SIDE.get()]
    }
}
