//! Raising an exception in a task, or in a thread that is in a scope, from outside: cancellation, scopes, exit.
//!
//! Owns: what is to be raised at whom (`Target`), and the type that stands for it in the interpreter's slot for
//! asynchronous exceptions.
//!
//! Always true:
//!  - G1. A request is a mark. It becomes one exception, in its target: in the wait that it ends, else in the next wait
//!    of this package, else in a loop that computes. Until then further requests of its kind are the same one.
//!  - G2. A wait that a request ends has had no effect. A wait whose event came first gives its result, and the request
//!    stays for the next one: nothing that was taken is lost.
//!  - G3. A loop is interrupted where no value is in flight: when the interpreter stands at a jump backwards. Who
//!    neither waits nor jumps for `PATIENCE` looks (a long foreign call, recursion) gets it wherever it is then.
//!  - G4. A thread has a target while it is in a scope.
//!
//! Called with the GIL held, by wait.rs, io.rs, exit.rs, task.rs and scope.rs. Blocks nothing.

use crate::clock::Key;
use crate::scope::Scope;
use crate::task::Task;
use crate::wait::Waiter;
use crate::{abi, clock, errors, io, scope, shim};
use pyo3::ffi;
use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What may be asked for; more than one at once. The order of the bits is that of delivery.
pub const EXIT: u8 = 1;
pub const CANCEL: u8 = 2;

pub const SCOPE: u8 = 4;

/// How often one that runs is looked at, and how many looks it may stand in calls only.
const LOOK_NS: i64 = 20_000_000;
const PATIENCE: u32 = 25;

/// All-zero is a target that has not started: requests wait for it.
#[repr(C)]
pub struct Target {
    /// By what name the interpreter knows it; 0 while it cannot be interrupted in its code.
    ident: u64,
    /// A task's thread state; null for a thread, which may end unseen.
    state: *mut ffi::PyThreadState,
    /// What this task waits on, while it waits in a call of this package.
    pub parked: *mut Waiter,
    /// The descriptor that it waits on, plus one, while it is in a call of io.rs; 0: none. And what for.
    pub fd_plus_one: c_int,
    pub fd_events: c_int,
    /// The scopes that it is in, innermost first.
    pub scopes: *mut Scope,
    /// The next look at it, while it runs and a request waits.
    look: Key,
    looks: u32,
    /// How many times over it is in code that only its waits may interrupt.
    masked: u32,
    pending: u8,
    /// In gmp_yield or gmp_checkpoint.
    pub yielding: bool,
    /// The descriptor's deadline was set by `request`.
    pub fd_cut: bool,
    /// `POKE` is, or was, in the interpreter's slot.
    poked: bool,
    /// Its outcome is settled: too late for requests.
    closed: bool,
}

/// What became of a request.
#[derive(PartialEq)]
pub enum Answer {
    /// It will be raised, at the latest in the target's next wait.
    Noted,
    /// The target's outcome is settled.
    TooLate,
}

/// Asks for `what` to be raised at `target`.
///
/// # Safety
/// The GIL is held and the target lives.
pub unsafe fn request(target: *mut Target, what: u8) -> Answer {
    // SAFETY: plain fields of a live target; the GIL orders all access. None of the calls waits.
    unsafe {
        if (*target).closed {
            return Answer::TooLate;
        }
        (*target).pending |= what;
        if !(*target).parked.is_null() {
            Waiter::interrupt((*target).parked);
        } else if (*target).fd_plus_one != 0 {
            (*target).fd_cut = true;
            io::interrupt(target);
        } else {
            seek(target);
        }
        Answer::Noted
    }
}

/// Looks for a place to raise what is pending in one that runs.
///
/// # Safety
/// The GIL is held and the target lives.
pub unsafe fn seek(target: *mut Target) {
    // SAFETY: as `request`; the looks are forgotten before the target ends.
    unsafe {
        if (*target).pending & EXIT != 0 && can_poke(target) {
            poke(target);
        } else if (*target).look == Key::NONE && can_poke(target) {
            (*target).looks = 0;
            look(target as *mut c_void);
        }
    }
}

/// Whether it runs code that may be interrupted. The caller's own code is not: its next wait comes, or the next look.
unsafe fn can_poke(target: *mut Target) -> bool {
    // SAFETY: as `request`.
    unsafe {
        let waits = !(*target).parked.is_null() || (*target).fd_plus_one != 0 || (*target).yielding;
        (*target).pending != 0 && (*target).ident != 0 && (*target).masked == 0 && !(*target).poked && !waits
    }
}

/// One look at a target: interrupts it where it can be, or comes back.
unsafe fn look(target: *mut c_void) {
    // SAFETY: an entry of the clock lives shorter than its target.
    unsafe {
        let target = target as *mut Target;
        (*target).look = Key::NONE;
        if !can_poke(target) {
            return;
        }
        (*target).looks += 1;
        if target != current()
            && ((*target).looks > PATIENCE || shim::shim_at_jump((*target).state, (*target).ident) != 0)
        {
            poke(target);
        } else if can_poke(target) {
            match clock::at(abi::gmp_after_ns(LOOK_NS), look, target as *mut c_void) {
                Some(key) => (*target).look = key,
                None => ffi::PyErr_Clear(), // its next wait will do
            }
        }
    }
}

/// The calling task's target, or that of a thread in a scope; null elsewhere.
pub fn current() -> *mut Target {
    // SAFETY: the running task's object lives.
    unsafe {
        let task = shim::shim_current() as *mut Task;
        if task.is_null() {
            of_thread()
        } else {
            &raw mut (*task).target
        }
    }
}

thread_local! {
    static OF_THREAD: Cell<*mut Target> = const { Cell::new(ptr::null_mut()) };
}

/// Not inlined into code that a task's switch could cut in two.
#[inline(never)]
fn of_thread() -> *mut Target {
    OF_THREAD.get()
}

/// As `current`, and makes one for a thread.
///
/// # Safety
/// The GIL is held; the caller may wait.
pub unsafe fn current_or_new() -> *mut Target {
    let mut target = current();
    if target.is_null() {
        // SAFETY: all-zero is a target that has not started.
        unsafe {
            target = Box::into_raw(Box::new(std::mem::zeroed()));
            (*target).ident = ffi::PyThread_get_thread_ident() as u64;
        }
        OF_THREAD.set(target);
    }
    target
}

/// The calling thread has left its last scope. Nothing happens to a task.
///
/// # Safety
/// The GIL is held.
pub unsafe fn leave_thread() {
    // SAFETY: its own target, which nobody else knows once it is closed.
    unsafe {
        let target = of_thread();
        if shim::shim_current().is_null() && !target.is_null() {
            close(target);
            OF_THREAD.set(ptr::null_mut());
            drop(Box::from_raw(target));
        }
    }
}

/// From now on the interpreter knows the target by `ident`.
///
/// # Safety
/// The GIL is held; called by the target itself.
pub unsafe fn open(target: *mut Target, ident: u64) {
    // SAFETY: as the caller promises.
    unsafe {
        (*target).ident = ident;
        (*target).state = ffi::PyThreadState_Get();
    }
}

/// Until `unmask` only its waits raise what was asked for.
///
/// # Safety
/// The GIL is held; called by the target itself.
pub unsafe fn mask(target: *mut Target) {
    // SAFETY: as the caller promises.
    unsafe {
        (*target).masked += 1;
        withdraw(target);
    }
}

/// # Safety
/// As `mask`, and once for each call of it.
pub unsafe fn unmask(target: *mut Target) {
    // SAFETY: as the caller promises.
    unsafe {
        (*target).masked = (*target).masked.saturating_sub(1); // a thread's may be new
        seek(target);
    }
}

/// From now on it is too late for requests; those that were noted are dropped.
///
/// # Safety
/// The GIL is held; called by the target itself or for one that never started.
pub unsafe fn close(target: *mut Target) {
    // SAFETY: as the caller promises.
    unsafe {
        (*target).closed = true;
        (*target).pending = 0;
        withdraw(target);
        clock::forget(std::mem::replace(&mut (*target).look, Key::NONE));
        scope::forget_owner(target);
    }
}

/// Whether something waits to be raised.
///
/// # Safety
/// The GIL is held; the target is the caller's own.
#[inline(always)]
pub unsafe fn has_pending(target: *mut Target) -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*target).pending != 0 }
}

/// Raises what was asked for, if anything was: true with an exception set.
///
/// # Safety
/// The GIL is held; the target is the caller's own.
#[inline(always)]
pub unsafe fn take(target: *mut Target) -> bool {
    // SAFETY: as the caller promises.
    unsafe { has_pending(target) && raise(target) }
}

#[cold]
unsafe fn raise(target: *mut Target) -> bool {
    // SAFETY: as `take`.
    unsafe {
        let error = next(target);
        settle(target);
        if !error.is_null() {
            ffi::PyErr_SetObject(ffi::Py_TYPE(error) as *mut ffi::PyObject, error);
            ffi::Py_DECREF(error);
        }
        true
    }
}

/// The exception whose turn it is, a new reference; its mark is gone. NULL with an exception set when there is no memory.
unsafe fn next(target: *mut Target) -> *mut ffi::PyObject {
    // SAFETY: the GIL is held; making an exception may run Python code, so the mark goes first.
    unsafe {
        if (*target).pending & EXIT != 0 {
            (*target).pending = 0;
            return ffi::PyObject_CallNoArgs(errors::TASK_EXIT.get());
        }
        if (*target).pending & CANCEL != 0 {
            (*target).pending &= !CANCEL;
            return ffi::PyObject_CallNoArgs(errors::CANCELLED.get());
        }
        (*target).pending = 0;
        scope::deliver(target)
    }
}

/// The type in the interpreter's slot. Called to make the exception, at the moment it is raised, it gives the one whose
/// turn it is: the slot holds no instances.
static POKE: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn poke_new(
    _: *mut ffi::PyTypeObject,
    _: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter in the target. (3.11 may call late, when a finalizer's wait has raised it.)
    unsafe {
        let target = current();
        if target.is_null() || !has_pending(target) {
            return ffi::PyObject_CallNoArgs(errors::CANCELLED.get());
        }
        (*target).poked = false;
        let error = next(target);
        settle(target);
        error
    }
}

/// Has the interpreter raise it where the target is.
unsafe fn poke(target: *mut Target) {
    // SAFETY: the GIL is held; an ident that the interpreter does not know (yet, any more) is ignored.
    unsafe {
        let kind = POKE.load(Ordering::Relaxed);
        (*target).poked = ffi::PyThreadState_SetAsyncExc((*target).ident as c_long, kind) != 0;
    }
}

/// After a delivery: takes back what the interpreter would raise on top, and sees to what is still pending.
unsafe fn settle(target: *mut Target) {
    // SAFETY: as `request`.
    unsafe {
        withdraw(target);
        seek(target);
    }
}

/// Takes the type out of the interpreter's slot.
unsafe fn withdraw(target: *mut Target) {
    // SAFETY: the GIL is held.
    unsafe {
        if std::mem::replace(&mut (*target).poked, false) {
            ffi::PyThreadState_SetAsyncExc((*target).ident as c_long, ptr::null_mut());
        }
    }
}

/// The scope's mark is not wanted any more.
///
/// # Safety
/// The GIL is held; called by the target itself.
pub unsafe fn drop_scope_mark(target: *mut Target) {
    // SAFETY: as the caller promises.
    unsafe {
        (*target).pending &= !SCOPE;
        if (*target).pending == 0 {
            withdraw(target);
        }
    }
}

/// Another scope's exception is to come.
///
/// # Safety
/// As `drop_scope_mark`.
pub unsafe fn add_scope_mark(target: *mut Target) {
    // SAFETY: as the caller promises.
    unsafe { (*target).pending |= SCOPE };
}

/// Makes the type of the slot; -1 with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> c_int {
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [slot(ffi::Py_tp_new, poke_new as *mut c_void), slot(0, ptr::null_mut())];
    let mut spec = ffi::PyType_Spec {
        name: c"gmp_py._Poke".as_ptr(),
        basicsize: 0,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the spec is copied.
    let made = unsafe { ffi::PyType_FromSpecWithBases(&mut spec, ffi::PyExc_BaseException) };
    POKE.store(made, Ordering::Relaxed);
    if made.is_null() {
        -1
    } else {
        0
    }
}
