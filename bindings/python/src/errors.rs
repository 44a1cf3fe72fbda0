//! The package's exceptions, and how the runtime's codes become them.
//!
//! Owns: the exception types, made once when the module is loaded and kept for ever.
//!
//! Called with the GIL held, by everything. Blocks nothing. Uses the C API only: it is called from below waits.

use crate::abi;
use crate::shim;
use pyo3::ffi;
use std::ffi::{c_int, CStr};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// One exception type; empty until `make` has run.
pub struct Exception(AtomicPtr<ffi::PyObject>);

impl Exception {
    const fn new() -> Self {
        Exception(AtomicPtr::new(ptr::null_mut()))
    }

    /// The type object, borrowed; it lives as long as the process.
    pub fn get(&self) -> *mut ffi::PyObject {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets this exception with `message`.
    ///
    /// # Safety
    /// The GIL is held.
    pub unsafe fn raise(&self, message: &CStr) {
        // SAFETY: the type was made at import, before anything here can be called; the GIL is held.
        unsafe { ffi::PyErr_SetString(self.get(), message.as_ptr()) }
    }
}

pub static GMP_ERROR: Exception = Exception::new();
pub static STOPPED: Exception = Exception::new();
pub static MISUSE: Exception = Exception::new();
pub static TASK_EXIT: Exception = Exception::new();
pub static CANCELLED: Exception = Exception::new();
pub static CHANNEL_CLOSED: Exception = Exception::new();

/// Makes the types; -1 with an exception set on failure.
///
/// # Safety
/// The GIL is held.
pub unsafe fn make() -> c_int {
    // SAFETY: the GIL is held; the names are NUL-terminated; the tuple's references are counted by PyTuple_Pack.
    unsafe {
        let base =
            new_type(c"gmp_py.GmpError", c"Base class of the errors that gmp_py itself raises.", ptr::null_mut());
        let stopped = new_type(c"gmp_py.Stopped", c"The runtime or the interpreter is shutting down.", base);
        let closed = new_type(c"gmp_py.ChannelClosed", c"The channel is closed, and for a receiver drained too.", base);
        let bases = ffi::PyTuple_Pack(2, base, ffi::PyExc_RuntimeError);
        let misuse =
            new_type(c"gmp_py.Misuse", c"A call that can never be right, such as a task that joins itself.", bases);
        ffi::Py_XDECREF(bases);
        let exit = new_type(
            c"gmp_py.TaskExit",
            c"Raised in tasks that still wait when the interpreter exits, so that their ``finally`` blocks run.",
            ffi::PyExc_BaseException,
        );
        let cancelled = new_type(
            c"gmp_py.Cancelled",
            c"Raised in a task whose wait was ended because the task was cancelled.",
            ffi::PyExc_BaseException,
        );
        for (slot, made) in [
            (&GMP_ERROR, base),
            (&STOPPED, stopped),
            (&MISUSE, misuse),
            (&TASK_EXIT, exit),
            (&CANCELLED, cancelled),
            (&CHANNEL_CLOSED, closed),
        ] {
            if made.is_null() {
                return -1;
            }
            slot.0.store(made, Ordering::Relaxed);
        }
        0
    }
}

/// # Safety
/// The GIL is held; `base` is a type, a tuple of types or NULL for Exception.
unsafe fn new_type(name: &CStr, doc: &CStr, base: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as the caller promises.
    unsafe { ffi::PyErr_NewExceptionWithDoc(name.as_ptr(), doc.as_ptr(), base, ptr::null_mut()) }
}

/// Sets the exception that stands for a negative code of the runtime, and gives NULL.
///
/// # Safety
/// The GIL is held.
pub unsafe fn raise_code(code: c_int) -> *mut ffi::PyObject {
    // SAFETY: the GIL is held; gmp_strerror never gives NULL.
    unsafe {
        let kind = match code {
            abi::ENOMEM => return ffi::PyErr_NoMemory(),
            abi::EINVAL => ffi::PyExc_ValueError,
            abi::ESTOPPED => STOPPED.get(),
            abi::EMISUSE => MISUSE.get(),
            abi::ECANCELED => CANCELLED.get(),
            _ => GMP_ERROR.get(),
        };
        ffi::PyErr_SetString(kind, abi::gmp_strerror(code));
    }
    ptr::null_mut()
}

/// Sets the exception for the negative code of a call on a descriptor, and gives NULL: for an errno value the OSError of
/// that kind.
///
/// # Safety
/// The GIL is held.
pub unsafe fn raise_io(code: c_int) -> *mut ffi::PyObject {
    // SAFETY: the GIL is held; errno is this thread's, and nothing comes between writing and reading it.
    unsafe {
        match code {
            abi::ENOMEM => ffi::PyErr_NoMemory(),
            abi::ETIMEDOUT => {
                ffi::PyErr_SetString(ffi::PyExc_TimeoutError, c"timed out".as_ptr());
                ptr::null_mut()
            }
            abi::ECANCELED => raise_code(code),
            code if code < abi::OWN_CODES => raise_code(code),
            code => {
                *libc::__errno_location() = -code;
                ffi::PyErr_SetFromErrno(ffi::PyExc_OSError)
            }
        }
    }
}

/// Takes the exception that is set, with its traceback in place; the caller owns it.
///
/// # Safety
/// The GIL is held and an exception is set.
pub unsafe fn take() -> *mut ffi::PyObject {
    // SAFETY: as the caller promises.
    unsafe { shim::shim_take_exception() }
}
