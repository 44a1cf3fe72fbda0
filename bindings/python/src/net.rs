//! The functions below `gmp_py.net` and `gmp_py.monkey`: raw methods, so that no frame of PyO3 lies under a switch.
//!
//! Owns: nothing. Called by the package's Python half, with the GIL held. All but the last ones wait; see
//! io.rs.

use crate::address::{self, Address};
use crate::{abi, args, docs, errors, io, patched, shim, stream};
use pyo3::ffi;
use std::ffi::{c_char, c_int, CStr};
use std::ptr;

type Object = *mut ffi::PyObject;

/// A descriptor's number; a closed one's is negative, and raises what closed ones do.
unsafe fn descriptor(value: Object) -> Option<c_int> {
    // SAFETY: the GIL is held.
    unsafe {
        if value.is_null() {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"a descriptor is required".as_ptr());
            return None;
        }
        let fd = int(value)?;
        if fd < 0 {
            errors::raise_io(-libc::EBADF);
            return None;
        }
        Some(fd)
    }
}

/// A str without NUL, as the C library takes it; borrowed from the object.
unsafe fn text(value: Object, name: &CStr) -> Option<*const c_char> {
    // SAFETY: the GIL is held; the UTF-8 form lives as long as the object and ends with NUL.
    unsafe {
        if value.is_null() || ffi::PyUnicode_Check(value) == 0 {
            ffi::PyErr_Format(ffi::PyExc_TypeError, c"%s must be a str".as_ptr(), name.as_ptr());
            return None;
        }
        let mut length = 0;
        let utf8 = ffi::PyUnicode_AsUTF8AndSize(value, &mut length);
        if utf8.is_null() {
            return None;
        }
        if CStr::from_ptr(utf8).count_bytes() as ffi::Py_ssize_t != length {
            ffi::PyErr_Format(ffi::PyExc_ValueError, c"%s must not contain a NUL character".as_ptr(), name.as_ptr());
            return None;
        }
        Some(utf8)
    }
}

/// What dial and listen answer to a name that they cannot read is a ValueError, everything else an OSError.
unsafe fn raise_named(code: c_int, network: Object, address: Object) -> Object {
    // SAFETY: the GIL is held; the format matches its arguments.
    unsafe {
        if code != abi::EINVAL {
            return errors::raise_io(code);
        }
        ffi::PyErr_Format(
            ffi::PyExc_ValueError,
            c"no such network, or no such form of address: %R, %R".as_ptr(),
            network,
            address,
        );
        ptr::null_mut()
    }
}

unsafe extern "C" fn dial(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol; the strings are kept alive by the caller's references.
    unsafe {
        let names = [c"network", c"address", c"timeout"];
        let Some([network, address, timeout]) = args::parse(values, count, keywords, names) else {
            return ptr::null_mut();
        };
        let Some(network_text) = text(network, c"network") else { return ptr::null_mut() };
        let Some(address_text) = text(address, c"address") else { return ptr::null_mut() };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        let got = io::wait_once(|| abi::gmp_dial(network_text, address_text, deadline) as isize);
        match got {
            None => ptr::null_mut(),
            Some(code) if code < 0 => {
                let code = if code == abi::EAGAIN as isize && deadline == abi::NOWAIT {
                    abi::ETIMEDOUT
                } else {
                    code as c_int
                };
                raise_named(code, network, address)
            }
            Some(fd) => stream::new(fd as c_int),
        }
    }
}

unsafe extern "C" fn listen(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: as `dial`.
    unsafe {
        let Some([network, address]) = args::parse(values, count, keywords, [c"network", c"address"]) else {
            return ptr::null_mut();
        };
        let Some(network_text) = text(network, c"network") else { return ptr::null_mut() };
        let Some(address_text) = text(address, c"address") else { return ptr::null_mut() };
        let got = io::wait_once(|| abi::gmp_listen(network_text, address_text) as isize);
        match got {
            None => ptr::null_mut(),
            Some(code) if code < 0 => raise_named(code as c_int, network, address),
            Some(fd) => ffi::PyLong_FromSsize_t(fd),
        }
    }
}

unsafe extern "C" fn accept(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        let Some([fd, timeout]) = args::parse(values, count, keywords, [c"fd", c"timeout"]) else {
            return ptr::null_mut();
        };
        let Some(fd) = descriptor(fd) else { return ptr::null_mut() };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        match accepted(fd, ptr::null_mut(), deadline) {
            Some(fd) => stream::new(fd),
            None => ptr::null_mut(),
        }
    }
}

/// Takes a connection from a listener, and writes down where it comes from if `peer` is not null.
///
/// # Safety
/// The GIL is held.
pub unsafe fn accepted(fd: c_int, peer: *mut Address, deadline: i64) -> Option<c_int> {
    // SAFETY: as the caller promises; NULL for both pointers is allowed.
    unsafe {
        let got = io::wait(fd, io::READ, deadline, |until| {
            let (storage, length) =
                if peer.is_null() { (ptr::null_mut(), ptr::null_mut()) } else { (*peer).pointers() };
            abi::gmp_accept(fd, storage, length, until) as isize
        });
        io::decode(got).map(|fd| fd as c_int)
    }
}

/// Waits until a descriptor is ready; gives the ready events, 0 when the time is over.
unsafe extern "C" fn wait_fd(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        let Some([fd, events, timeout]) = args::parse(values, count, keywords, [c"fd", c"events", c"timeout"]) else {
            return ptr::null_mut();
        };
        let Some(fd) = descriptor(fd) else { return ptr::null_mut() };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        let Some(events) = int(events) else { return ptr::null_mut() };
        let got = io::wait(fd, events, deadline, |until| abi::gmp_poll_fd(fd, events, until) as isize);
        let late = [abi::ETIMEDOUT as isize, abi::EAGAIN as isize];
        match got {
            None => ptr::null_mut(),
            Some(code) if late.contains(&code) => ffi::PyLong_FromLong(0),
            Some(code) if code < 0 => errors::raise_io(code as c_int),
            Some(ready) => ffi::PyLong_FromSsize_t(ready),
        }
    }
}

/// A C int; NULL is 0.
///
/// # Safety
/// The GIL is held; `value` is NULL or an object.
pub unsafe fn int(value: Object) -> Option<c_int> {
    // SAFETY: the GIL is held.
    unsafe {
        if value.is_null() {
            return Some(0);
        }
        let number = ffi::PyLong_AsLong(value);
        if number == -1 && !ffi::PyErr_Occurred().is_null() {
            return None;
        }
        let Ok(number) = c_int::try_from(number) else {
            ffi::PyErr_SetString(ffi::PyExc_OverflowError, c"the number does not fit a C int".as_ptr());
            return None;
        };
        Some(number)
    }
}

unsafe extern "C" fn close_fd(_: Object, fd: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe {
        let Some(fd) = descriptor(fd) else { return ptr::null_mut() };
        match io::close(fd) {
            code if code < 0 => errors::raise_io(code),
            _ => ffi::Py_NewRef(ffi::Py_None()),
        }
    }
}

unsafe extern "C" fn sendfile(_: Object, values: *const Object, count: ffi::Py_ssize_t, keywords: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol; `at` outlives the call.
    unsafe {
        let names = [c"out_fd", c"in_fd", c"offset", c"count", c"timeout"];
        let Some([out, from, offset, n, timeout]) = args::parse(values, count, keywords, names) else {
            return ptr::null_mut();
        };
        let Some(out) = descriptor(out) else { return ptr::null_mut() };
        let Some(from) = descriptor(from) else { return ptr::null_mut() };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        let mut numbers = [0; 2];
        for (number, value) in numbers.iter_mut().zip([offset, n]) {
            *number = if value.is_null() { 0 } else { ffi::PyLong_AsSsize_t(value) };
            if *number == -1 && !ffi::PyErr_Occurred().is_null() {
                return ptr::null_mut();
            }
        }
        let [mut at, n] = numbers.map(|number| number as i64);
        let got = io::wait(out, io::WRITE, deadline, |until| abi::gmp_sendfile(out, from, &mut at, n as usize, until));
        match io::decode(got) {
            Some(sent) => ffi::PyLong_FromSize_t(sent),
            None => ptr::null_mut(),
        }
    }
}

unsafe extern "C" fn socket_methods(_: Object, kind: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe { patched::methods(kind) }
}

unsafe extern "C" fn socket_address(_: Object, values: *const Object, count: ffi::Py_ssize_t, names: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        let Some([fd, peer]) = args::parse(values, count, names, [c"fd", c"peer"]) else { return ptr::null_mut() };
        let Some(fd) = descriptor(fd) else { return ptr::null_mut() };
        address::of_socket(fd, !peer.is_null() && ffi::PyObject_IsTrue(peer) == 1)
    }
}

/// Whether a task calls; cheaper than `current`.
unsafe extern "C" fn in_task(_: Object, _: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe { ffi::PyBool_FromLong((!shim::shim_current().is_null()).into()) }
}

/// The functions; the table lives as long as the process.
pub fn methods() -> &'static mut [ffi::PyMethodDef] {
    use ffi::PyMethodDefPointer as F;
    const FAST: c_int = ffi::METH_FASTCALL;
    const NAMED: c_int = FAST | ffi::METH_KEYWORDS;
    let method = |(name, doc): docs::Entry, ml_meth, ml_flags| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth,
        ml_flags,
        ml_doc: doc.as_ptr(),
    };
    let named = |f| F { PyCFunctionFastWithKeywords: f };
    Box::leak(Box::new([
        method((c"_dial", c"_dial(network, address, timeout=None)\n--\n\n"), named(dial), NAMED),
        method((c"_listen", c"_listen(network, address)\n--\n\n"), named(listen), NAMED),
        method((c"_accept", c"_accept(fd, timeout=None)\n--\n\n"), named(accept), NAMED),
        method((c"_wait_fd", c"_wait_fd(fd, events, timeout=None)\n--\n\n"), named(wait_fd), NAMED),
        method((c"_close_fd", c"_close_fd(fd, /)\n--\n\n"), F { PyCFunction: close_fd }, ffi::METH_O),
        method(
            (c"_sendfile", c"_sendfile(out_fd, in_fd, offset, count, timeout=None)\n--\n\n"),
            named(sendfile),
            NAMED,
        ),
        method(
            (c"_socket_methods", c"_socket_methods(type, /)\n--\n\n"),
            F { PyCFunction: socket_methods },
            ffi::METH_O,
        ),
        method((c"_socket_address", c"_socket_address(fd, peer=False)\n--\n\n"), named(socket_address), NAMED),
        method((c"_in_task", c"_in_task()\n--\n\n"), F { PyCFunction: in_task }, ffi::METH_NOARGS),
    ]))
}
