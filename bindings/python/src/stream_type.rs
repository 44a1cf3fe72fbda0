//! The Stream type as Python sees it: its slots, attributes and documentation.
//!
//! Owns: the type object, made once when the module is loaded and kept for ever. stream.rs has the methods.
//!
//! Called by the interpreter with the GIL held. Blocks nothing.

use crate::errors;
use crate::stream::{self, Stream};
use pyo3::ffi;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

type Object = *mut ffi::PyObject;

static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// The type object, borrowed.
pub fn get() -> *mut ffi::PyTypeObject {
    TYPE.load(Ordering::Relaxed)
}

unsafe extern "C" fn finalize(this: Object) {
    // SAFETY: called by the interpreter with a Stream; the exception that may be set is put back.
    unsafe {
        if !stream::is_open(this as *mut Stream) {
            return;
        }
        let pending = if ffi::PyErr_Occurred().is_null() { ptr::null_mut() } else { errors::take() };
        if ffi::PyErr_ResourceWarning(this, 1, c"unclosed %R".as_ptr(), this) != 0 {
            ffi::PyErr_WriteUnraisable(this);
        }
        stream::release(this as *mut Stream); // here: the warning may keep the object
        if !pending.is_null() {
            ffi::PyErr_SetObject(ffi::Py_TYPE(pending) as Object, pending);
            ffi::Py_DECREF(pending);
        }
    }
}

unsafe extern "C" fn dealloc(this: Object) {
    // SAFETY: the interpreter's protocol: finalize, drop fields, free, drop the type.
    unsafe {
        if stream::is_open(this as *mut Stream) && ffi::PyObject_CallFinalizerFromDealloc(this) < 0 {
            return; // a warning's hook kept it alive
        }
        if !(*(this as *mut Stream)).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(this);
        }
        stream::release(this as *mut Stream);
        let kind = ffi::Py_TYPE(this);
        ffi::PyObject_Free(this as *mut c_void);
        ffi::Py_DECREF(kind as Object);
    }
}

unsafe extern "C" fn repr(this: Object) -> Object {
    // SAFETY: the interpreter passes a Stream; the formats match their arguments.
    unsafe {
        let number = stream::fileno(this, ptr::null_mut());
        if number.is_null() {
            return number;
        }
        let format = if stream::is_open(this as *mut Stream) {
            c"<gmp_py.net.Stream fd=%R>"
        } else {
            c"<gmp_py.net.Stream closed>"
        };
        let text = ffi::PyUnicode_FromFormat(format.as_ptr(), number);
        ffi::Py_DECREF(number);
        text
    }
}

const DOC: &CStr = c"A connection, made by `dial` and `Listener.accept`.

Tasks wait in its methods while others run. One task may read while another writes. It is an iterator of lines and a
context manager that closes it.

Example:
    >>> from gmp_py import go, net
    >>> listener = net.listen('tcp', '127.0.0.1:0')
    >>> def echo():
    ...     with listener.accept() as stream:
    ...         for line in stream:
    ...             stream.write(line.upper())
    >>> server = go(echo)
    >>> with net.dial('tcp', '127.0.0.1:%d' % listener.address[1]) as stream:
    ...     stream.write(b'hello\\n')
    ...     stream.readline(timeout=60)
    6
    b'HELLO\\n'
    >>> server.join()
    >>> listener.close()
";

const READ_DOC: &CStr = c"read($self, /, n=-1, timeout=None)\n--\n\nReads what is there, waiting until something is.

Args:
    n: The most bytes to give; -1 reads until the other end closes.
    timeout: Seconds to wait; None or infinity waits for ever.

Returns:
    At least one byte; ``b''`` once the other end has closed, or when n is 0.

Raises:
    TimeoutError: The time is over. What was read for -1 is kept for the next call.
    OSError: The connection failed (ConnectionResetError and others), or the stream was closed (EBADF).

Example:
    >>> import socket
    >>> from gmp_py import net
    >>> with net.listen('tcp', '127.0.0.1:0') as listener:
    ...     peer = socket.create_connection(listener.address)
    ...     with listener.accept() as stream:
    ...         peer.sendall(b'ab')
    ...         peer.close()
    ...         stream.read(1), stream.read(), stream.read(1)
    (b'a', b'b', b'')
";

const READINTO_DOC: &CStr =
    c"readinto($self, /, buffer, timeout=None)\n--\n\nReads into a buffer, waiting until something is there.

Args:
    buffer: A writable bytes-like object, such as a bytearray.
    timeout: Seconds to wait; None or infinity waits for ever.

Returns:
    The number of bytes; 0 once the other end has closed, or for an empty buffer.

Raises:
    TimeoutError: The time is over.
    OSError: As `read`.

Example:
    >>> import socket
    >>> from gmp_py import net
    >>> with net.listen('tcp', '127.0.0.1:0') as listener:
    ...     with socket.create_connection(listener.address) as peer, listener.accept() as stream:
    ...         peer.sendall(b'ab')
    ...         room = bytearray(2)
    ...         room[:stream.readinto(memoryview(room)[:1])]
    bytearray(b'a')
";

const READLINE_DOC: &CStr = c"readline($self, /, limit=-1, timeout=None)\n--\n\nReads a line.

Args:
    limit: The most bytes to give; -1 is no limit.
    timeout: Seconds to wait; None or infinity waits for ever.

Returns:
    The line with its newline; without one where the limit or the end of the stream cut it; ``b''`` at the end.

Raises:
    TimeoutError: The time is over; the part of the line that came is kept for the next call.
    OSError: As `read`.

Example:
    >>> import socket
    >>> from gmp_py import net
    >>> with net.listen('tcp', '127.0.0.1:0') as listener:
    ...     with socket.create_connection(listener.address) as peer, listener.accept() as stream:
    ...         peer.sendall(b'one\\ntwo\\n')
    ...         stream.readline(), stream.readline(2), stream.readline()
    (b'one\\n', b'tw', b'o\\n')
";

const WRITE_DOC: &CStr = c"write($self, /, data, timeout=None)\n--\n\nSends all of the data.

Args:
    data: A bytes-like object. It must not change meanwhile.
    timeout: Seconds to wait; None or infinity waits for ever.

Returns:
    The number of bytes.

Raises:
    TimeoutError: The time is over; some of the data may have been sent.
    OSError: The connection failed (BrokenPipeError and others), or the stream was closed (EBADF).

Example:
    >>> import socket
    >>> from gmp_py import net
    >>> with net.listen('tcp', '127.0.0.1:0') as listener:
    ...     with socket.create_connection(listener.address) as peer, listener.accept() as stream:
    ...         stream.write(memoryview(b'ab')), peer.recv(2)
    (2, b'ab')
";

const CLOSE_WRITE_DOC: &CStr =
    c"close_write($self, /)\n--\n\nTells the other end that nothing more will be written; reading goes on.

Raises:
    OSError: The connection is gone, or the stream was closed (EBADF).

Example:
    >>> import socket
    >>> from gmp_py import net
    >>> with net.listen('tcp', '127.0.0.1:0') as listener:
    ...     with socket.create_connection(listener.address) as peer, listener.accept() as stream:
    ...         stream.close_write()
    ...         peer.recv(1)
    b''
";

const CLOSE_DOC: &CStr =
    c"close($self, /)\n--\n\nCloses the connection. Calls that wait on it end with OSError (EBADF).

Closing twice does nothing.

Example:
    >>> import socket
    >>> from gmp_py import net
    >>> with net.listen('tcp', '127.0.0.1:0') as listener:
    ...     with socket.create_connection(listener.address) as peer:
    ...         stream = listener.accept()
    ...         stream.close()
    ...         stream.closed
    True
";

const FILENO_DOC: &CStr = c"fileno($self, /)\n--\n\nGives the descriptor; -1 once closed.

Example:
    >>> import socket
    >>> from gmp_py import net
    >>> with net.listen('tcp', '127.0.0.1:0') as listener:
    ...     with socket.create_connection(listener.address) as peer, listener.accept() as stream:
    ...         stream.fileno() >= 0
    True
";

/// Makes the type; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> *mut ffi::PyTypeObject {
    let method = |name: &'static CStr, function, flags, doc: &'static CStr| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: function,
        ml_flags: flags,
        ml_doc: doc.as_ptr(),
    };
    let named = |f| ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: f };
    let plain = |f| ffi::PyMethodDefPointer { PyCFunction: f };
    let fast = |f| ffi::PyMethodDefPointer { PyCFunctionFast: f };
    let attribute = |name: &'static CStr, get: ffi::getter, doc: &'static CStr, closure| ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        set: None,
        doc: doc.as_ptr(),
        closure,
    };
    const NAMED: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
    let methods = Box::leak(Box::new([
        method(c"read", named(stream::read), NAMED, READ_DOC),
        method(c"readinto", named(stream::readinto), NAMED, READINTO_DOC),
        method(c"readline", named(stream::readline), NAMED, READLINE_DOC),
        method(c"write", named(stream::write), NAMED, WRITE_DOC),
        method(c"close_write", plain(stream::close_write), ffi::METH_NOARGS, CLOSE_WRITE_DOC),
        method(c"close", plain(stream::close), ffi::METH_NOARGS, CLOSE_DOC),
        method(c"fileno", plain(stream::fileno), ffi::METH_NOARGS, FILENO_DOC),
        method(c"__enter__", plain(stream::enter), ffi::METH_NOARGS, c"__enter__($self, /)\n--\n\n"),
        method(c"__exit__", fast(stream::leave), ffi::METH_FASTCALL, c"__exit__($self, /, *args)\n--\n\n"),
        ffi::PyMethodDef::zeroed(),
    ]));
    let peer = ptr::without_provenance_mut(1);
    // SAFETY: an all-zero entry ends a table of attributes or members.
    let (no_attribute, no_member) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let attributes = Box::leak(Box::new([
        attribute(c"closed", stream::get_closed, c"Whether `close` was called.", ptr::null_mut()),
        attribute(
            c"local_address",
            stream::get_address,
            c"This end's address, as in the socket module.",
            ptr::null_mut(),
        ),
        attribute(c"remote_address", stream::get_address, c"The other end's address, as in the socket module.", peer),
        no_attribute,
    ]));
    let members = Box::leak(Box::new([
        ffi::PyMemberDef {
            name: c"__weaklistoffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: std::mem::offset_of!(Stream, weakrefs) as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        },
        no_member,
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, DOC.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_finalize, finalize as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void),
        slot(ffi::Py_tp_iternext, stream::next as *mut c_void),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_getset, attributes.as_mut_ptr() as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr() as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"gmp_py.net.Stream".as_ptr() as *const c_char,
        basicsize: std::mem::size_of::<Stream>() as c_int,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the GIL is held; the tables it keeps pointers to are leaked.
    let made = unsafe { ffi::PyType_FromSpec(&mut spec) } as *mut ffi::PyTypeObject;
    TYPE.store(made, Ordering::Relaxed);
    made
}
