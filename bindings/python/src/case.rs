//! Calls that wait at channels: what each wants (a case), and the line at each side of a channel.
//!
//! Owns: the call, which lies on the waiting call's stack with its cases, and the lines, which lie in channels.
//!
//! Always true:
//!  - C1. Everything is read and written with the GIL held. Nothing here runs Python code or lets go of the GIL, but for
//!    `signal` and `wait`.
//!  - C2. A call is claimed at most once (see wait.rs, W1), by whoever does the operation of one of its cases, which is
//!    `chosen` from then on. The value has changed hands by the time of the signal.
//!  - C3. A case is in a line from `push` until it is chosen, or its call has unlinked it. Cases of a claimed call are
//!    nobody's turn: who meets one in a line takes it out.
//!
//! Called by: chan.rs, select.rs. Blocks nothing but its caller, in `wait`.

use crate::wait::{self, Waiter, Wake};
use pyo3::ffi;
use std::cell::Cell;
use std::ptr;

/// A call that waits until one of its cases was chosen.
pub struct Call {
    waiter: Waiter,
    /// Null until claimed for a case.
    pub chosen: *mut Case,
}

/// One operation at one side of a channel. Not moved while linked.
pub struct Case {
    call: *mut Call,
    prev: *mut Case,
    next: *mut Case,
    line: *const Line,
    /// A sender's value, borrowed from the call's caller; or what a receiver was given, owned.
    pub value: *mut ffi::PyObject,
    /// Chosen because the channel was closed: no value has changed hands.
    pub closed: bool,
}

/// Cases in the order of their coming. Shared: its cases point back at it.
pub struct Line {
    first: Cell<*mut Case>,
    last: Cell<*mut Case>,
}

/// Cases that were chosen all at once, to be signaled.
pub struct Chosen(*mut Case);

impl Call {
    pub fn new() -> Self {
        let mut call = Call { waiter: Waiter::new(), chosen: ptr::null_mut() };
        call.waiter.arm();
        call
    }

    /// Wakes a call that the caller took out of a line. The call may be gone when this returns, and other tasks may
    /// have run.
    ///
    /// # Safety
    /// `call` was taken by the caller and not signaled yet, or is null.
    #[inline(always)]
    pub unsafe fn signal(call: *mut Call) {
        if !call.is_null() {
            // SAFETY: as the caller promises.
            unsafe { Waiter::signal(&raw mut (*call).waiter) };
        }
    }

    /// Waits until a case was chosen, `deadline` passes, or an exception comes. The caller then unlinks its cases and
    /// looks at `chosen`, which may be set however the wait ended.
    ///
    /// # Safety
    /// The GIL is held; `call` stays in place until this returns.
    pub unsafe fn wait(call: *mut Call, deadline: i64) -> Wake {
        // SAFETY: the waiter was armed by `new`.
        unsafe {
            let waiter = &raw mut (*call).waiter;
            let woke = wait::wait(waiter, deadline);
            if woke == Wake::Raised && (*waiter).is_claimed() {
                (*waiter).wait_claimed(); // the signal of a claim that came while a signal's handler ran
            }
            woke
        }
    }
}

impl Case {
    pub fn new(call: *mut Call, value: *mut ffi::PyObject) -> Self {
        Case { call, prev: ptr::null_mut(), next: ptr::null_mut(), line: ptr::null(), value, closed: false }
    }

    /// Takes the case out of its line, if it is in one.
    pub fn unlink(&mut self) {
        if self.line.is_null() {
            return;
        }
        // SAFETY: C3: the line and the neighbours of a linked case live.
        unsafe {
            let line = &*self.line;
            match self.prev.is_null() {
                true => line.first.set(self.next),
                false => (*self.prev).next = self.next,
            }
            match self.next.is_null() {
                true => line.last.set(self.prev),
                false => (*self.next).prev = self.prev,
            }
        }
        self.line = ptr::null();
    }
}

impl Line {
    /// # Safety
    /// `case` is in no line and stays in place until it is unlinked; so does the line.
    pub unsafe fn push(&self, case: *mut Case) {
        let last = self.last.replace(case);
        // SAFETY: as the caller promises, and C3 for the last one.
        unsafe {
            (*case).line = self;
            (*case).prev = last;
            (*case).next = ptr::null_mut();
            match last.is_null() {
                true => self.first.set(case),
                false => (*last).next = case,
            }
        }
    }

    /// The case whose turn it is, or null.
    pub fn front(&self) -> *mut Case {
        loop {
            let first = self.first.get();
            // SAFETY: C3.
            unsafe {
                if first.is_null() || !(*(*first).call).waiter.is_claimed() {
                    return first;
                }
                (*first).unlink();
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.front().is_null()
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        let mut count = 0;
        let mut at = self.first.get();
        while !at.is_null() {
            // SAFETY: C3.
            unsafe {
                count += usize::from(!(*(*at).call).waiter.is_claimed());
                at = (*at).next;
            }
        }
        count
    }

    /// Takes the case whose turn it is and claims its call for it; null when nobody waits. The caller does its operation,
    /// then signals its call.
    pub fn take(&self) -> *mut Case {
        let case = self.front();
        if !case.is_null() {
            // SAFETY: C3; `front` gives cases of unclaimed calls only.
            unsafe {
                (*case).unlink();
                (*(*case).call).waiter.claim();
                (*(*case).call).chosen = case;
            }
        }
        case
    }

    /// Takes every case because the channel was closed.
    pub fn take_all_closed(&self, chosen: &mut Chosen) {
        loop {
            let case = self.take();
            if case.is_null() {
                return;
            }
            // SAFETY: a chosen case stays until its call was signaled. It is in no line, so its link is free.
            unsafe {
                (*case).closed = true;
                (*case).next = chosen.0;
            }
            chosen.0 = case;
        }
    }

    /// Forgets everybody: they stayed behind in a fork's parent.
    pub fn forget(&self) {
        self.first.set(ptr::null_mut());
        self.last.set(ptr::null_mut());
    }
}

impl Case {
    /// The call it belongs to, to be signaled.
    ///
    /// # Safety
    /// `case` was taken by the caller and its call not signaled yet, or is null.
    pub unsafe fn call_of(case: *mut Case) -> *mut Call {
        if case.is_null() {
            return ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { (*case).call }
    }
}

impl Chosen {
    pub const fn none() -> Self {
        Chosen(ptr::null_mut())
    }

    /// Signals them all. Other tasks may run meanwhile.
    ///
    /// # Safety
    /// The GIL is held.
    pub unsafe fn signal(self) {
        let mut at = self.0;
        while !at.is_null() {
            // SAFETY: a chosen case stays until its call is signaled, so its successor is read first.
            unsafe {
                let next = (*at).next;
                Call::signal((*at).call);
                at = next;
            }
        }
    }
}
