//! What is due when: the alarms of Timer, Ticker and `after`, and the task that serves them.
//!
//! Owns: the heap of pending alarms; the serving task, which lives while there are any.
//!
//! Always true:
//!  - A1. Everything is read and written with the GIL held. An alarm is in the heap exactly when `place` is not 0, and
//!    `place - 1` is where.
//!  - A2. While an alarm is in the heap the serving task runs, or waits no longer than the earliest is due; unless it
//!    was ended from outside: then the next alarm that is set starts another.
//!  - A3. The heap owns the alarm of a Timer with a reference to its owner. The alarm of a channel belongs to the
//!    channel, which takes it out when it dies: a channel that nobody can receive from costs nothing.
//!
//! Called by: timer_type.rs, chan_type.rs. Blocks nobody but the serving task.
//!
//! Tried and dropped: a task for each timer (5 KB and a switch each, to be cancelled in time); the runtime's timers
//! (they run native tasks, which cannot start Python tasks).

use crate::case::Call;
use crate::chan::{Chan, Tried};
use crate::wait::{self, Waiter, Wake};
use crate::{abi, errors, exit, shim, task};
use pyo3::ffi;
use std::cell::UnsafeCell;
use std::ptr;

type Object = *mut ffi::PyObject;

/// One moment at which something is to be done. All-zero is an alarm that is not set.
#[repr(C)]
pub struct Alarm {
    due: i64,
    /// Of those due at the same moment the one that was set first.
    turn: u64,
    /// The time from one tick to the next; 0: once.
    period: i64,
    place: usize,
    /// What to start; owned, or NULL: the time is sent into `chan`.
    func: Object,
    /// The object that the alarm lies in, owned while it is set; NULL for a channel's.
    owner: Object,
    chan: *mut Chan,
}

struct Service {
    heap: Vec<*mut Alarm>,
    turns: u64,
    serving: bool,
    /// What the serving task waits on.
    sleeper: *mut Waiter,
    /// The fork generation of all this.
    epoch: u32,
    /// The serving task's function and name.
    function: Object,
    name: Object,
}

struct Shared(UnsafeCell<Service>);
// SAFETY: A1: the GIL guards it.
unsafe impl Sync for Shared {}

static SERVICE: Shared = Shared(UnsafeCell::new(Service {
    heap: Vec::new(),
    turns: 0,
    serving: false,
    sleeper: ptr::null_mut(),
    epoch: 0,
    function: ptr::null_mut(),
    name: ptr::null_mut(),
}));

/// The service. The reference is not kept across anything that could let others look.
#[allow(clippy::mut_from_ref)]
fn service() -> &'static mut Service {
    // SAFETY: A1.
    let service = unsafe { &mut *SERVICE.0.get() };
    if service.epoch != exit::epoch() {
        // The child of a fork: the alarms and the task stayed behind.
        service.epoch = exit::epoch();
        service.heap = Vec::new();
        service.serving = false;
        service.sleeper = ptr::null_mut();
    }
    service
}

impl Alarm {
    /// Of a Timer, which lies at `owner`: starts `func`, of which it takes a reference.
    ///
    /// # Safety
    /// The GIL is held.
    pub unsafe fn to_start(func: Object) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Alarm { func: ffi::Py_NewRef(func), ..Alarm::to_send(ptr::null_mut(), 0) } }
    }

    /// Of a channel: sends the time into it, once or every `period` nanoseconds.
    pub fn to_send(chan: *mut Chan, period: i64) -> Self {
        Alarm { due: 0, turn: 0, period, place: 0, func: ptr::null_mut(), owner: ptr::null_mut(), chan }
    }

    /// What a collector must visit; NULL when it is gone.
    pub fn held(&self) -> Object {
        self.func
    }

    /// Drops what it would have started.
    ///
    /// # Safety
    /// The GIL is held and the alarm is not set.
    pub unsafe fn clear(alarm: *mut Alarm) {
        // SAFETY: as the caller promises; the field is empty before Python code can run.
        unsafe { ffi::Py_XDECREF(std::mem::replace(&mut (*alarm).func, ptr::null_mut())) }
    }
}

impl Service {
    /// # Safety
    /// Both are places in the heap.
    unsafe fn is_before(&self, a: usize, b: usize) -> bool {
        // SAFETY: alarms in the heap live (A3).
        unsafe {
            let (a, b) = (&*self.heap[a], &*self.heap[b]);
            (a.due, a.turn) < (b.due, b.turn)
        }
    }

    unsafe fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        // SAFETY: alarms in the heap live (A3).
        unsafe {
            (*self.heap[a]).place = a + 1;
            (*self.heap[b]).place = b + 1;
        }
    }

    /// Moves the alarm at `at` to where it belongs.
    unsafe fn settle(&mut self, mut at: usize) {
        // SAFETY: all indices are below the heap's length.
        unsafe {
            while at > 0 && self.is_before(at, (at - 1) / 2) {
                self.swap(at, (at - 1) / 2);
                at = (at - 1) / 2;
            }
            loop {
                let mut least = at;
                for child in [2 * at + 1, 2 * at + 2] {
                    if child < self.heap.len() && self.is_before(child, least) {
                        least = child;
                    }
                }
                if least == at {
                    return;
                }
                self.swap(at, least);
                at = least;
            }
        }
    }

    /// Puts an alarm in; false when there is no memory.
    unsafe fn insert(&mut self, alarm: *mut Alarm) -> bool {
        if self.heap.try_reserve(1).is_err() {
            return false;
        }
        self.turns += 1;
        self.heap.push(alarm);
        // SAFETY: the alarm lives and is in no heap.
        unsafe {
            (*alarm).turn = self.turns;
            (*alarm).place = self.heap.len();
            self.settle(self.heap.len() - 1);
        }
        true
    }

    /// Takes an alarm out that is in.
    unsafe fn remove(&mut self, alarm: *mut Alarm) {
        // SAFETY: A1 says where it is.
        unsafe {
            let at = (*alarm).place - 1;
            (*alarm).place = 0;
            self.heap.swap_remove(at);
            if at < self.heap.len() {
                (*self.heap[at]).place = at + 1;
                self.settle(at);
            }
        }
    }

    /// The call of the serving task that is to be woken, claimed; or null.
    fn wake(&mut self) -> *mut Waiter {
        let sleeper = std::mem::replace(&mut self.sleeper, ptr::null_mut());
        // SAFETY: the waiter of the serving task lies on its stack while it is noted here.
        if sleeper.is_null() || !unsafe { (*sleeper).claim() } {
            return ptr::null_mut();
        }
        sleeper
    }
}

unsafe fn signal(waiter: *mut Waiter) {
    if !waiter.is_null() {
        // SAFETY: claimed by `wake`.
        unsafe { Waiter::signal(waiter) };
    }
}

/// Sets an alarm that is not set, to `ns` from now; false with an exception set on failure. Takes a reference of
/// `owner` unless that is NULL.
///
/// # Safety
/// The GIL is held; the alarm stays in place until it is not set any more.
pub unsafe fn set(alarm: *mut Alarm, ns: i64, owner: Object) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if !wait::may_enter() {
            return false;
        }
        if shim::shim_stopping() != 0 {
            errors::STOPPED.raise(c"the interpreter is exiting: no new timers");
            return false;
        }
        (*alarm).due = abi::gmp_after_ns(ns);
        (*alarm).owner = ffi::Py_XNewRef(owner);
        let entered = service().insert(alarm);
        if entered && (service().serving || start()) {
            if (*alarm).place == 1 {
                let sleeper = service().wake();
                signal(sleeper);
            }
            return true;
        }
        if entered && (*alarm).place != 0 {
            service().remove(alarm);
        } else if !entered {
            ffi::PyErr_NoMemory();
        }
        ffi::Py_XDECREF(std::mem::replace(&mut (*alarm).owner, ptr::null_mut()));
        false
    }
}

/// Takes an alarm back; false when it was not set. May drop the last reference to its owner.
///
/// # Safety
/// The GIL is held.
pub unsafe fn unset(alarm: *mut Alarm) -> bool {
    // SAFETY: as the caller promises. In the child of a fork the heap is another one: nothing there is set.
    unsafe {
        let service = service();
        if (*alarm).place == 0 || service.heap.get((*alarm).place - 1) != Some(&alarm) {
            return false;
        }
        service.remove(alarm);
        // The end of a channel may come in a native task or a hook, which must not enter the runtime: then the serving
        // task ends when it would have woken.
        let may_wake = !shim::shim_current().is_null() || shim::shim_caller() == shim::CALLER_THREAD;
        let sleeper = if service.heap.is_empty() && may_wake { service.wake() } else { ptr::null_mut() };
        let owner = std::mem::replace(&mut (*alarm).owner, ptr::null_mut());
        signal(sleeper);
        ffi::Py_XDECREF(owner);
        true
    }
}

/// Starts the serving task; false with an exception set on failure.
unsafe fn start() -> bool {
    // SAFETY: the GIL is held; the table of the one function lives as long as the process.
    unsafe {
        if service().function.is_null() {
            let method = Box::leak(Box::new(ffi::PyMethodDef {
                ml_name: c"_serve_timers".as_ptr(),
                ml_meth: ffi::PyMethodDefPointer { PyCFunction: serve },
                ml_flags: ffi::METH_NOARGS,
                ml_doc: ptr::null(),
            }));
            let name = ffi::PyUnicode_FromString(c"gmp_py timers".as_ptr());
            let function =
                if name.is_null() { name } else { ffi::PyCFunction_NewEx(method, ptr::null_mut(), ptr::null_mut()) };
            if function.is_null() {
                ffi::Py_XDECREF(name);
                return false;
            }
            service().name = name;
            service().function = function;
        }
        let task = task::new(service().function, ptr::null_mut());
        if task.is_null() {
            return false;
        }
        service().serving = true;
        let started = task::spawn(task, service().name, ptr::null_mut(), shim::shim_default_stack());
        if !started {
            service().serving = false;
        }
        ffi::Py_DECREF(task as Object);
        started
    }
}

/// The serving task.
unsafe extern "C" fn serve(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held; the waiter leaves `sleeper` before it goes.
    unsafe {
        loop {
            let now = abi::gmp_now();
            while let Some(&first) = service().heap.first() {
                if (*first).due > now {
                    break;
                }
                fire(first, now);
            }
            let mut waiter = Waiter::new();
            waiter.arm();
            let Some(&first) = service().heap.first() else {
                service().serving = false;
                return ffi::Py_NewRef(ffi::Py_None());
            };
            let due = (*first).due;
            if due <= abi::gmp_now() {
                abi::gmp_yield(); // ticks that come faster than they are served leave the others their turns
                continue;
            }
            service().sleeper = &mut waiter;
            let woke = wait::wait(&mut waiter, due);
            if service().sleeper == &raw mut waiter {
                service().sleeper = ptr::null_mut();
            }
            if woke == Wake::Raised {
                service().serving = false;
                return ptr::null_mut();
            }
        }
    }
}

/// Does what an alarm was set for. Others may run meanwhile.
unsafe fn fire(alarm: *mut Alarm, now: i64) {
    // SAFETY: the alarm is set. It is touched no more once its owner's reference is given up, or others may have run.
    unsafe {
        service().remove(alarm);
        let due = (*alarm).due;
        if (*alarm).func.is_null() {
            let chan = (*alarm).chan;
            if (*alarm).period > 0 && !(*chan).is_closed() {
                // In step with the start: a tick that is late does not move those after it. The place is free again.
                let missed = (now - due) / (*alarm).period;
                (*alarm).due = due.saturating_add((*alarm).period.saturating_mul(missed + 1));
                service().insert(alarm);
            }
            send_time(chan, due);
            return;
        }
        let func = std::mem::replace(&mut (*alarm).func, ptr::null_mut());
        let owner = std::mem::replace(&mut (*alarm).owner, ptr::null_mut());
        let task = task::new(func, ptr::null_mut());
        let started =
            !task.is_null() && task::spawn(task, ptr::null_mut(), ptr::null_mut(), shim::shim_default_stack());
        if !started && shim::shim_stopping() != 0 {
            ffi::PyErr_Clear(); // exit takes pending timers with it
        } else if !started {
            ffi::PyErr_WriteUnraisable(func);
        }
        ffi::Py_XDECREF(task as Object);
        ffi::Py_DECREF(func);
        ffi::Py_DECREF(owner);
    }
}

/// Sends a moment into a channel, in seconds of `time.monotonic`, unless there is no room.
unsafe fn send_time(chan: *mut Chan, due: i64) {
    // SAFETY: the GIL is held; the reference keeps the channel while others may run.
    unsafe {
        let value = ffi::PyFloat_FromDouble(due as f64 / 1e9);
        if value.is_null() {
            ffi::PyErr_Clear();
            return;
        }
        ffi::Py_INCREF(chan as Object);
        if let Tried::Done(_, peer) = (*chan).try_send(value) {
            Call::signal(peer);
        }
        ffi::Py_DECREF(value);
        ffi::Py_DECREF(chan as Object);
    }
}
