//! Moving bytes: reads and writes of every shape.
//!
//! Owns: what "all of it" and "what is there" mean. Always true: a read gives what is there, at least one byte, or 0 at the
//! end; a write goes on until everything is written, and gives fewer only when it was stopped half-way.

use super::kind::{is_file, one, read_now, write_now};
use super::wait::{until, Watched};
use super::{buffer, Result};
use crate::base::error::Error;
use crate::blocking;
use crate::sys::{fd, Errno};
use libc::{c_int, iovec, msghdr, sockaddr, socklen_t, POLLIN, POLLOUT};

/// As many buffers are looked at in one system call.
const BUFFERS: usize = 64;
/// The kernel's bound (UIO_MAXIOV).
const MOST_BUFFERS: c_int = 1024;

type Tried<T> = std::result::Result<T, Errno>;

/// Reads what is there.
///
/// # Safety
/// `buf` has `n` bytes to write.
pub unsafe fn read(fd: c_int, buf: *mut u8, n: usize, deadline: i64) -> Result<usize> {
    buffer(buf, n)?;
    if n == 0 {
        return nothing(fd);
    }
    let watched = Watched::new(fd);
    // SAFETY: the caller's promise.
    match unsafe { recv_from(&watched, buf, n, 0, deadline) } {
        Err(Error::Os(libc::ENOTSOCK)) => {}
        other => return other,
    }
    // SAFETY: the caller's promise.
    unsafe { read_other(&watched, &one(buf, n), 1, deadline) }
}

/// A read without room: it waits for nothing, and takes no datagram.
fn nothing(fd: c_int) -> Result<usize> {
    fd::kind(fd)?;
    Ok(0)
}

/// Reads what is there into several buffers.
///
/// # Safety
/// `iov` names `count` buffers to write.
pub unsafe fn readv(fd: c_int, iov: *const iovec, count: c_int, deadline: i64) -> Result<usize> {
    // SAFETY: the caller's promise.
    let iov = unsafe { buffers(iov, count) }?;
    if iov.iter().all(|b| b.iov_len == 0) {
        return nothing(fd);
    }
    let watched = Watched::new(fd);
    // SAFETY: the caller's promise.
    let result =
        until(&watched, POLLIN, deadline, || unsafe { fd::recvmsg(fd, &mut fd::message(iov.as_ptr(), iov.len()), 0) });
    match result {
        Err(Error::Os(libc::ENOTSOCK)) => {}
        other => return other,
    }
    // SAFETY: the caller's promise.
    unsafe { read_other(&watched, iov.as_ptr(), iov.len(), deadline) }
}

/// From what is no socket.
unsafe fn read_other(watched: &Watched, iov: *const iovec, n: usize, deadline: i64) -> Result<usize> {
    let fd = watched.fd();
    // SAFETY: the caller's promise.
    unsafe {
        if is_file(fd)? {
            return Ok(blocking::block(|| fd::readv(fd, iov, n))?);
        }
        until(watched, POLLIN, deadline, || read_now(fd, iov, n))
    }
}

/// Writes all of it.
///
/// # Safety
/// `buf` has `n` bytes.
pub unsafe fn write(fd: c_int, buf: *const u8, n: usize, deadline: i64) -> Result<usize> {
    buffer(buf, n)?;
    let watched = Watched::new(fd);
    // SAFETY: the caller's promise.
    match unsafe { send_to(&watched, buf, n, 0, deadline) } {
        Err(Error::Os(libc::ENOTSOCK)) => {}
        other => return other,
    }
    // SAFETY: the caller's promise; `offset` is never beyond `n`.
    unsafe { write_other(&watched, n, deadline, |offset, _| one(buf.add(offset), n - offset)) }
}

/// Writes all of several buffers.
///
/// # Safety
/// `iov` names `count` buffers.
pub unsafe fn writev(fd: c_int, iov: *const iovec, count: c_int, deadline: i64) -> Result<usize> {
    // SAFETY: the caller's promise.
    let iov = unsafe { buffers(iov, count) }?;
    let total: usize = iov.iter().map(|b| b.iov_len).sum();
    let watched = Watched::new(fd);
    let result = all(&watched, total, deadline, |offset| {
        if offset == 0 {
            // In one piece: a datagram is one.
            // SAFETY: the caller's buffers.
            return unsafe { fd::sendmsg(fd, &fd::message(iov.as_ptr(), iov.len()), 0) };
        }
        let mut part = [one(std::ptr::null(), 0); BUFFERS];
        let n = rest_of(iov, offset, &mut part);
        // SAFETY: the caller's buffers.
        unsafe { fd::sendmsg(fd, &fd::message(part.as_ptr(), n), 0) }
    });
    match result {
        Err(Error::Os(libc::ENOTSOCK)) => {}
        other => return other,
    }
    // SAFETY: the caller's promise.
    unsafe {
        if is_file(fd)? {
            return whole(total, |offset| {
                let mut part = [one(std::ptr::null(), 0); BUFFERS];
                let n = rest_of(iov, offset, &mut part);
                blocking::block(|| fd::writev(fd, part.as_ptr(), n))
            });
        }
        all(&watched, total, deadline, |offset| {
            let mut part = [one(std::ptr::null(), 0); BUFFERS];
            let n = rest_of(iov, offset, &mut part);
            write_now(fd, part.as_ptr(), n)
        })
    }
}

/// To what is no socket; `rest` gives what is left from an offset on.
unsafe fn write_other(watched: &Watched, n: usize, deadline: i64, rest: impl Fn(usize, ()) -> iovec) -> Result<usize> {
    let fd = watched.fd();
    // SAFETY: the caller's promise.
    unsafe {
        if is_file(fd)? {
            return whole(n, |offset| blocking::block(|| fd::writev(fd, &rest(offset, ()), 1)));
        }
        all(watched, n, deadline, |offset| write_now(fd, &rest(offset, ()), 1))
    }
}

/// Goes on until all of `n` is done, each time as far as it goes; waits in between.
fn all(watched: &Watched, n: usize, deadline: i64, attempt: impl Fn(usize) -> Tried<usize>) -> Result<usize> {
    let mut done = 0;
    loop {
        let mut waited = false;
        let attempt = || {
            // The kernel tells an error once: it is left for the next call, as what was written is this one's answer.
            if std::mem::replace(&mut waited, true) && done > 0 && fd::ready(watched.fd(), 0)? & libc::POLLERR != 0 {
                return Err(Errno(libc::EIO));
            }
            attempt(done)
        };
        match until(watched, POLLOUT, deadline, attempt) {
            Ok(moved) => {
                done += moved;
                if done >= n || moved == 0 {
                    return Ok(done);
                }
            }
            Err(e) => return if done > 0 { Ok(done) } else { Err(e) },
        }
    }
}

/// The same for what blocks.
fn whole(n: usize, attempt: impl Fn(usize) -> Tried<usize>) -> Result<usize> {
    let mut done = 0;
    loop {
        match attempt(done) {
            Ok(moved) => {
                done += moved;
                if done >= n || moved == 0 {
                    return Ok(done);
                }
            }
            Err(e) => return if done > 0 { Ok(done) } else { Err(e.into()) },
        }
    }
}

/// Checks several buffers.
unsafe fn buffers<'a>(iov: *const iovec, count: c_int) -> Result<&'a [iovec]> {
    if !(0..=MOST_BUFFERS).contains(&count) || iov.is_null() && count > 0 {
        return Err(Error::Invalid);
    }
    if count == 0 {
        return Ok(&[]);
    }
    // SAFETY: the caller's promise.
    let iov = unsafe { std::slice::from_raw_parts(iov, count as usize) };
    let mut total = 0usize;
    for b in iov {
        total = total.checked_add(b.iov_len).ok_or(Error::Invalid)?;
        buffer(b.iov_base as *const u8, b.iov_len)?;
    }
    if total > isize::MAX as usize {
        return Err(Error::Invalid);
    }
    Ok(iov)
}

/// What comes `offset` bytes after the beginning, as far as there is room in `part`. How many buffers that are.
fn rest_of(iov: &[iovec], mut offset: usize, part: &mut [iovec; BUFFERS]) -> usize {
    let mut n = 0;
    for b in iov {
        if offset >= b.iov_len && (offset > 0 || b.iov_len == 0) {
            offset -= b.iov_len;
            continue;
        }
        if n == BUFFERS {
            break;
        }
        part[n] = one((b.iov_base as *const u8).wrapping_add(offset), b.iov_len - offset);
        offset = 0;
        n += 1;
    }
    n
}

/// `recv`: what is there; with MSG_WAITALL on a stream, all of `n`.
///
/// # Safety
/// `buf` has `n` bytes to write.
pub unsafe fn recv(fd: c_int, buf: *mut u8, n: usize, flags: c_int, deadline: i64) -> Result<usize> {
    buffer(buf, n)?;
    // SAFETY: the caller's promise.
    unsafe { recv_from(&Watched::new(fd), buf, n, flags, deadline_of(flags, deadline)) }
}

#[inline(always)]
unsafe fn recv_from(watched: &Watched, buf: *mut u8, n: usize, flags: c_int, deadline: i64) -> Result<usize> {
    let fd = watched.fd();
    if flags == 0 {
        // SAFETY: the caller's promise.
        return watched.read(n, deadline, || unsafe { fd::recv(fd, buf, n, 0) });
    }
    if flags & libc::MSG_WAITALL == 0 || flags & (libc::MSG_PEEK | libc::MSG_ERRQUEUE | libc::MSG_OOB) != 0 {
        // SAFETY: the caller's promise.
        return until(watched, events_of(flags), deadline, || unsafe { fd::recv(fd, buf, n, flags) });
    }
    let mut done = 0;
    loop {
        // SAFETY: `done` is less than `n`, or both are 0.
        match until(watched, POLLIN, deadline, || unsafe { fd::recv(fd, buf.add(done), n - done, flags) }) {
            Ok(moved) => {
                done += moved;
                if moved == 0 || done == n || !is_stream(fd) {
                    return Ok(done);
                }
            }
            Err(e) => return if done > 0 { Ok(done) } else { Err(e) },
        }
    }
}

fn is_stream(fd: c_int) -> bool {
    fd::kind(fd) == Ok(fd::Kind::Stream)
}

/// What a read with these flags waits for.
fn events_of(flags: c_int) -> i16 {
    if flags & libc::MSG_OOB != 0 {
        libc::POLLPRI
    } else {
        POLLIN
    }
}

/// MSG_DONTWAIT says what NOWAIT says.
fn deadline_of(flags: c_int, deadline: i64) -> i64 {
    if flags & libc::MSG_DONTWAIT != 0 {
        crate::time::NOWAIT
    } else {
        deadline
    }
}

/// `send`: all of it.
///
/// # Safety
/// `buf` has `n` bytes.
pub unsafe fn send(fd: c_int, buf: *const u8, n: usize, flags: c_int, deadline: i64) -> Result<usize> {
    buffer(buf, n)?;
    // SAFETY: the caller's promise.
    unsafe { send_to(&Watched::new(fd), buf, n, flags, deadline_of(flags, deadline)) }
}

#[inline(always)]
unsafe fn send_to(watched: &Watched, buf: *const u8, n: usize, flags: c_int, deadline: i64) -> Result<usize> {
    let fd = watched.fd();
    // SAFETY: the caller's promise; `done` is never beyond `n`.
    all(watched, n, deadline, |done| unsafe { fd::send(fd, buf.add(done), n - done, flags) })
}

/// `recvfrom`: one datagram, or what is there of a stream.
///
/// # Safety
/// As for `recvfrom`.
pub unsafe fn recvfrom(
    fd: c_int,
    buf: *mut u8,
    n: usize,
    flags: c_int,
    addr: *mut sockaddr,
    len: *mut socklen_t,
    deadline: i64,
) -> Result<usize> {
    buffer(buf, n)?;
    if !addr.is_null() && len.is_null() {
        return Err(Error::Invalid);
    }
    let watched = Watched::new(fd);
    // SAFETY: the caller's promise.
    until(&watched, events_of(flags), deadline_of(flags, deadline), || unsafe {
        fd::recvfrom(fd, buf, n, flags, addr, len)
    })
}

/// `sendto`: one datagram; to a stream all of it.
///
/// # Safety
/// As for `sendto`.
pub unsafe fn sendto(
    fd: c_int,
    buf: *const u8,
    n: usize,
    flags: c_int,
    addr: *const sockaddr,
    len: socklen_t,
    deadline: i64,
) -> Result<usize> {
    buffer(buf, n)?;
    let watched = Watched::new(fd);
    // SAFETY: the caller's promise; `done` is never beyond `n`.
    all(&watched, n, deadline_of(flags, deadline), |done| unsafe {
        fd::sendto(fd, buf.add(done), n - done, flags, addr, len)
    })
}

/// `recvmsg`.
///
/// # Safety
/// As for `recvmsg`.
pub unsafe fn recvmsg(fd: c_int, msg: *mut msghdr, flags: c_int, deadline: i64) -> Result<usize> {
    if msg.is_null() {
        return Err(Error::Invalid);
    }
    let watched = Watched::new(fd);
    // SAFETY: the caller's promise.
    until(&watched, events_of(flags), deadline_of(flags, deadline), || unsafe { fd::recvmsg(fd, msg, flags) })
}

/// `sendmsg`, once: of a stream perhaps not all.
///
/// # Safety
/// As for `sendmsg`.
pub unsafe fn sendmsg(fd: c_int, msg: *const msghdr, flags: c_int, deadline: i64) -> Result<usize> {
    if msg.is_null() {
        return Err(Error::Invalid);
    }
    let watched = Watched::new(fd);
    // SAFETY: the caller's promise.
    until(&watched, POLLOUT, deadline_of(flags, deadline), || unsafe { fd::sendmsg(fd, msg, flags) })
}
