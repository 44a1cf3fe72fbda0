//! The channel: a queue of Python objects at which tasks and threads wait.
//!
//! Owns: the object's layout and what its operations do.
//!
//! Always true:
//!  - H1. Everything is read and written with the GIL held. An operation changes the channel in one piece: it runs no
//!    Python code, and signals whom it chose as its last step.
//!  - H2. Nobody waits to receive while a value is buffered or a sender waits; nobody waits to send while there is room;
//!    nobody waits at all once it is closed.
//!  - H3. A value belongs to the caller of `send`, the buffer, or a receiver: it changes hands exactly once, when it is
//!    buffered or given to the receiver whose turn it is, whatever becomes of the other's wait meanwhile.
//!  - H4. The buffer holds no more than `capacity` values, but for one that a receiver gave back (`give_back`).
//!
//! Called by: chan_type.rs, select.rs, timer.rs, and whoever has an event to tell by a channel. Blocks its caller in
//! `send` and `recv`.
//!
//! Tried and dropped: the runtime's own channels (they copy elements without the GIL, so references would have to be
//! counted on both sides of a race that the GIL does not have).

use crate::alarms::Alarm;
use crate::case::{Call, Case, Chosen, Line};
use crate::wait::{self, Wake};
use crate::{abi, chan_type, errors, exit};
use pyo3::ffi;
use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::ptr;

type Object = *mut ffi::PyObject;

#[repr(C)]
pub struct Chan {
    ob_base: ffi::PyObject,
    pub weakrefs: Object,
    /// Owned references.
    buffer: UnsafeCell<VecDeque<Object>>,
    pub capacity: usize,
    closed: Cell<bool>,
    /// The fork generation it belongs to.
    epoch: u32,
    /// Of a Ticker's or `after`'s channel, in a box of its own; else null.
    pub alarm: *mut Alarm,
    pub senders: Line,
    pub receivers: Line,
}

/// What an operation that does not wait came to.
pub enum Tried {
    /// Done; for a receive with the value, which is now the caller's. Then the call to signal, or null.
    Done(Object, *mut Call),
    Closed,
    /// It would have to wait.
    Blocked,
    /// No memory for the buffer.
    NoMemory,
}

/// Makes a channel; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held.
pub unsafe fn new(capacity: usize) -> *mut Chan {
    // SAFETY: the type's instances are `Chan`s. The allocation is zeroed, but a deque is not valid so: written before
    // anything can look.
    unsafe {
        let chan = ffi::PyType_GenericAlloc(chan_type::get(), 0) as *mut Chan;
        if !chan.is_null() {
            (&raw mut (*chan).buffer).write(UnsafeCell::new(VecDeque::new()));
            (*chan).capacity = capacity;
            (*chan).epoch = exit::epoch();
        }
        chan
    }
}

/// Whether the caller may use the channel; false with an exception set otherwise.
///
/// # Safety
/// The GIL is held; `chan` lives.
#[inline(always)]
pub unsafe fn may_use(chan: *mut Chan) -> bool {
    // SAFETY: the GIL is held.
    unsafe {
        if (*chan).epoch != exit::epoch() {
            (*chan).senders.forget();
            (*chan).receivers.forget();
            errors::GMP_ERROR.raise(c"this channel belongs to the parent of a fork");
            return false;
        }
        wait::may_enter()
    }
}

impl Chan {
    /// The buffered values.
    ///
    /// The reference is not kept across anything that could look at the channel.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub fn buffer(&self) -> &mut VecDeque<Object> {
        // SAFETY: H1: with the GIL held, between two statements of an operation, nobody else looks.
        unsafe { &mut *self.buffer.get() }
    }

    #[inline(always)]
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Sends `value`, of which it takes a reference of its own, if it can without waiting.
    #[inline(always)]
    pub fn try_send(&self, value: Object) -> Tried {
        if self.is_closed() {
            return Tried::Closed;
        }
        let receiver = self.receivers.take();
        if !receiver.is_null() {
            // SAFETY: a chosen case stays until its call was signaled; the GIL is held.
            unsafe {
                (*receiver).value = ffi::Py_NewRef(value);
                return Tried::Done(ptr::null_mut(), Case::call_of(receiver));
            }
        }
        if self.buffer().len() >= self.capacity {
            return Tried::Blocked;
        }
        if self.buffer().try_reserve(1).is_err() {
            return Tried::NoMemory;
        }
        // SAFETY: the GIL is held.
        self.buffer().push_back(unsafe { ffi::Py_NewRef(value) });
        Tried::Done(ptr::null_mut(), ptr::null_mut())
    }

    /// Receives a value if it can without waiting.
    #[inline(always)]
    pub fn try_recv(&self) -> Tried {
        if let Some(value) = self.buffer().pop_front() {
            // The sender whose turn it is moves up. A place has just become free, so nothing is allocated.
            let sender = if self.buffer().len() < self.capacity { self.senders.take() } else { ptr::null_mut() };
            if !sender.is_null() {
                // SAFETY: a chosen case stays until its call was signaled, and a sender's caller keeps the value.
                self.buffer().push_back(unsafe { ffi::Py_NewRef((*sender).value) });
            }
            // SAFETY: `sender` was taken here.
            return Tried::Done(value, unsafe { Case::call_of(sender) });
        }
        let sender = self.senders.take();
        if !sender.is_null() {
            // SAFETY: as above.
            unsafe { return Tried::Done(ffi::Py_NewRef((*sender).value), Case::call_of(sender)) };
        }
        if self.is_closed() {
            Tried::Closed
        } else {
            Tried::Blocked
        }
    }

    /// Whether `try_send` would not answer Blocked.
    pub fn can_send(&self) -> bool {
        self.is_closed() || self.buffer().len() < self.capacity || !self.receivers.is_empty()
    }

    /// Whether `try_recv` would not answer Blocked.
    pub fn can_recv(&self) -> bool {
        self.is_closed() || !self.buffer().is_empty() || !self.senders.is_empty()
    }

    /// Closes the channel; whoever waits is to be signaled. False when it was closed before.
    pub fn close(&self, chosen: &mut Chosen) -> bool {
        if self.is_closed() {
            return false;
        }
        self.closed.set(true);
        self.receivers.take_all_closed(chosen);
        self.senders.take_all_closed(chosen);
        true
    }

    /// Takes back, as the oldest of all, a value from a receiver that cannot keep it: the next receiver gets it, who is
    /// to be signaled.
    ///
    /// # Safety
    /// The GIL is held. Steals `value`.
    pub unsafe fn give_back(&self, value: Object) -> *mut Call {
        let receiver = self.receivers.take();
        // SAFETY: a chosen case stays until its call was signaled.
        unsafe {
            if !receiver.is_null() {
                (*receiver).value = value;
            } else if self.buffer().try_reserve(1).is_ok() {
                self.buffer().push_front(value);
            } else {
                ffi::Py_DECREF(value);
            }
            Case::call_of(receiver)
        }
    }
}

/// Sends; false with an exception set on failure.
///
/// # Safety
/// The GIL is held; the caller keeps `chan` and `value` alive.
pub unsafe fn send(chan: *mut Chan, value: Object, deadline: i64) -> bool {
    // SAFETY: the call and its case lie on this call's stack and leave the line before it returns.
    unsafe {
        if !may_use(chan) {
            return false;
        }
        match (*chan).try_send(value) {
            Tried::Done(_, peer) => {
                Call::signal(peer);
                return true;
            }
            Tried::Closed => return raise_closed(),
            Tried::NoMemory => return no_memory(),
            Tried::Blocked if deadline == abi::NOWAIT => return timed_out(),
            Tried::Blocked => {}
        }
        let mut call = Call::new();
        let mut case = Case::new(&mut call, value);
        (*chan).senders.push(&mut case);
        let woke = Call::wait(&mut call, deadline);
        case.unlink();
        match woke {
            // The value has gone: what is raised came after that.
            Wake::Raised => false,
            _ if call.chosen.is_null() => timed_out(),
            _ if case.closed => raise_closed(),
            _ => true,
        }
    }
}

/// Receives: a new reference, or NULL, with an exception set unless the channel is closed and drained.
///
/// # Safety
/// The GIL is held; the caller keeps `chan` alive.
pub unsafe fn recv(chan: *mut Chan, deadline: i64) -> Object {
    // SAFETY: as `send`.
    unsafe {
        if !may_use(chan) {
            return ptr::null_mut();
        }
        match (*chan).try_recv() {
            Tried::Done(value, peer) => {
                Call::signal(peer);
                return value;
            }
            Tried::Closed | Tried::NoMemory => return ptr::null_mut(),
            Tried::Blocked if deadline == abi::NOWAIT => {
                timed_out();
                return ptr::null_mut();
            }
            Tried::Blocked => {}
        }
        let mut call = Call::new();
        let mut case = Case::new(&mut call, ptr::null_mut());
        (*chan).receivers.push(&mut case);
        let woke = Call::wait(&mut call, deadline);
        case.unlink();
        match woke {
            Wake::Raised => {
                if !case.value.is_null() {
                    Call::signal((*chan).give_back(case.value));
                }
                ptr::null_mut()
            }
            _ if call.chosen.is_null() => {
                timed_out();
                ptr::null_mut()
            }
            _ => case.value, // NULL when closed
        }
    }
}

/// Closes a channel; false with an exception set when it was closed before.
///
/// # Safety
/// The GIL is held; the caller keeps `chan` alive. Other tasks may run meanwhile.
pub unsafe fn close(chan: *mut Chan) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if !may_use(chan) {
            return false;
        }
        let mut chosen = Chosen::none();
        if !(*chan).close(&mut chosen) {
            return raise_closed();
        }
        chosen.signal();
        true
    }
}

/// # Safety
/// The GIL is held.
pub unsafe fn raise_closed() -> bool {
    // SAFETY: as the caller promises.
    unsafe { errors::CHANNEL_CLOSED.raise(c"the channel is closed") };
    false
}

/// # Safety
/// The GIL is held.
pub unsafe fn timed_out() -> bool {
    // SAFETY: as the caller promises.
    unsafe { ffi::PyErr_SetString(ffi::PyExc_TimeoutError, c"the channel was not ready in time".as_ptr()) };
    false
}

/// # Safety
/// The GIL is held.
pub unsafe fn no_memory() -> bool {
    // SAFETY: as the caller promises.
    unsafe { ffi::PyErr_NoMemory() };
    false
}
