//! Which system call does what to which kind of descriptor, without blocking.
//!
//! Owns: the choice. Always true: a try never blocks, but for a thing that the kernel cannot ask so and that somebody else
//! has drained in between (O4 bounds what that costs others).

use crate::base::error::Result;
use crate::sys::fd::{self, Kind};
use crate::sys::Errno;
use libc::{c_int, iovec};

const AGAIN: Errno = Errno(libc::EAGAIN);

/// True if `fd`, which is no socket, blocks as it likes: its operations go into a declared section.
pub fn is_file(fd: c_int) -> Result<bool> {
    Ok(fd::kind(fd)? == Kind::File)
}

/// Reads what is there, from something that is no socket.
///
/// # Safety
/// `iov` names `n` buffers to write.
pub unsafe fn read_now(fd: c_int, iov: *const iovec, n: usize) -> std::result::Result<usize, Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        match fd::readv_now(fd, iov, n) {
            Err(Errno(libc::EOPNOTSUPP)) => {}
            other => return other,
        }
        if fd::ready(fd, libc::POLLIN)? == 0 {
            return Err(AGAIN);
        }
        fd::readv(fd, iov, n)
    }
}

/// Writes as much as fits, to something that is no socket.
///
/// # Safety
/// `iov` names `n` buffers.
pub unsafe fn write_now(fd: c_int, iov: *const iovec, n: usize) -> std::result::Result<usize, Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        match fd::writev_now(fd, iov, n) {
            Err(Errno(libc::EOPNOTSUPP)) => {}
            other => return other,
        }
        if fd::ready(fd, libc::POLLOUT)? == 0 {
            return Err(AGAIN);
        }
        if fd::is_fifo(fd)? {
            // As much as POLLOUT promises room for: more would block beyond the deadline.
            let buffers = std::slice::from_raw_parts(iov, n);
            let first = buffers.iter().find(|b| b.iov_len > 0).copied().unwrap_or(one(std::ptr::null(), 0));
            return fd::writev(fd, &one(first.iov_base as *const u8, first.iov_len.min(libc::PIPE_BUF)), 1);
        }
        fd::writev(fd, iov, n)
    }
}

/// Accepts what is there. `blocks`: the listener does, so it is asked first.
///
/// # Safety
/// As for `accept4`.
pub unsafe fn accept_now(
    fd: c_int,
    addr: *mut libc::sockaddr,
    len: *mut libc::socklen_t,
    blocks: bool,
) -> std::result::Result<c_int, Errno> {
    if blocks && fd::ready(fd, libc::POLLIN)? == 0 {
        return Err(AGAIN);
    }
    // SAFETY: the caller's promise.
    let room = if len.is_null() { 0 } else { unsafe { *len } };
    loop {
        // SAFETY: the caller's promise.
        match unsafe { fd::accept(fd, addr, len) } {
            // The connection that this was about is gone, or its network is; the next may be there (accept(2), "Error handling").
            Err(Errno(libc::ECONNABORTED | libc::EPROTO)) => {
                if !len.is_null() {
                    // SAFETY: as above.
                    unsafe { *len = room };
                }
                if blocks && fd::ready(fd, libc::POLLIN)? == 0 {
                    return Err(AGAIN);
                }
            }
            other => return other,
        }
    }
}

/// One buffer.
#[inline(always)]
pub fn one(buf: *const u8, n: usize) -> iovec {
    iovec { iov_base: buf as *mut u8 as *mut libc::c_void, iov_len: n }
}
