//! How a call waits on a descriptor: in a task it parks the task, elsewhere it blocks the thread with the GIL released, and
//! the main thread goes on answering signals.
//!
//! Owns: the mark in a target that says what it waits on (`fd_plus_one`, `fd_events`), which requests look at.
//!
//! Always true:
//!  - I1. A task calls the runtime with its thread state attached where the call parks it or returns at once: the class's
//!    hooks give the GIL to the next task. What may block the thread, a lingering close, is called detached.
//!  - I2. Memory that is handed to the runtime belongs to the calling frame (a bytes object of its own, a buffer that it
//!    holds), never to an object that others may change meanwhile.
//!  - I3. Nothing of PyO3 lives across a wait (wait.rs, W3).
//!
//! Called with the GIL held, by net.rs, stream.rs and patched.rs. Blocks its caller, nothing else.

use crate::target::{self, Target};
use crate::{abi, errors, shim, wait};
use pyo3::ffi;
use std::ffi::c_int;

pub const READ: c_int = libc::POLLIN as c_int;
pub const WRITE: c_int = libc::POLLOUT as c_int;

/// How long the main thread waits between two looks for signals.
const SLICE_NS: i64 = 50_000_000;

/// Runs `call`, a function of the runtime that waits on `fd` for `events` until the deadline it is given. Gives what it
/// gave, or None with an exception set: then it has done nothing.
///
/// # Safety
/// The GIL is held; `call` touches no Python object.
pub unsafe fn wait(fd: c_int, events: c_int, deadline: i64, mut call: impl FnMut(i64) -> isize) -> Option<isize> {
    // SAFETY: the GIL is held; a target lives while its owner is here.
    unsafe {
        let target = target::current();
        loop {
            if !target.is_null() {
                if target::take(target) {
                    return None;
                }
                (*target).fd_plus_one = fd.saturating_add(1);
                (*target).fd_events = events;
            }
            let got = attempt(deadline, &mut call);
            if !target.is_null() {
                (*target).fd_plus_one = 0;
                if (*target).fd_cut {
                    (*target).fd_cut = false;
                    abi::gmp_fd_set_deadline(fd, events, abi::FOREVER);
                }
            }
            let got = got?;
            if !is_early(got, deadline) {
                if !target.is_null() && target::has_pending(target) {
                    target::seek(target); // what came too late for this wait
                }
                return Some(got);
            }
            if !target.is_null() && target::take(target) {
                return None;
            }
            // Another's wait on this descriptor was ended: it clears the deadline when it comes to it.
            match shim::shim_caller() {
                shim::CALLER_TASK => abi::gmp_yield(),
                _ => wait::detached(|| abi::gmp_yield()),
            }
        }
    }
}

/// Whether a call ended before its time, because the descriptor's deadline was set.
fn is_early(got: isize, deadline: i64) -> bool {
    // SAFETY: reads the clock.
    got == abi::ETIMEDOUT as isize && deadline != abi::NOWAIT && unsafe { abi::gmp_now() } < deadline
}

/// As `wait`, for a call that waits on no descriptor of the caller's and cannot be taken up again: nothing ends it early, and
/// the main thread does not look for signals meanwhile.
///
/// # Safety
/// As `wait`.
pub unsafe fn wait_once(call: impl FnOnce() -> isize) -> Option<isize> {
    // SAFETY: as `wait`.
    unsafe {
        let target = target::current();
        if !target.is_null() && target::take(target) || !wait::may_enter() {
            return None;
        }
        if shim::shim_current().is_null() {
            Some(wait::detached(call))
        } else {
            Some(call())
        }
    }
}

/// One call, by whoever it is; None with an exception set.
unsafe fn attempt(deadline: i64, call: &mut impl FnMut(i64) -> isize) -> Option<isize> {
    // SAFETY: as `wait`.
    unsafe {
        match shim::shim_caller() {
            shim::CALLER_TASK => Some(call(deadline)),
            shim::CALLER_THREAD if shim::shim_closing() != 0 => {
                errors::STOPPED.raise(c"the interpreter is exiting");
                None
            }
            shim::CALLER_THREAD if wait::is_main_thread() && deadline != abi::NOWAIT => loop {
                let slice = abi::gmp_after_ns(SLICE_NS).min(deadline);
                let got = wait::detached(|| call(slice));
                if got != abi::ETIMEDOUT as isize {
                    return Some(got);
                }
                if ffi::PyErr_CheckSignals() != 0 {
                    return None;
                }
                if slice == deadline || abi::gmp_now() < slice {
                    return Some(got);
                }
            },
            shim::CALLER_THREAD => Some(wait::detached(|| call(deadline))),
            _ => {
                wait::may_enter();
                None
            }
        }
    }
}

/// Ends the wait of a target that is in `wait`: the descriptor's deadline is now.
///
/// # Safety
/// The GIL is held and the target is in `wait`, with its mark set.
pub unsafe fn interrupt(target: *mut Target) {
    // SAFETY: plain reads of a live target. The call never waits.
    unsafe {
        abi::gmp_fd_set_deadline((*target).fd_plus_one - 1, (*target).fd_events, abi::gmp_now());
    }
}

/// What a call gave: its number, or None with an exception set. A try that found nothing has timed out.
///
/// # Safety
/// The GIL is held.
pub unsafe fn decode(got: Option<isize>) -> Option<usize> {
    let got = got?;
    if got >= 0 {
        return Some(got as usize);
    }
    let code = if got == abi::EAGAIN as isize { abi::ETIMEDOUT } else { got as c_int };
    // SAFETY: the GIL is held.
    unsafe { errors::raise_io(code) };
    None
}

/// Sends all of `data` with `send`; how much was sent is lost with an exception.
///
/// # Safety
/// The GIL is held and `data` stays in place.
pub unsafe fn send_all(fd: c_int, data: &[u8], flags: c_int, deadline: i64) -> bool {
    let mut sent = 0;
    // SAFETY: as the caller promises.
    unsafe {
        loop {
            let rest = &data[sent..];
            let got =
                wait(fd, WRITE, deadline, |until| abi::gmp_send(fd, rest.as_ptr().cast(), rest.len(), flags, until));
            let Some(n) = decode(got) else { return false };
            sent += n;
            if sent >= data.len() {
                return true;
            }
        }
    }
}

/// Closes a descriptor and wakes who waits on it.
///
/// # Safety
/// The GIL is held.
pub unsafe fn close(fd: c_int) -> c_int {
    // SAFETY: the GIL is held; `linger` is of the size that is told.
    unsafe {
        match shim::shim_caller() {
            shim::CALLER_NATIVE_TASK | shim::CALLER_HOOK => plain_close(fd),
            shim::CALLER_THREAD if shim::shim_closing() != 0 => plain_close(fd),
            shim::CALLER_THREAD => wait::detached(|| abi::gmp_close_fd(fd)),
            _ if lingers(fd) => wait::detached(|| abi::gmp_close_fd(fd)),
            _ => abi::gmp_close_fd(fd),
        }
    }
}

/// # Safety
/// `fd` belongs to the caller.
pub unsafe fn plain_close(fd: c_int) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        if libc::close(fd) == 0 {
            0
        } else {
            -*libc::__errno_location()
        }
    }
}

/// Whether close(2) may wait for what was not sent yet.
unsafe fn lingers(fd: c_int) -> bool {
    let mut linger = libc::linger { l_onoff: 0, l_linger: 0 };
    let mut size = std::mem::size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: `linger` is of the size that is told.
    let got = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, (&raw mut linger).cast(), &mut size) };
    got == 0 && linger.l_onoff != 0 && linger.l_linger > 0
}
