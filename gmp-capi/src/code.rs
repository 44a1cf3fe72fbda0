//! The codes that functions answer with, and their texts.
//!
//! Owns: the numbers as C sees them; they are those of `gmp_core::Error` (checked below). Blocks: nothing.

use crate::errno;
use gmp_core::Error;
use std::ffi::{c_char, c_int, CStr};

// The negative ones are written as differences: the macros made of them then have parentheses around them.

/// Success.
pub const GMP_OK: c_int = 0;

/// Not allowed here, for example outside a task. Codes from here to GMP_ECANCELED are errno values (Linux numbers),
/// negated; any other negative value above -4096 is an errno of the system's, passed on as it came.
pub const GMP_EPERM: c_int = 0 - 1;
/// There is no such thing.
pub const GMP_ENOENT: c_int = 0 - 2;
/// Not an open file descriptor.
pub const GMP_EBADF: c_int = 0 - 9;
/// It would have to wait, and was told not to (GMP_NOWAIT); or a resource is short for now.
pub const GMP_EAGAIN: c_int = 0 - 11;
/// Memory or address space is exhausted.
pub const GMP_ENOMEM: c_int = 0 - 12;
/// In use, for example a runtime that runs already.
pub const GMP_EBUSY: c_int = 0 - 16;
/// An argument makes no sense, or the handle is stale.
pub const GMP_EINVAL: c_int = 0 - 22;
/// The other side is gone.
pub const GMP_EPIPE: c_int = 0 - 32;
/// Waiting could never end.
pub const GMP_EDEADLK: c_int = 0 - 35;
/// This version, build or kernel cannot do it.
pub const GMP_ENOTSUP: c_int = 0 - 95;
/// The deadline passed.
pub const GMP_ETIMEDOUT: c_int = 0 - 110;
/// The wait was ended by cancellation, and has had no effect.
pub const GMP_ECANCELED: c_int = 0 - 125;

/// The channel is closed. Codes of our own start here and go down.
pub const GMP_ECLOSED: c_int = 0 - 4097;
/// The runtime is shutting down or stopped.
pub const GMP_ESTOPPED: c_int = 0 - 4098;
/// The task ended by a C++ exception, a Rust panic or gmp_exit. (Any function may answer it for a mistake inside the
/// library that was caught at its boundary; the message is on stderr.)
pub const GMP_EPANIC: c_int = 0 - 4099;
/// The object is not in a state that allows this: a negative wait group, an unpaired gmp_blocking_exit.
pub const GMP_EMISUSE: c_int = 0 - 4100;
/// The object belongs to the parent of a fork.
pub const GMP_EFORKED: c_int = 0 - 4101;

const _: () = {
    assert!(GMP_EPERM == Error::Permission.code());
    assert!(GMP_ENOENT == -libc::ENOENT);
    assert!(GMP_EBADF == -libc::EBADF);
    assert!(GMP_EAGAIN == Error::Again.code());
    assert!(GMP_ENOMEM == Error::NoMemory.code());
    assert!(GMP_EBUSY == Error::Busy.code());
    assert!(GMP_EINVAL == Error::Invalid.code());
    assert!(GMP_EPIPE == -libc::EPIPE);
    assert!(GMP_EDEADLK == Error::Deadlock.code());
    assert!(GMP_ENOTSUP == Error::NotSupported.code());
    assert!(GMP_ETIMEDOUT == Error::TimedOut.code());
    assert!(GMP_ECANCELED == Error::Canceled.code());
    assert!(GMP_ECLOSED == Error::Closed.code());
    assert!(GMP_ESTOPPED == Error::Stopped.code());
    assert!(GMP_EPANIC == Error::Panicked.code());
    assert!(GMP_EMISUSE == Error::Misuse.code());
    assert!(GMP_EFORKED == Error::Forked.code());
};

/// Name and text of each code of the header.
const CODES: [(c_int, &CStr, &CStr); 18] = [
    (GMP_OK, c"GMP_OK", c"success"),
    (GMP_EPERM, c"GMP_EPERM", c"not permitted here"),
    (GMP_ENOENT, c"GMP_ENOENT", c"no such file or object"),
    (GMP_EBADF, c"GMP_EBADF", c"not an open file descriptor"),
    (GMP_EAGAIN, c"GMP_EAGAIN", c"would have to wait, or a resource is short for now"),
    (GMP_ENOMEM, c"GMP_ENOMEM", c"out of memory or address space"),
    (GMP_EBUSY, c"GMP_EBUSY", c"in use, or already running"),
    (GMP_EINVAL, c"GMP_EINVAL", c"invalid argument or stale handle"),
    (GMP_EPIPE, c"GMP_EPIPE", c"the other side is gone"),
    (GMP_EDEADLK, c"GMP_EDEADLK", c"waiting could never end"),
    (GMP_ENOTSUP, c"GMP_ENOTSUP", c"not supported by this version, build or kernel"),
    (GMP_ETIMEDOUT, c"GMP_ETIMEDOUT", c"the deadline passed"),
    (GMP_ECANCELED, c"GMP_ECANCELED", c"canceled"),
    (GMP_ECLOSED, c"GMP_ECLOSED", c"the channel is closed"),
    (GMP_ESTOPPED, c"GMP_ESTOPPED", c"the runtime is shutting down or stopped"),
    (GMP_EPANIC, c"GMP_EPANIC", c"the task ended by an exception, a panic or gmp_exit"),
    (GMP_EMISUSE, c"GMP_EMISUSE", c"the object's state does not allow this"),
    (GMP_EFORKED, c"GMP_EFORKED", c"the object belongs to the parent of a fork"),
];

/// Name and text of any code.
fn describe(code: c_int) -> (&'static CStr, &'static CStr) {
    let ours = CODES.iter().find(|entry| entry.0 == code);
    let system = || errno::ERRNOS.iter().find(|entry| Some(entry.0) == code.checked_neg());
    match ours.or_else(system) {
        Some(&(_, name, text)) => (name, text),
        None if code > 0 => (c"GMP_OK", c"success (a count)"),
        None if code > -4096 => (c"E?", c"an error of the operating system"),
        None => (c"GMP_E?", c"unknown code"),
    }
}

/// What a code means, in a few English words.
///
/// @param code  Any result of a function of this header.
/// @return      A text that stays valid for ever; never NULL, also for unknown codes.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_strerror(code: c_int) -> *const c_char {
    describe(code).1.as_ptr()
}

/// The name of a code: "GMP_ECLOSED", or the errno's name ("EMFILE") for one that was passed on.
///
/// @param code  Any result of a function of this header.
/// @return      A text that stays valid for ever; never NULL, also for unknown codes.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_errname(code: c_int) -> *const c_char {
    describe(code).0.as_ptr()
}
