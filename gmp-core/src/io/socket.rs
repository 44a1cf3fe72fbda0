//! Sockets that come to be connected: accept and connect.
//!
//! Always true: an accepted socket is close-on-exec, and has TCP_NODELAY if it is TCP; like every socket that we hand out it
//! blocks, so that code which knows nothing of us can use it.

use super::kind::accept_now;
use super::wait::{fresh, until, Watched};
use super::Result;
use crate::base::error::Error;
use crate::sys::{fd, Errno};
use libc::{c_int, sockaddr, socklen_t, POLLIN, POLLOUT};

/// Accepts a connection.
///
/// # Safety
/// As for `accept`.
pub unsafe fn accept(fd: c_int, addr: *mut sockaddr, len: *mut socklen_t, deadline: i64) -> Result<c_int> {
    if !addr.is_null() && len.is_null() {
        return Err(Error::Invalid);
    }
    // One that blocks is asked first, unless that would be a wait for what never comes.
    let blocks = !fd::is_nonblocking(fd)? && fd::option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? != 0;
    let watched = Watched::new(fd);
    // SAFETY: the caller's promise.
    let made = until(&watched, POLLIN, deadline, || unsafe {
        watched.alone_if(blocks, || accept_now(fd, addr, len, blocks))
    })?;
    // Refused by what is not TCP, which has no delay.
    let _ = fd::set_option(made, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
    Ok(fresh(made))
}

/// Connects a socket. After an error or the deadline it is of no use but to be closed.
///
/// # Safety
/// As for `connect`.
pub unsafe fn connect(fd: c_int, addr: *const sockaddr, len: socklen_t, deadline: i64) -> Result<()> {
    if addr.is_null() {
        return Err(Error::Invalid);
    }
    let watched = Watched::new(fd);
    let mut pause = 50_000;
    loop {
        // SAFETY: the caller's promise.
        match unsafe { begin(fd, addr, len) } {
            Ok(()) => return Ok(()),
            Err(Errno(libc::EINPROGRESS | libc::EALREADY | libc::EINTR)) => break,
            // A Unix listener's backlog is full, and nothing tells when it is not (connect(2)).
            Err(Errno(libc::EAGAIN)) => {
                super::wait::pause(deadline, pause)?;
                pause = (pause * 2).min(5_000_000);
            }
            Err(e) => return Err(e.into()),
        }
    }
    until(&watched, POLLOUT, deadline, || {
        if fd::ready(fd, POLLOUT)? == 0 {
            return Err(Errno(libc::EAGAIN));
        }
        match fd::option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => Ok(()),
            e => Err(Errno(e)),
        }
    })
}

/// The one system call, without blocking: O3.
unsafe fn begin(fd: c_int, addr: *const sockaddr, len: socklen_t) -> std::result::Result<(), Errno> {
    let was = fd::set_nonblocking(fd, true)?;
    // SAFETY: the caller's promise.
    let result = unsafe { fd::connect(fd, addr, len) };
    if !was {
        fd::set_nonblocking(fd, false)?;
    }
    result
}
