//! Descriptors on a system that nobody has ported to: every call is refused.

use super::{Errno, NO};
use libc::{c_char, c_int, iovec, msghdr, off_t, sockaddr, socklen_t};

/// What kind of thing a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A stream socket.
    Stream,
    /// Any other socket.
    Socket,
    /// What can be waited for.
    Other,
    /// A file.
    File,
}

/// A message of these buffers, without an address.
pub fn message(_: *const iovec, _: usize) -> msghdr {
    // SAFETY: plain data.
    unsafe { std::mem::zeroed() }
}

/// Refused.
pub fn kind(_: c_int) -> Result<Kind, Errno> {
    Err(NO)
}

/// Refused.
pub fn is_fifo(_: c_int) -> Result<bool, Errno> {
    Err(NO)
}

/// Refused.
pub fn option(_: c_int, _: c_int, _: c_int) -> Result<c_int, Errno> {
    Err(NO)
}

/// Refused.
pub fn set_option(_: c_int, _: c_int, _: c_int, _: c_int) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn is_nonblocking(_: c_int) -> Result<bool, Errno> {
    Err(NO)
}

/// Refused.
pub fn set_nonblocking(_: c_int, _: bool) -> Result<bool, Errno> {
    Err(NO)
}

/// Refused.
pub fn ready(_: c_int, _: i16) -> Result<i16, Errno> {
    Err(NO)
}

/// Refused.
pub fn wait(_: c_int, _: i16, _: c_int, _: Option<i64>) -> Result<i16, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn recv(_: c_int, _: *mut u8, _: usize, _: c_int) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn send(_: c_int, _: *const u8, _: usize, _: c_int) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn recvfrom(
    _: c_int,
    _: *mut u8,
    _: usize,
    _: c_int,
    _: *mut sockaddr,
    _: *mut socklen_t,
) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn sendto(
    _: c_int,
    _: *const u8,
    _: usize,
    _: c_int,
    _: *const sockaddr,
    _: socklen_t,
) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn recvmsg(_: c_int, _: *mut msghdr, _: c_int) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn sendmsg(_: c_int, _: *const msghdr, _: c_int) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn readv_now(_: c_int, _: *const iovec, _: usize) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn writev_now(_: c_int, _: *const iovec, _: usize) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn readv(_: c_int, _: *const iovec, _: usize) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn writev(_: c_int, _: *const iovec, _: usize) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn pread(_: c_int, _: *mut u8, _: usize, _: off_t) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn pwrite(_: c_int, _: *const u8, _: usize, _: off_t) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn open(_: *const c_char, _: c_int, _: libc::mode_t) -> Result<c_int, Errno> {
    Err(NO)
}

/// Refused.
pub fn fsync(_: c_int) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn close(_: c_int) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn accept(_: c_int, _: *mut sockaddr, _: *mut socklen_t) -> Result<c_int, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn connect(_: c_int, _: *const sockaddr, _: socklen_t) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn sendfile(_: c_int, _: c_int, _: *mut off_t, _: usize) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub unsafe fn splice(_: c_int, _: *mut i64, _: c_int, _: *mut i64, _: usize) -> Result<usize, Errno> {
    Err(NO)
}

/// Refused.
pub fn position(_: c_int) -> Result<off_t, Errno> {
    Err(NO)
}

/// Refused.
pub fn set_position(_: c_int, _: off_t) -> Result<(), Errno> {
    Err(NO)
}
