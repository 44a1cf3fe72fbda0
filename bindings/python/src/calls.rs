//! The module's functions that enter the runtime: raw methods, so that no frame of PyO3 lies under a switch.
//!
//! Owns: the mark that `run` is in progress.
//!
//! Always true: nothing of PyO3 but its C declarations is used here (a test reads this file): PyO3 counts its
//! attachments per OS thread, and a task that parks under such a count leaves it wrong.
//!
//! Called by the interpreter with the GIL held. `run`, `yield_`, `sleep` and `checkpoint` wait; see wait.rs.

use crate::native::{Function, Native};
use crate::task::{self, Task};
use crate::wait::{self, Waiter, Wake};
use crate::{abi, args, docs, errors, exit, shield, shim, target, task_type};
use pyo3::ffi;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

type Object = *mut ffi::PyObject;

/// How long main may clean up when it was interrupted.
const CLEAN_UP_NS: i64 = 250_000_000;

static RUN_IN_PROGRESS: AtomicBool = AtomicBool::new(false);

/// A fork's child is not inside the `run` of its parent.
pub fn forget_run() {
    RUN_IN_PROGRESS.store(false, Ordering::Relaxed);
}

fn none() -> Object {
    // SAFETY: None is immortal or counted here; all callers hold the GIL.
    unsafe { ffi::Py_NewRef(ffi::Py_None()) }
}

/// Makes a task of the callable `values[0]` and its arguments, the `count - 1` values after it.
unsafe fn new_task(values: *const Object, count: ffi::Py_ssize_t) -> *mut Task {
    // SAFETY: the interpreter's fastcall protocol; a fresh tuple is filled before anyone sees it.
    unsafe {
        if count < 1 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"a function is required".as_ptr());
            return ptr::null_mut();
        }
        let func = *values;
        if ffi::PyCallable_Check(func) == 0 {
            ffi::PyErr_Format(ffi::PyExc_TypeError, c"%R is not callable".as_ptr(), func);
            return ptr::null_mut();
        }
        let mut tuple = ptr::null_mut();
        if count > 1 {
            tuple = ffi::PyTuple_New(count - 1);
            if tuple.is_null() {
                return ptr::null_mut();
            }
            for i in 1..count {
                ffi::PyTuple_SET_ITEM(tuple, i - 1, ffi::Py_NewRef(*values.offset(i)));
            }
        }
        task::new(func, tuple)
    }
}

unsafe extern "C" fn go(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe { start(values, count, keywords, ptr::null_mut()) }
}

/// `go` for a Group: the first argument is called with the task's error.
unsafe extern "C" fn go_child(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol; the package passes a first argument.
    unsafe { start(values.add(1), count - 1, keywords, *values) }
}

unsafe fn start(values: *const Object, count: ffi::Py_ssize_t, keywords: Object, on_error: Object) -> Object {
    // SAFETY: a fastcall's values; `on_error` is NULL or borrowed from one of them.
    unsafe {
        let mut options = [ptr::null_mut(); 3];
        let names = [c"name", c"stack_size", c"context"];
        if !args::take_keywords(values.offset(count), keywords, names, &mut options) {
            return ptr::null_mut();
        }
        let options = options.map(|value| if args::is_none(value) { ptr::null_mut() } else { value });
        let [name, stack_size, context] = options;
        if !name.is_null() && ffi::PyUnicode_Check(name) == 0 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"name must be a str or None".as_ptr());
            return ptr::null_mut();
        }
        if !context.is_null() && ffi::PyContext_CheckExact(context) == 0 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"context must be a contextvars.Context or None".as_ptr());
            return ptr::null_mut();
        }
        let Some(stack_size) = stack_bytes(stack_size) else { return ptr::null_mut() };
        let task = new_task(values, count);
        if !task.is_null() && !on_error.is_null() {
            (*task).on_error = ffi::Py_NewRef(on_error);
        }
        if !task.is_null() && !task::spawn(task, name, context, stack_size) {
            ffi::Py_DECREF(task as Object);
            return ptr::null_mut();
        }
        task as Object
    }
}

/// A wish in bytes, raised to what deep recursion needs on this interpreter; NULL is the default.
unsafe fn stack_bytes(wish: Object) -> Option<usize> {
    // SAFETY: the GIL is held.
    unsafe {
        let least = shim::shim_default_stack();
        if wish.is_null() {
            return Some(least);
        }
        let bytes = ffi::PyNumber_AsSsize_t(wish, ffi::PyExc_OverflowError);
        if bytes == -1 && !ffi::PyErr_Occurred().is_null() {
            return None;
        }
        if bytes <= 0 {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"stack_size must be positive".as_ptr());
            return None;
        }
        Some((bytes as usize).max(least))
    }
}

unsafe extern "C" fn run(_: Object, values: *mut Object, count: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter's fastcall protocol; the task is owned until the end of this call.
    unsafe {
        if shim::shim_caller() != shim::CALLER_THREAD || !wait::is_main_thread() {
            errors::MISUSE.raise(c"run is for the main thread");
            return ptr::null_mut();
        }
        if RUN_IN_PROGRESS.load(Ordering::Relaxed) {
            errors::MISUSE.raise(c"run does not nest");
            return ptr::null_mut();
        }
        let task = new_task(values, count);
        if task.is_null() {
            return ptr::null_mut();
        }
        let mut result = ptr::null_mut();
        if task::spawn(task, ptr::null_mut(), ptr::null_mut(), shim::shim_default_stack()) {
            RUN_IN_PROGRESS.store(true, Ordering::Relaxed);
            if task_type::wait_done(task, abi::FOREVER) {
                result = task::outcome(task);
            } else {
                cancel_main(task);
            }
            RUN_IN_PROGRESS.store(false, Ordering::Relaxed);
        }
        ffi::Py_DECREF(task as Object);
        result
    }
}

/// A signal's handler has raised: main is cancelled and may clean up, for a bounded time, before the exception that is
/// set comes out of `run`. Another one meanwhile comes out at once, in its place.
unsafe fn cancel_main(task: *mut Task) {
    // SAFETY: the GIL is held and an exception is set; it is owned between the two calls.
    unsafe {
        let error = errors::take();
        task::cancel(task);
        if task_type::wait_done(task, abi::gmp_after_ns(CLEAN_UP_NS)) {
            ffi::PyErr_SetObject(ffi::Py_TYPE(error) as Object, error);
        } else if ffi::PyErr_ExceptionMatches(ffi::PyExc_TimeoutError) != 0 {
            ffi::PyErr_Clear();
            ffi::PyErr_SetObject(ffi::Py_TYPE(error) as Object, error);
        }
        ffi::Py_DECREF(error);
    }
}

/// Lets others run through `call`, a yielding function of the runtime.
#[inline(always)]
unsafe fn give_way(call: unsafe fn()) -> Object {
    // SAFETY: the GIL is held; a task's own object lives while it runs.
    unsafe {
        let target = target::current();
        if !target.is_null() {
            if target::take(target) {
                return ptr::null_mut();
            }
            (*target).yielding = true;
        }
        match shim::shim_caller() {
            shim::CALLER_TASK => call(),
            shim::CALLER_THREAD => wait::detached(|| call()),
            _ => {
                wait::may_enter();
                return ptr::null_mut();
            }
        }
        if !target.is_null() {
            (*target).yielding = false;
            if target::take(target) {
                return ptr::null_mut();
            }
        }
    }
    none()
}

unsafe fn checkpoint_now() {
    // SAFETY: no precondition. Its code tells of the runtime's own cancellation, which Python tasks do not use: it lasts.
    unsafe { abi::gmp_checkpoint() };
}

unsafe fn yield_now() {
    // SAFETY: no precondition.
    unsafe { abi::gmp_yield() }
}

unsafe extern "C" fn yield_(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe { give_way(yield_now) }
}

unsafe extern "C" fn checkpoint(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe { give_way(checkpoint_now) }
}

/// `sleep(seconds)`.
///
/// # Safety
/// A METH_O method.
pub unsafe extern "C" fn sleep(_: Object, seconds: Object) -> Object {
    // SAFETY: the GIL is held. Where it can be interrupted the wait has a waiter, which nothing else signals.
    unsafe {
        let Some(ns) = args::nanoseconds(seconds) else { return ptr::null_mut() };
        if ns == 0 {
            return give_way(yield_now);
        }
        let woke = if target::current().is_null() {
            wait::sleep(ns)
        } else {
            let mut waiter = Waiter::new();
            waiter.arm();
            wait::wait(&mut waiter, abi::gmp_after_ns(ns))
        };
        if woke == Wake::Raised {
            ptr::null_mut()
        } else {
            none()
        }
    }
}

unsafe extern "C" fn current(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held; the running task's object lives.
    unsafe {
        let task = shim::shim_current();
        if task.is_null() {
            none()
        } else {
            ffi::Py_NewRef(task as Object)
        }
    }
}

unsafe extern "C" fn go_native(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol. That `address` is such a function is the caller's promise.
    unsafe {
        let Some([address, arg]) = args::parse(values, count, keywords, [c"address", c"arg"]) else {
            return ptr::null_mut();
        };
        let Some(address) = pointer(address, c"address is required") else { return ptr::null_mut() };
        let arg = if arg.is_null() { Some(0) } else { pointer(arg, c"arg is required") };
        let Some(arg) = arg else { return ptr::null_mut() };
        if address == 0 {
            ffi::PyErr_SetString(ffi::PyExc_ValueError, c"address must not be 0".as_ptr());
            return ptr::null_mut();
        }
        if shim::shim_stopping() != 0 {
            errors::STOPPED.raise(c"the interpreter is exiting: no new tasks");
            return ptr::null_mut();
        }
        if !wait::may_enter() {
            return ptr::null_mut();
        }
        let task = task::new(ptr::null_mut(), ptr::null_mut());
        if task.is_null() {
            return ptr::null_mut();
        }
        let function = std::mem::transmute::<usize, Function>(address);
        match Native::spawn(function, arg) {
            Ok((record, id)) => {
                (*task).native = record;
                (*task).head.id = id;
                task as Object
            }
            Err(code) => {
                ffi::Py_DECREF(task as Object);
                errors::raise_code(code)
            }
        }
    }
}

unsafe fn pointer(value: Object, missing: &std::ffi::CStr) -> Option<usize> {
    // SAFETY: the GIL is held.
    unsafe {
        if value.is_null() {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, missing.as_ptr());
            return None;
        }
        let number = ffi::PyNumber_Index(value);
        if number.is_null() {
            return None;
        }
        let bits = ffi::PyLong_AsSize_t(number);
        ffi::Py_DECREF(number);
        if bits == usize::MAX && !ffi::PyErr_Occurred().is_null() {
            return None;
        }
        Some(bits)
    }
}

unsafe extern "C" fn max_procs(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        let Some([wish]) = args::parse(values, count, keywords, [c"n"]) else { return ptr::null_mut() };
        let mut n = 0;
        if !args::is_none(wish) {
            let value = ffi::PyNumber_AsSsize_t(wish, ffi::PyExc_OverflowError);
            if value == -1 && !ffi::PyErr_Occurred().is_null() {
                return ptr::null_mut();
            }
            if value < 1 || value > c_int::MAX as ffi::Py_ssize_t {
                ffi::PyErr_SetString(ffi::PyExc_ValueError, c"n must be a positive number of processors".as_ptr());
                return ptr::null_mut();
            }
            n = value as c_int;
        }
        // A plain thread lets go of the GIL: the runtime may wait for machines, and one of them for the GIL.
        let previous = match shim::shim_caller() {
            shim::CALLER_THREAD => wait::detached(|| abi::gmp_max_procs(n)),
            _ if !wait::may_enter() => return ptr::null_mut(),
            _ => abi::gmp_max_procs(n),
        };
        if previous < 0 {
            return errors::raise_code(previous);
        }
        ffi::PyLong_FromLong(previous.into())
    }
}

unsafe extern "C" fn num_tasks(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe { ffi::PyLong_FromLongLong(abi::gmp_num_tasks()) }
}

const FAST: c_int = ffi::METH_FASTCALL;
const FAST_KEYWORDS: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;

/// The functions, in the order of the documentation. The table lives as long as the process.
pub fn methods() -> &'static mut [ffi::PyMethodDef] {
    use ffi::PyMethodDefPointer as F;
    let method = |(name, doc): docs::Entry, ml_meth, ml_flags| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth,
        ml_flags,
        ml_doc: doc.as_ptr(),
    };
    Box::leak(Box::new([
        method(docs::GO, F { PyCFunctionFastWithKeywords: go }, FAST_KEYWORDS),
        method(docs::RUN, F { PyCFunctionFast: run }, FAST),
        method(docs::CURRENT, F { PyCFunction: current }, ffi::METH_NOARGS),
        method(docs::YIELD, F { PyCFunction: yield_ }, ffi::METH_NOARGS),
        method(docs::SLEEP, F { PyCFunction: sleep }, ffi::METH_O),
        method(docs::CHECKPOINT, F { PyCFunction: checkpoint }, ffi::METH_NOARGS),
        method(docs::GO_NATIVE, F { PyCFunctionFastWithKeywords: go_native }, FAST_KEYWORDS),
        method(docs::MAX_PROCS, F { PyCFunctionFastWithKeywords: max_procs }, FAST_KEYWORDS),
        method(docs::NUM_TASKS, F { PyCFunction: num_tasks }, ffi::METH_NOARGS),
        method(docs::GO_CHILD, F { PyCFunctionFastWithKeywords: go_child }, FAST_KEYWORDS),
        method(docs::MASKED, F { PyCFunctionFast: shield::masked }, FAST),
        method(docs::AT_EXIT, F { PyCFunction: exit::at_exit }, ffi::METH_NOARGS),
    ]))
}
