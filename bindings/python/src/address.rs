//! Socket addresses as Python values: the forms of the socket module.
//!
//! Owns: nothing. Called with the GIL held, by net.rs, stream.rs and patched.rs. Blocks nothing.

use crate::errors;
use pyo3::ffi;
use std::ffi::{c_char, c_int};
use std::fmt::Display;
use std::mem::{offset_of, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ptr;

/// Room for an address of any family.
pub struct Address {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
}

impl Address {
    pub fn new() -> Self {
        // SAFETY: all zeros is an address of no family.
        Address { storage: unsafe { zeroed() }, length: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    pub fn pointers(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &mut self.length)
    }

    /// A tuple of host and port (with two more numbers for IPv6), a path, bytes for an abstract name, or None for what
    /// has another form. NULL with an exception set on failure.
    ///
    /// # Safety
    /// The GIL is held.
    pub unsafe fn object(&self) -> *mut ffi::PyObject {
        let storage = &raw const self.storage;
        // SAFETY: the family says which of the structs it is, and the storage is large enough for each.
        unsafe {
            match c_int::from(self.storage.ss_family) {
                libc::AF_INET => {
                    let v4 = &*(storage as *const libc::sockaddr_in);
                    let host = host(&Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)));
                    ffi::Py_BuildValue(c"(Ni)".as_ptr(), host, c_int::from(u16::from_be(v4.sin_port)))
                }
                libc::AF_INET6 => {
                    let v6 = &*(storage as *const libc::sockaddr_in6);
                    ffi::Py_BuildValue(
                        c"(NiII)".as_ptr(),
                        host(&Ipv6Addr::from(v6.sin6_addr.s6_addr)),
                        c_int::from(u16::from_be(v6.sin6_port)),
                        u32::from_be(v6.sin6_flowinfo),
                        v6.sin6_scope_id,
                    )
                }
                libc::AF_UNIX => self.unix(&*(storage as *const libc::sockaddr_un)),
                _ => ffi::Py_NewRef(ffi::Py_None()),
            }
        }
    }

    unsafe fn unix(&self, unix: &libc::sockaddr_un) -> *mut ffi::PyObject {
        let length = (self.length as usize).saturating_sub(offset_of!(libc::sockaddr_un, sun_path));
        let path = &unix.sun_path[..length.min(unix.sun_path.len())];
        // SAFETY: the GIL is held; the lengths are those of the slices.
        unsafe {
            if path.first() == Some(&0) {
                return ffi::PyBytes_FromStringAndSize(path.as_ptr(), path.len() as isize);
            }
            let end = path.iter().position(|&c| c == 0).unwrap_or(path.len());
            ffi::PyUnicode_DecodeFSDefaultAndSize(path.as_ptr(), end as isize)
        }
    }
}

/// A new str, which a format's `N` takes over; NULL with an exception set makes that fail, too.
unsafe fn host(address: &dyn Display) -> *mut ffi::PyObject {
    let text = address.to_string();
    // SAFETY: the GIL is held; the length is the text's.
    unsafe { ffi::PyUnicode_FromStringAndSize(text.as_ptr() as *const c_char, text.len() as isize) }
}

/// A socket's own address, or with `peer` that of the other end; NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held.
pub unsafe fn of_socket(fd: c_int, peer: bool) -> *mut ffi::PyObject {
    let mut address = Address::new();
    let (storage, length) = address.pointers();
    // SAFETY: both point into `address`.
    unsafe {
        let got = if peer { libc::getpeername(fd, storage, length) } else { libc::getsockname(fd, storage, length) };
        if got != 0 {
            errors::raise_io(-*libc::__errno_location());
            return ptr::null_mut();
        }
        address.object()
    }
}
