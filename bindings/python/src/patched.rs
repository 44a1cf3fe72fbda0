//! The methods of sockets that are called once per message, as `gmp_py.monkey.patch_socket` puts them into the class
//! `socket.socket`: in a task they park it, elsewhere they are the interpreter's own.
//!
//! Owns: the descriptors of the interpreter's own methods, taken once and kept for ever.
//!
//! Always true: whatever is not the ordinary case (a plain thread, a non-blocking socket, an argument of an odd kind, a
//! family of addresses that address.rs does not know) is left to the interpreter's own method, which also raises what is
//! to be raised for it.
//!
//! Called by the interpreter with the GIL held. Waits as io.rs says.

use crate::address::Address;
use crate::{abi, args, io, net, shim, stream};
use pyo3::ffi;
use std::ffi::{c_int, CStr};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

type Object = *mut ffi::PyObject;

/// One method of `_socket.socket`; empty until `methods` has run.
struct Own(AtomicPtr<ffi::PyObject>, &'static CStr);

impl Own {
    const fn new(name: &'static CStr) -> Self {
        Own(AtomicPtr::new(ptr::null_mut()), name)
    }

    /// Calls it on `this` with what a fastcall handed over.
    unsafe fn call(&self, this: Object, values: *const Object, count: ffi::Py_ssize_t, names: Object) -> Object {
        // SAFETY: the GIL is held; keyword values follow the positional ones; the copies are borrowed.
        unsafe {
            let named = if names.is_null() { 0 } else { ffi::PyTuple_Size(names) };
            let mut all = [ptr::null_mut(); 8];
            all[0] = this;
            let given = (count + named) as usize;
            if given >= all.len() {
                ffi::PyErr_SetString(ffi::PyExc_TypeError, c"too many arguments".as_ptr());
                return ptr::null_mut();
            }
            for (i, slot) in all[1..=given].iter_mut().enumerate() {
                *slot = *values.add(i);
            }
            ffi::PyObject_Vectorcall(self.0.load(Ordering::Relaxed), all.as_ptr(), count as usize + 1, names)
        }
    }
}

static FILENO: Own = Own::new(c"fileno");
static GETTIMEOUT: Own = Own::new(c"gettimeout");
static RECV: Own = Own::new(c"recv");
static RECV_INTO: Own = Own::new(c"recv_into");
static SEND: Own = Own::new(c"send");
static SENDALL: Own = Own::new(c"sendall");
static ACCEPT: Own = Own::new(c"_accept");

/// The descriptor and the deadline for a call that begins now, when it is one that parks; None: not our case. No
/// exception is set.
unsafe fn parks(this: Object) -> Option<(c_int, i64)> {
    // SAFETY: the GIL is held; the methods are those of the type of `this`.
    unsafe {
        if shim::shim_current().is_null() {
            return None;
        }
        let timeout = GETTIMEOUT.call(this, ptr::null(), 0, ptr::null_mut());
        let deadline = if timeout.is_null() { None } else { args::deadline(timeout) };
        ffi::Py_XDECREF(timeout);
        let number = FILENO.call(this, ptr::null(), 0, ptr::null_mut());
        let fd = if number.is_null() { -1 } else { ffi::PyLong_AsLong(number) as c_int };
        ffi::Py_XDECREF(number);
        if !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        deadline.filter(|&at| at != abi::NOWAIT && fd >= 0).map(|at| (fd, at))
    }
}

/// An optional int of a positional call; None with no exception when the method itself is to complain.
unsafe fn positional_int(values: *const Object, count: ffi::Py_ssize_t, at: ffi::Py_ssize_t) -> Option<c_int> {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        if at >= count {
            return Some(0);
        }
        clear(if ffi::PyLong_Check(*values.offset(at)) != 0 { net::int(*values.offset(at)) } else { None })
    }
}

/// The flags of a call of which they are the second argument; None also for those that forbid it to wait.
unsafe fn waiting_flags(values: *const Object, count: ffi::Py_ssize_t) -> Option<c_int> {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe { positional_int(values, count, 1).filter(|flags| flags & libc::MSG_DONTWAIT == 0) }
}

/// Drops the exception that a failed conversion has set: the method will raise its own.
unsafe fn clear<T>(value: Option<T>) -> Option<T> {
    if value.is_none() {
        // SAFETY: the GIL is held.
        unsafe { ffi::PyErr_Clear() };
    }
    value
}

unsafe extern "C" fn recv(this: Object, values: *mut Object, count: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        if let Some((fd, deadline)) = parks(this).filter(|_| count == 1 || count == 2) {
            let size = positional_int(values, count, 0).filter(|&n| n > 0);
            if let (Some(size), Some(flags)) = (size, waiting_flags(values, count)) {
                return stream::receive(fd, size as ffi::Py_ssize_t, flags, deadline);
            }
        }
        RECV.call(this, values, count, ptr::null_mut())
    }
}

unsafe extern "C" fn recv_into(this: Object, values: *const Object, count: ffi::Py_ssize_t, names: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol; the buffer is held until it is released below.
    unsafe {
        let Some((fd, deadline)) = parks(this) else { return RECV_INTO.call(this, values, count, names) };
        let parsed = clear(args::parse(values, count, names, [c"buffer", c"nbytes", c"flags"]));
        let numbers = parsed.and_then(|[buffer, nbytes, flags]| {
            let wish = clear(net::int(nbytes))?;
            let flags = clear(net::int(flags)).filter(|flags| flags & libc::MSG_DONTWAIT == 0)?;
            let view = clear(stream::view(buffer, ffi::PyBUF_WRITABLE))?;
            Some((view, wish, flags))
        });
        let Some((mut view, wish, flags)) = numbers else { return RECV_INTO.call(this, values, count, names) };
        let n = if wish == 0 { view.len } else { wish as ffi::Py_ssize_t };
        if n <= 0 || n > view.len {
            ffi::PyBuffer_Release(&mut view);
            return RECV_INTO.call(this, values, count, names);
        }
        let room = view.buf;
        let got = io::wait(fd, io::READ, deadline, |until| abi::gmp_recv(fd, room, n as usize, flags, until));
        let got = io::decode(got);
        ffi::PyBuffer_Release(&mut view);
        got.map_or(ptr::null_mut(), |n| ffi::PyLong_FromSize_t(n))
    }
}

/// `send` and `sendall` up to the sending; None: the method itself is to do it.
unsafe fn sending(
    this: Object,
    values: *mut Object,
    count: ffi::Py_ssize_t,
    send: unsafe fn(c_int, &[u8], c_int, i64) -> Object,
) -> Option<Object> {
    // SAFETY: the interpreter's fastcall protocol; the buffer is held until it is released below.
    unsafe {
        let (fd, deadline) = parks(this).filter(|_| count == 1 || count == 2)?;
        let flags = waiting_flags(values, count)?;
        let mut view = clear(stream::view(*values, ffi::PyBUF_SIMPLE))?;
        let start = if view.len == 0 { ptr::dangling() } else { view.buf as *const u8 };
        let result = send(fd, std::slice::from_raw_parts(start, view.len as usize), flags, deadline);
        ffi::PyBuffer_Release(&mut view);
        Some(result)
    }
}

unsafe fn send_some(fd: c_int, data: &[u8], flags: c_int, deadline: i64) -> Object {
    // SAFETY: the GIL is held; the data stays in place.
    unsafe {
        let got = io::wait(fd, io::WRITE, deadline, |until| {
            abi::gmp_send(fd, data.as_ptr().cast(), data.len(), flags, until)
        });
        io::decode(got).map_or(ptr::null_mut(), |n| ffi::PyLong_FromSize_t(n))
    }
}

unsafe fn send_all(fd: c_int, data: &[u8], flags: c_int, deadline: i64) -> Object {
    // SAFETY: as `send_some`.
    unsafe {
        if io::send_all(fd, data, flags, deadline) {
            ffi::Py_NewRef(ffi::Py_None())
        } else {
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn send(this: Object, values: *mut Object, count: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        sending(this, values, count, send_some).unwrap_or_else(|| SEND.call(this, values, count, ptr::null_mut()))
    }
}

unsafe extern "C" fn sendall(this: Object, values: *mut Object, count: ffi::Py_ssize_t) -> Object {
    // SAFETY: the interpreter's fastcall protocol.
    unsafe {
        sending(this, values, count, send_all).unwrap_or_else(|| SENDALL.call(this, values, count, ptr::null_mut()))
    }
}

/// The new connection's descriptor and its peer's address.
unsafe extern "C" fn accept(this: Object, _: Object) -> Object {
    // SAFETY: the GIL is held; the tuple takes over both references.
    unsafe {
        let own = || ACCEPT.call(this, ptr::null(), 0, ptr::null_mut());
        let Some((fd, deadline)) = parks(this) else { return own() };
        if !knows_family(fd) {
            let got = io::wait(fd, io::READ, deadline, |until| abi::gmp_poll_fd(fd, io::READ, until) as isize);
            return if io::decode(got).is_some() { own() } else { ptr::null_mut() };
        }
        let mut peer = Address::new();
        let Some(accepted) = net::accepted(fd, &mut peer, deadline) else { return ptr::null_mut() };
        let address = peer.object();
        let pair = if address.is_null() { address } else { ffi::Py_BuildValue(c"(iN)".as_ptr(), accepted, address) };
        if pair.is_null() {
            io::plain_close(accepted);
        }
        pair
    }
}

unsafe fn knows_family(fd: c_int) -> bool {
    let mut domain: c_int = 0;
    let mut size = std::mem::size_of::<c_int>() as libc::socklen_t;
    // SAFETY: `domain` is of the size that is told.
    let got = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_DOMAIN, (&raw mut domain).cast(), &mut size) };
    got == 0 && [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX].contains(&domain)
}

/// Takes the methods of `kind`, which is `_socket.socket`, and gives a dict of those that replace them.
///
/// # Safety
/// The GIL is held.
pub unsafe fn methods(kind: Object) -> Object {
    const FAST: c_int = ffi::METH_FASTCALL;
    const NAMED: c_int = FAST | ffi::METH_KEYWORDS;
    use ffi::PyMethodDefPointer as F;
    // SAFETY: the GIL is held; the table is leaked; references are dropped where a step fails.
    unsafe {
        if ffi::PyType_Check(kind) == 0 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"a type is required".as_ptr());
            return ptr::null_mut();
        }
        for own in [&FILENO, &GETTIMEOUT, &RECV, &RECV_INTO, &SEND, &SENDALL, &ACCEPT] {
            let method = ffi::PyObject_GetAttrString(kind, own.1.as_ptr());
            if method.is_null() {
                return ptr::null_mut();
            }
            ffi::Py_XDECREF(own.0.swap(method, Ordering::Relaxed));
        }
        let doc = c"As socket.socket's; a task that waits in it is parked.".as_ptr();
        let method =
            |own: &Own, ml_meth, ml_flags| ffi::PyMethodDef { ml_name: own.1.as_ptr(), ml_meth, ml_flags, ml_doc: doc };
        let table = Box::leak(Box::new([
            method(&RECV, F { PyCFunctionFast: recv }, FAST),
            method(&RECV_INTO, F { PyCFunctionFastWithKeywords: recv_into }, NAMED),
            method(&SEND, F { PyCFunctionFast: send }, FAST),
            method(&SENDALL, F { PyCFunctionFast: sendall }, FAST),
            method(&ACCEPT, F { PyCFunction: accept }, ffi::METH_NOARGS),
        ]));
        let found = ffi::PyDict_New();
        if found.is_null() {
            return found;
        }
        for entry in table {
            let descriptor = ffi::PyDescr_NewMethod(kind as *mut ffi::PyTypeObject, entry);
            let set =
                if descriptor.is_null() { -1 } else { ffi::PyDict_SetItemString(found, entry.ml_name, descriptor) };
            ffi::Py_XDECREF(descriptor);
            if set != 0 {
                ffi::Py_DECREF(found);
                return ptr::null_mut();
            }
        }
        found
    }
}
