//! Files, handed off: in a declared blocking section. And bytes that go from one descriptor to another.
//!
//! Called by: any task or thread. Blocks: the task; the file operations without a deadline, as the kernel cannot end them.

use super::transfer::send;
use super::wait::{fresh, until, Watched};
use super::{buffer, Result};
use crate::base::error::Error;
use crate::blocking::block;
use crate::sys::fd::{self, Kind};
use crate::sys::Errno;
use libc::{c_char, c_int, off_t, POLLIN, POLLOUT};

/// What is copied at a time to a socket that blocks.
const CHUNK: usize = 64 << 10;
/// What a socket that is ready takes without blocking: it is so only while a good part of its buffer is free.
const SURE: usize = 4096;
/// What the kernel moves at a time.
const MOST: usize = 1 << 30;

/// `pread`, handed off.
///
/// # Safety
/// `buf` has `n` bytes to write.
pub unsafe fn pread(fd: c_int, buf: *mut u8, n: usize, at: off_t) -> Result<usize> {
    buffer(buf, n)?;
    // SAFETY: the caller's promise.
    Ok(block(|| unsafe { fd::pread(fd, buf, n, at) })?)
}

/// `pwrite`, all of it, handed off.
///
/// # Safety
/// `buf` has `n` bytes.
pub unsafe fn pwrite(fd: c_int, buf: *const u8, n: usize, at: off_t) -> Result<usize> {
    buffer(buf, n)?;
    let mut done = 0;
    loop {
        // SAFETY: the caller's promise; `done` is never beyond `n`.
        match block(|| unsafe { fd::pwrite(fd, buf.add(done), n - done, at + done as off_t) }) {
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

/// `open`, handed off, close-on-exec.
///
/// # Safety
/// `path` is a string.
pub unsafe fn open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> Result<c_int> {
    if path.is_null() {
        return Err(Error::Invalid);
    }
    // SAFETY: the caller's promise.
    Ok(fresh(block(|| unsafe { fd::open(path, flags, mode) })?))
}

/// `fsync`, handed off.
pub fn fsync(fd: c_int) -> Result<()> {
    Ok(block(|| fd::fsync(fd))?)
}

/// Sends `n` bytes of a file, or what it has: from `offset`, which moves on, else from where the file stands.
///
/// A socket that blocks cannot be asked for one such call that does not: it is sent copies.
///
/// # Safety
/// `offset` is null or a place.
pub unsafe fn sendfile(out: c_int, input: c_int, offset: *mut off_t, n: usize, deadline: i64) -> Result<usize> {
    if n > isize::MAX as usize {
        return Err(Error::Invalid);
    }
    let copies = match fd::kind(out)? {
        Kind::Stream | Kind::Socket => !fd::is_nonblocking(out)?,
        // SAFETY: the caller's promise.
        Kind::File => return Ok(block(|| unsafe { fd::sendfile(out, input, offset, n) })?),
        Kind::Other => false,
    };
    let watched = Watched::new(out);
    let mut done = 0;
    while done < n {
        let part = (n - done).min(if copies { CHUNK } else { MOST });
        // SAFETY: the caller's promise.
        let moved = unsafe {
            if copies {
                copy(out, input, offset, part, deadline)
            } else {
                until(&watched, POLLOUT, deadline, || {
                    if fd::ready(out, POLLOUT)? == 0 {
                        return Err(Errno(libc::EAGAIN));
                    }
                    block(|| fd::sendfile(out, input, offset, part))
                })
            }
        };
        match moved {
            Ok(0) => break,
            Ok(moved) => done += moved,
            Err(e) if done == 0 => return Err(e),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// A part by way of a buffer. What was not sent is not taken from the file.
unsafe fn copy(out: c_int, input: c_int, offset: *mut off_t, n: usize, deadline: i64) -> Result<usize> {
    let mut buf = Vec::<u8>::new();
    buf.try_reserve_exact(n).map_err(|_| Error::NoMemory)?;
    // SAFETY: the caller's promise; the buffer has room for `n`.
    unsafe {
        let at = if offset.is_null() { fd::position(input)? } else { *offset };
        let got = pread(input, buf.as_mut_ptr(), n, at)?;
        if got == 0 {
            return Ok(0);
        }
        let sent = send(out, buf.as_ptr(), got, 0, deadline)?;
        if offset.is_null() {
            fd::set_position(input, at + sent as off_t)?;
        } else {
            *offset = at + sent as off_t;
        }
        Ok(sent)
    }
}

/// `splice`: up to `n` bytes, what is there; one of the two is a pipe.
///
/// # Safety
/// The offsets are null or places.
pub unsafe fn splice(input: c_int, at: *mut i64, out: c_int, to: *mut i64, n: usize, deadline: i64) -> Result<usize> {
    if n > isize::MAX as usize {
        return Err(Error::Invalid);
    }
    let (from, into) = (Watched::new(input), Watched::new(out));
    let (waits_in, kind) = (fd::kind(input)? != Kind::File, fd::kind(out)?);
    let waits_out = kind != Kind::File;
    let blocks = matches!(kind, Kind::Stream | Kind::Socket) && !fd::is_nonblocking(out)?;
    let n = if blocks { n.min(SURE) } else { n };
    loop {
        if waits_in {
            until(&from, POLLIN, deadline, || is_ready(input, POLLIN))?;
        }
        if waits_out {
            until(&into, POLLOUT, deadline, || is_ready(out, POLLOUT))?;
        }
        // SAFETY: the caller's promise.
        match block(|| unsafe { fd::splice(input, at, out, to, n) }) {
            // Somebody else was there before.
            Err(Errno(libc::EAGAIN)) if deadline != crate::time::NOWAIT => {}
            other => return Ok(other?),
        }
    }
}

fn is_ready(fd: c_int, events: i16) -> std::result::Result<(), Errno> {
    match fd::ready(fd, events)? {
        0 => Err(Errno(libc::EAGAIN)),
        _ => Ok(()),
    }
}
