//! The Stream type of `gmp_py.net`: a connection with a buffer for what was read ahead.
//!
//! Owns: the type object, the descriptor of each stream, what `readline` read beyond its line.
//!
//! Always true:
//!  - S1. The buffer is touched between waits only: a wait fills memory of its own, which is appended after it. So two
//!    tasks that read one stream share its bytes, and none is lost or doubled.
//!  - S2. `close` takes the descriptor out of the stream before it closes it; who waits on it is woken with EBADF.
//!  - S3. Nobody waits on the descriptor of a stream that is deallocated: a waiting call holds a reference.
//!
//! Called by the interpreter with the GIL held; stream_type.rs makes the type. Reads and writes wait (io.rs).

use crate::{abi, address, args, errors, io, stream_type};
use pyo3::ffi;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

type Object = *mut ffi::PyObject;

extern "C" {
    /// Public, and left out by PyO3. Only for a bytes object that nobody else has seen; NULL in it on failure.
    fn _PyBytes_Resize(bytes: *mut Object, size: ffi::Py_ssize_t) -> c_int;
}

/// How much `readline` and `read(-1)` ask for at a time.
const CHUNK: usize = 8192;

#[repr(C)]
pub struct Stream {
    pub ob_base: ffi::PyObject,
    /// -1 once closed.
    fd: c_int,
    /// The front of `ahead` that was given out already.
    taken: usize,
    /// Null until something was read ahead.
    ahead: *mut Vec<u8>,
    pub weakrefs: Object,
}

/// A stream on a descriptor, which it takes over, on failure too; NULL with an exception set then.
///
/// # Safety
/// The GIL is held; `fd` belongs to the caller.
pub unsafe fn new(fd: c_int) -> Object {
    // SAFETY: instances come zeroed, which is valid for every field.
    unsafe {
        let stream = ffi::PyType_GenericAlloc(stream_type::get(), 0) as *mut Stream;
        if stream.is_null() {
            io::plain_close(fd);
            return ptr::null_mut();
        }
        (*stream).fd = fd;
        stream as Object
    }
}

impl Stream {
    /// The open descriptor; None with an exception set.
    unsafe fn open_fd(&self) -> Option<c_int> {
        if self.fd < 0 {
            // SAFETY: the GIL is held.
            unsafe { errors::raise_io(-libc::EBADF) };
            return None;
        }
        Some(self.fd)
    }

    /// What was read ahead and not given out. Valid until Python code runs or a wait begins.
    unsafe fn waiting(&self) -> &[u8] {
        if self.ahead.is_null() {
            return &[];
        }
        // SAFETY: a Box that this object owns.
        unsafe { &(&*self.ahead)[self.taken..] }
    }

    /// Takes `n` bytes of what was read ahead.
    unsafe fn take(&mut self, n: usize) -> Object {
        // SAFETY: the slice lives until the vector is touched, which is after it was copied.
        unsafe {
            let front = &self.waiting()[..n];
            let result = ffi::PyBytes_FromStringAndSize(front.as_ptr() as *const c_char, n as isize);
            if !result.is_null() {
                self.advance(n);
            }
            result
        }
    }

    unsafe fn advance(&mut self, n: usize) {
        self.taken += n;
        if self.ahead.is_null() {
            return;
        }
        // SAFETY: a Box that this object owns.
        unsafe {
            if self.taken == (&*self.ahead).len() {
                self.drop_ahead();
            }
        }
    }

    pub unsafe fn drop_ahead(&mut self) {
        self.taken = 0;
        if !self.ahead.is_null() {
            // SAFETY: made by Box::into_raw in `keep`.
            drop(unsafe { Box::from_raw(std::mem::replace(&mut self.ahead, ptr::null_mut())) });
        }
    }

    /// Appends what was read; false with MemoryError set.
    unsafe fn keep(&mut self, bytes: Vec<u8>) -> bool {
        // SAFETY: the GIL is held; the vector is this object's.
        unsafe {
            if self.ahead.is_null() {
                self.ahead = Box::into_raw(Box::new(bytes));
                self.taken = 0;
                return true;
            }
            let ahead = &mut *self.ahead;
            ahead.drain(..std::mem::take(&mut self.taken));
            if ahead.try_reserve(bytes.len()).is_err() {
                ffi::PyErr_NoMemory();
                return false;
            }
            ahead.extend_from_slice(&bytes);
            true
        }
    }
}

/// Reads once into memory of its own and keeps it. Some(false): the stream's end.
unsafe fn read_ahead(stream: *mut Stream, deadline: i64) -> Option<bool> {
    // SAFETY: the GIL is held, the caller holds a reference; the stream is not borrowed across the wait.
    unsafe {
        let fd = (*stream).open_fd()?;
        let mut chunk = Vec::new();
        if chunk.try_reserve_exact(CHUNK).is_err() {
            ffi::PyErr_NoMemory();
            return None;
        }
        let room: *mut u8 = chunk.as_mut_ptr();
        let got = io::wait(fd, io::READ, deadline, |until| abi::gmp_recv(fd, room.cast(), CHUNK, 0, until));
        let n = io::decode(got)?;
        chunk.set_len(n);
        chunk.shrink_to_fit();
        Some(n > 0 && (*stream).keep(chunk)).filter(|_| ffi::PyErr_Occurred().is_null())
    }
}

/// A number of bytes; NULL and None are -1.
unsafe fn size(value: Object) -> Option<ffi::Py_ssize_t> {
    // SAFETY: the GIL is held.
    unsafe {
        if args::is_none(value) {
            return Some(-1);
        }
        let n = ffi::PyNumber_AsSsize_t(value, ffi::PyExc_OverflowError);
        (n != -1 || ffi::PyErr_Occurred().is_null()).then_some(n)
    }
}

pub unsafe extern "C" fn read(this: Object, values: *const Object, count: ffi::Py_ssize_t, names: Object) -> Object {
    // SAFETY: the interpreter's fastcall protocol; the caller holds a reference to the stream.
    unsafe {
        let stream = this as *mut Stream;
        let Some([n, timeout]) = args::parse(values, count, names, [c"n", c"timeout"]) else { return ptr::null_mut() };
        let Some(n) = size(n) else { return ptr::null_mut() };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        let Some(fd) = (*stream).open_fd() else { return ptr::null_mut() };
        if n < 0 {
            return read_to_end(stream, deadline);
        }
        let ready = (*stream).waiting().len();
        if n == 0 || ready > 0 {
            return (*stream).take(ready.min(n as usize));
        }
        receive(fd, n, 0, deadline)
    }
}

/// Receives up to `n` bytes into a bytes object.
///
/// # Safety
/// The GIL is held.
pub unsafe fn receive(fd: c_int, n: ffi::Py_ssize_t, flags: c_int, deadline: i64) -> Object {
    // SAFETY: the bytes object is this call's own until it is returned.
    unsafe {
        let mut result = ffi::PyBytes_FromStringAndSize(ptr::null(), n);
        if result.is_null() {
            return result;
        }
        let room = ffi::PyBytes_AsString(result) as *mut c_void;
        let got = io::wait(fd, io::READ, deadline, |until| abi::gmp_recv(fd, room, n as usize, flags, until));
        match io::decode(got) {
            None => {
                ffi::Py_DECREF(result);
                ptr::null_mut()
            }
            Some(got) => {
                if got as ffi::Py_ssize_t != n {
                    _PyBytes_Resize(&mut result, got as ffi::Py_ssize_t);
                }
                result
            }
        }
    }
}

unsafe fn read_to_end(stream: *mut Stream, deadline: i64) -> Object {
    // SAFETY: as `read`.
    unsafe {
        loop {
            match read_ahead(stream, deadline) {
                None => return ptr::null_mut(),
                Some(true) => {}
                Some(false) => return (*stream).take((*stream).waiting().len()),
            }
        }
    }
}

pub unsafe extern "C" fn readline(
    this: Object,
    values: *const Object,
    count: ffi::Py_ssize_t,
    names: Object,
) -> Object {
    // SAFETY: as `read`.
    unsafe {
        let stream = this as *mut Stream;
        let Some([limit, timeout]) = args::parse(values, count, names, [c"limit", c"timeout"]) else {
            return ptr::null_mut();
        };
        let Some(limit) = size(limit) else { return ptr::null_mut() };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        if (*stream).open_fd().is_none() {
            return ptr::null_mut();
        }
        let limit = if limit < 0 { usize::MAX } else { limit as usize };
        let mut searched = 0;
        loop {
            let waiting = (*stream).waiting();
            searched = searched.min(waiting.len()); // another reader may have taken some
            let line = waiting[searched..].iter().position(|&c| c == b'\n').map(|at| searched + at + 1);
            searched = waiting.len();
            if line.is_some() || searched >= limit {
                return (*stream).take(line.unwrap_or(limit).min(limit));
            }
            match read_ahead(stream, deadline) {
                None => return ptr::null_mut(),
                Some(true) => {}
                Some(false) => return (*stream).take((*stream).waiting().len()),
            }
        }
    }
}

pub unsafe extern "C" fn readinto(
    this: Object,
    values: *const Object,
    count: ffi::Py_ssize_t,
    names: Object,
) -> Object {
    // SAFETY: as `read`; the buffer is held until it is released below.
    unsafe {
        let stream = this as *mut Stream;
        let Some([buffer, timeout]) = args::parse(values, count, names, [c"buffer", c"timeout"]) else {
            return ptr::null_mut();
        };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        let Some(fd) = (*stream).open_fd() else { return ptr::null_mut() };
        let Some(mut view) = view(buffer, ffi::PyBUF_WRITABLE) else { return ptr::null_mut() };
        let ready = (*stream).waiting();
        let got = if !ready.is_empty() {
            let n = ready.len().min(view.len as usize);
            ptr::copy_nonoverlapping(ready.as_ptr(), view.buf as *mut u8, n);
            (*stream).advance(n);
            Some(n)
        } else {
            let (room, n) = (view.buf, view.len as usize);
            io::decode(io::wait(fd, io::READ, deadline, |until| abi::gmp_recv(fd, room, n, 0, until)))
        };
        ffi::PyBuffer_Release(&mut view);
        got.map_or(ptr::null_mut(), |n| ffi::PyLong_FromSize_t(n))
    }
}

/// A view of a bytes-like object; the caller releases it.
///
/// # Safety
/// The GIL is held; `object` is NULL or an object.
pub unsafe fn view(object: Object, flags: c_int) -> Option<ffi::Py_buffer> {
    // SAFETY: the GIL is held; the view is filled on success.
    unsafe {
        if object.is_null() {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"a bytes-like object is required".as_ptr());
            return None;
        }
        let mut view = std::mem::zeroed();
        (ffi::PyObject_GetBuffer(object, &mut view, flags) == 0).then_some(view)
    }
}

pub unsafe extern "C" fn write(this: Object, values: *const Object, count: ffi::Py_ssize_t, names: Object) -> Object {
    // SAFETY: as `readinto`.
    unsafe {
        let stream = this as *mut Stream;
        let Some([data, timeout]) = args::parse(values, count, names, [c"data", c"timeout"]) else {
            return ptr::null_mut();
        };
        let Some(deadline) = args::deadline(timeout) else { return ptr::null_mut() };
        let Some(fd) = (*stream).open_fd() else { return ptr::null_mut() };
        let Some(mut view) = view(data, ffi::PyBUF_SIMPLE) else { return ptr::null_mut() };
        let length = view.len;
        let bytes = std::slice::from_raw_parts(
            if length == 0 { ptr::dangling() } else { view.buf as *const u8 },
            length as usize,
        );
        let sent = io::send_all(fd, bytes, 0, deadline);
        ffi::PyBuffer_Release(&mut view);
        if sent {
            ffi::PyLong_FromSsize_t(length)
        } else {
            ptr::null_mut()
        }
    }
}

pub unsafe extern "C" fn close_write(this: Object, _: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe {
        let Some(fd) = (*(this as *mut Stream)).open_fd() else { return ptr::null_mut() };
        if libc::shutdown(fd, libc::SHUT_WR) != 0 {
            return errors::raise_io(-*libc::__errno_location());
        }
        ffi::Py_NewRef(ffi::Py_None())
    }
}

pub unsafe extern "C" fn close(this: Object, _: Object) -> Object {
    // SAFETY: the GIL is held; the caller holds a reference to the stream.
    unsafe {
        let stream = this as *mut Stream;
        let fd = std::mem::replace(&mut (*stream).fd, -1);
        (*stream).drop_ahead();
        if fd >= 0 {
            let code = io::close(fd);
            if code < 0 {
                return errors::raise_io(code);
            }
        }
        ffi::Py_NewRef(ffi::Py_None())
    }
}

pub unsafe extern "C" fn enter(this: Object, _: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe { ffi::Py_NewRef(this) }
}

pub unsafe extern "C" fn leave(this: Object, _: *mut Object, _: ffi::Py_ssize_t) -> Object {
    // SAFETY: as `close`.
    unsafe { close(this, ptr::null_mut()) }
}

pub unsafe extern "C" fn fileno(this: Object, _: Object) -> Object {
    // SAFETY: the GIL is held.
    unsafe { ffi::PyLong_FromLong((*(this as *mut Stream)).fd.into()) }
}

/// The next line; the end of the stream ends the iteration.
pub unsafe extern "C" fn next(this: Object) -> Object {
    // SAFETY: the GIL is held; the interpreter holds a reference to the stream.
    unsafe {
        let line = readline(this, ptr::null(), 0, ptr::null_mut());
        if !line.is_null() && ffi::PyBytes_Size(line) == 0 {
            ffi::Py_DECREF(line);
            return ptr::null_mut();
        }
        line
    }
}

pub unsafe extern "C" fn get_closed(this: Object, _: *mut c_void) -> Object {
    // SAFETY: the GIL is held.
    unsafe { ffi::PyBool_FromLong(((*(this as *mut Stream)).fd < 0).into()) }
}

pub unsafe extern "C" fn get_address(this: Object, peer: *mut c_void) -> Object {
    // SAFETY: the GIL is held.
    unsafe {
        match (*(this as *mut Stream)).open_fd() {
            Some(fd) => address::of_socket(fd, !peer.is_null()),
            None => ptr::null_mut(),
        }
    }
}

/// Frees what a dying stream owns.
///
/// # Safety
/// The GIL is held; nobody uses the stream any more.
pub unsafe fn release(stream: *mut Stream) {
    // SAFETY: S3. A close that enters the runtime could switch tasks in a deallocator.
    unsafe {
        (*stream).drop_ahead();
        let fd = std::mem::replace(&mut (*stream).fd, -1);
        if fd >= 0 {
            io::plain_close(fd);
        }
    }
}

/// Whether it was never closed.
///
/// # Safety
/// The GIL is held.
pub unsafe fn is_open(stream: *mut Stream) -> bool {
    // SAFETY: a plain read.
    unsafe { (*stream).fd >= 0 }
}
