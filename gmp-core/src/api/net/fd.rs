//! The owner of a descriptor of any kind: a pipe, an eventfd, a terminal, a file; and what the sockets here are made of.
//!
//! Owns: the descriptor; the time limits of its reads and writes.
//!
//! Always true: F1. The descriptor is open while the owner lives, as N1 says. F2. What runs in a panic neither parks nor enters
//! the runtime.

use super::address::Address;
use crate::api::ns;
use crate::base::error::Error;
use crate::blocking;
use crate::io as plain;
use crate::primitive::{AtomicI64, Ordering::Relaxed};
use crate::time::{self, FOREVER, NOWAIT};
use libc::{c_int, POLLIN, POLLOUT};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::thread::panicking;
use std::time::Duration;

const BOTH: c_int = (POLLIN | POLLOUT) as c_int;
/// No time limit.
const NO_LIMIT: i64 = 0;
/// The most buffers in one call (UIO_MAXIOV).
const MOST_BUFFERS: usize = 1024;

/// A descriptor of any kind, whose reads and writes park the task. Dropping it closes the descriptor.
///
/// Made from an [`OwnedFd`], which nearly everything of `std` can be turned into. It can be used by several tasks at a time, through
/// `&Fd`. Reads and writes of files cannot wait for anything: they block the thread, and its processor goes on with another.
///
/// # Example
/// A program's output, read by a task:
/// ```
/// use gmp_core::net::Fd;
/// use std::io::{BufRead, BufReader};
/// use std::os::fd::OwnedFd;
/// use std::process::{Command, Stdio};
///
/// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let output = Fd::from(OwnedFd::from(child.stdout.take().unwrap()));
/// let lines = gmp_core::spawn(move || BufReader::new(output).lines().collect::<Result<Vec<_>, _>>())?;
/// assert_eq!(lines.join()??, ["hello"]);
/// child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Fd {
    fd: RawFd,
    /// Nanoseconds.
    read_limit: AtomicI64,
    write_limit: AtomicI64,
}

/// A new pipe: the end to read from, and the end to write to.
///
/// # Errors
/// No descriptor can be had.
///
/// # Example
/// ```
/// use gmp_core::net::pipe;
/// use std::io::{Read, Write};
///
/// let (mut from, mut to) = pipe()?;
/// let reader = gmp_core::spawn(move || {
///     let mut text = String::new();
///     from.read_to_string(&mut text).map(|_| text)
/// })?;
/// to.write_all(b"through a pipe")?;
/// drop(to);
/// assert_eq!(reader.join()??, "through a pipe");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(Fd, Fd)> {
    let (from, to) = io::pipe()?;
    Ok((OwnedFd::from(from).into(), OwnedFd::from(to).into()))
}

/// What a descriptor is ready for. An end or an error makes it ready for what asks about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// A read would not wait.
    pub readable: bool,
    /// A write would not wait.
    pub writable: bool,
    /// The other side is gone, or there is an error to be read.
    pub ended: bool,
}

impl Fd {
    /// Reads what is there, waiting for it until `deadline` at most; 0: the end, or there is no room.
    ///
    /// # Errors
    /// `TimedOut`; `WouldBlock`: there is nothing, and the deadline is [`NOWAIT`](crate::time::NOWAIT); what the system says.
    ///
    /// # Example
    /// ```
    /// use gmp_core::{net::pipe, within};
    /// use std::time::Duration;
    ///
    /// let (from, _to) = pipe()?;
    /// let late = from.read_until(&mut [0], within(Duration::from_millis(1))).unwrap_err();
    /// assert_eq!(late.kind(), std::io::ErrorKind::TimedOut);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_until(&self, buf: &mut [u8], deadline: i64) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if let Some(file) = self.file_in_panic() {
            return (&*file).read(buf);
        }
        // SAFETY: F1; the buffer is as long as it says.
        Ok(unsafe { plain::read(self.fd, buf.as_mut_ptr(), buf.len(), patience(deadline)) }?)
    }

    /// Writes all of `buf`, waiting until `deadline` at most. Fewer bytes only if it was stopped half-way.
    ///
    /// # Errors
    /// Nothing was written: as [`Fd::read_until`]; `BrokenPipe`.
    pub fn write_until(&self, buf: &[u8], deadline: i64) -> io::Result<usize> {
        if let Some(file) = self.file_in_panic() {
            return (&*file).write(buf);
        }
        // SAFETY: F1; the buffer is as long as it says.
        Ok(unsafe { plain::write(self.fd, buf.as_ptr(), buf.len(), patience(deadline)) }?)
    }

    /// Reads from an offset of a file, which does not move on by it.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = offset.try_into().map_err(|_| Error::Invalid)?;
        // SAFETY: F1; the buffer is as long as it says.
        Ok(unsafe { plain::pread(self.fd, buf.as_mut_ptr(), buf.len(), offset) }?)
    }

    /// Writes all of `buf` at an offset of a file, which does not move on by it.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let offset = offset.try_into().map_err(|_| Error::Invalid)?;
        // SAFETY: F1; the buffer is as long as it says.
        Ok(unsafe { plain::pwrite(self.fd, buf.as_ptr(), buf.len(), offset) }?)
    }

    /// Waits until a read would not wait.
    ///
    /// # Errors
    /// As [`Fd::ready`].
    pub fn readable(&self, deadline: i64) -> io::Result<Ready> {
        self.ready(true, false, deadline)
    }

    /// Waits until a write would not wait.
    ///
    /// # Errors
    /// As [`Fd::ready`].
    pub fn writable(&self, deadline: i64) -> io::Result<Ready> {
        self.ready(false, true, deadline)
    }

    /// Waits until a read or a write, as asked for, would not wait: for code that makes the call itself.
    ///
    /// # Errors
    /// `InvalidInput`: neither is asked for; `TimedOut`; `WouldBlock`: not ready, and the deadline is
    /// [`NOWAIT`](crate::time::NOWAIT).
    ///
    /// # Example
    /// ```
    /// use gmp_core::{net::pipe, time};
    ///
    /// let (from, to) = pipe()?;
    /// assert!(from.readable(time::NOWAIT).is_err());
    /// drop(to);
    /// assert!(from.readable(time::FOREVER)?.ended);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ready(&self, read: bool, write: bool, deadline: i64) -> io::Result<Ready> {
        let events = if read { POLLIN } else { 0 } | if write { POLLOUT } else { 0 };
        let found = plain::poll_fd(self.fd, events.into(), patience(deadline))?;
        let has = |event: i16| found & c_int::from(event) != 0;
        Ok(Ready { readable: has(POLLIN), writable: has(POLLOUT), ended: has(libc::POLLHUP) || has(libc::POLLERR) })
    }

    /// Sets how long a read may wait; None: for ever, as at the start. It is this owner's: a clone has its own from then on.
    ///
    /// # Errors
    /// `InvalidInput`: the time is zero.
    pub fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        set_limit(&self.read_limit, time)
    }

    /// Sets how long a write may wait. See [`Fd::set_read_timeout`].
    ///
    /// # Errors
    /// `InvalidInput`: the time is zero.
    pub fn set_write_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        set_limit(&self.write_limit, time)
    }

    /// How long a read may wait.
    pub fn read_timeout(&self) -> Option<Duration> {
        limit(&self.read_limit)
    }

    /// How long a write may wait.
    pub fn write_timeout(&self) -> Option<Duration> {
        limit(&self.write_limit)
    }

    /// From now on every wait on this descriptor, also one under way in another task, ends at `deadline` at the latest;
    /// [`FOREVER`] takes that back. What can be done without a wait is done.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn set_deadline(&self, deadline: i64) -> io::Result<()> {
        Ok(plain::set_deadline(self.fd, BOTH, deadline)?)
    }

    /// The same for reads alone (and accepts).
    ///
    /// # Errors
    /// As [`Fd::set_deadline`].
    pub fn set_read_deadline(&self, deadline: i64) -> io::Result<()> {
        Ok(plain::set_deadline(self.fd, POLLIN.into(), deadline)?)
    }

    /// The same for writes alone.
    ///
    /// # Errors
    /// As [`Fd::set_deadline`].
    pub fn set_write_deadline(&self, deadline: i64) -> io::Result<()> {
        Ok(plain::set_deadline(self.fd, POLLOUT.into(), deadline)?)
    }

    /// Another owner, with a duplicate of the descriptor and the same time limits.
    ///
    /// # Errors
    /// No descriptor can be had.
    pub fn try_clone(&self) -> io::Result<Fd> {
        let made = Fd::from(self.as_fd().try_clone_to_owned()?);
        made.read_limit.store(self.read_limit.load(Relaxed), Relaxed);
        made.write_limit.store(self.write_limit.load(Relaxed), Relaxed);
        Ok(made)
    }

    /// When a read that starts now has to end.
    pub(super) fn read_deadline(&self) -> i64 {
        ends(&self.read_limit)
    }

    /// When a write that starts now has to end.
    pub(super) fn write_deadline(&self) -> i64 {
        ends(&self.write_limit)
    }

    /// As one of `std`'s types, for the calls that do not wait.
    pub(super) fn borrowed<T: FromRawFd>(&self) -> Borrowed<'_, T> {
        // SAFETY: F1; it is never dropped, and is gone before `self` is.
        let as_std = unsafe { T::from_raw_fd(self.fd) };
        Borrowed { as_std: ManuallyDrop::new(as_std), _owner: self }
    }

    /// A file in a panic: it makes no one wait for another task, and a declared section would enter the runtime.
    fn file_in_panic(&self) -> Option<Borrowed<'_, File>> {
        if !panicking() {
            return None;
        }
        let file = self.borrowed::<File>();
        file.metadata().is_ok_and(|about| about.is_file()).then_some(file)
    }

    // What sockets have besides.

    /// From a stream, where no room is no reason to wait.
    pub(super) fn recv_some(&self, buf: &mut [u8], flags: c_int, deadline: i64) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.recv(buf, flags, deadline)
    }

    pub(super) fn recv(&self, buf: &mut [u8], flags: c_int, deadline: i64) -> io::Result<usize> {
        // SAFETY: F1; the buffer is as long as it says.
        Ok(unsafe { plain::recv(self.fd, buf.as_mut_ptr(), buf.len(), flags, patience(deadline)) }?)
    }

    pub(super) fn send(&self, buf: &[u8], deadline: i64) -> io::Result<usize> {
        // SAFETY: F1; the buffer is as long as it says.
        Ok(unsafe { plain::send(self.fd, buf.as_ptr(), buf.len(), 0, patience(deadline)) }?)
    }

    pub(super) fn recv_from(&self, buf: &mut [u8], flags: c_int, deadline: i64) -> io::Result<(usize, Address)> {
        let mut from = Address::room();
        let (addr, len) = from.parts();
        let deadline = patience(deadline);
        // SAFETY: F1; the buffer is as long as it says; room for an address.
        let n = unsafe { plain::recvfrom(self.fd, buf.as_mut_ptr(), buf.len(), flags, addr, len, deadline) }?;
        Ok((n, from))
    }

    pub(super) fn send_to(&self, buf: &[u8], to: &Address, deadline: i64) -> io::Result<usize> {
        let deadline = patience(deadline);
        // SAFETY: F1; the buffer is as long as it says; an address.
        Ok(unsafe { plain::sendto(self.fd, buf.as_ptr(), buf.len(), 0, to.as_ptr(), to.len(), deadline) }?)
    }

    pub(super) fn accept(&self, from: Option<&mut Address>, deadline: i64) -> io::Result<Fd> {
        let (addr, len) = from.map_or((std::ptr::null_mut(), std::ptr::null_mut()), Address::parts);
        // SAFETY: F1; room for an address, or none wanted; the answer is a new descriptor.
        unsafe {
            let accepted = plain::accept(self.fd, addr, len, patience(deadline))?;
            Ok(Fd::from_raw_fd(accepted))
        }
    }
}

/// Runs what may ask a name server, or the kernel for long, and would block the thread. (F2)
pub(super) fn apart<R>(f: impl FnOnce() -> R) -> R {
    if panicking() {
        f()
    } else {
        blocking::block(f)
    }
}

/// F2: nothing waits in a panic.
#[inline]
pub(super) fn patience(deadline: i64) -> i64 {
    if panicking() {
        NOWAIT
    } else {
        deadline
    }
}

fn set_limit(limit: &AtomicI64, time: Option<Duration>) -> io::Result<()> {
    let ns = match time {
        None => NO_LIMIT,
        Some(Duration::ZERO) => return Err(Error::Invalid.into()),
        Some(time) => ns(time),
    };
    limit.store(ns, Relaxed);
    Ok(())
}

fn limit(limit: &AtomicI64) -> Option<Duration> {
    match limit.load(Relaxed) {
        NO_LIMIT => None,
        ns => Some(Duration::from_nanos(ns as u64)),
    }
}

#[inline]
fn ends(limit: &AtomicI64) -> i64 {
    match limit.load(Relaxed) {
        NO_LIMIT => FOREVER,
        ns => time::after(ns),
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        if panicking() {
            // F2. Nobody can wait through this owner any more.
            // SAFETY: F1: ours, and given up.
            drop(unsafe { OwnedFd::from_raw_fd(self.fd) });
        } else {
            // As for `std`, there is nobody to be told of an error.
            let _ = plain::close_fd(self.fd);
        }
    }
}

/// One of `std`'s types over a descriptor that it does not own.
pub(super) struct Borrowed<'a, T> {
    as_std: ManuallyDrop<T>,
    _owner: &'a Fd,
}

impl<T> Deref for Borrowed<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.as_std
    }
}

impl Read for &Fd {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_until(buf, self.read_deadline())
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        if let Some(file) = self.file_in_panic() {
            return (&*file).read_vectored(bufs);
        }
        let (n, deadline) = (bufs.len().min(MOST_BUFFERS) as c_int, patience(self.read_deadline()));
        // SAFETY: F1; an IoSliceMut is an iovec.
        Ok(unsafe { plain::readv(self.fd, bufs.as_ptr().cast(), n, deadline) }?)
    }
}

impl Write for &Fd {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_until(buf, self.write_deadline())
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if let Some(file) = self.file_in_panic() {
            return (&*file).write_vectored(bufs);
        }
        let (n, deadline) = (bufs.len().min(MOST_BUFFERS) as c_int, patience(self.write_deadline()));
        // SAFETY: F1; an IoSlice is an iovec.
        Ok(unsafe { plain::writev(self.fd, bufs.as_ptr().cast(), n, deadline) }?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Fd {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for Fd {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<OwnedFd> for Fd {
    /// What was known of the number, for example a deadline, counts no more; whoever waits on it without its owner is told that it was
    /// closed.
    fn from(fd: OwnedFd) -> Fd {
        // The one before it may have been closed behind our back.
        let fd = plain::fresh(fd.into_raw_fd());
        Fd { fd, read_limit: AtomicI64::new(NO_LIMIT), write_limit: AtomicI64::new(NO_LIMIT) }
    }
}

impl From<Fd> for OwnedFd {
    fn from(fd: Fd) -> OwnedFd {
        // SAFETY: F1: ours, and given away.
        unsafe { OwnedFd::from_raw_fd(fd.into_raw_fd()) }
    }
}

impl FromRawFd for Fd {
    unsafe fn from_raw_fd(fd: RawFd) -> Fd {
        // SAFETY: the caller's promise: open, and nobody else's.
        Fd::from(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

impl IntoRawFd for Fd {
    fn into_raw_fd(self) -> RawFd {
        ManuallyDrop::new(self).fd
    }
}

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

impl AsFd for Fd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: F1.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}
