//! A connection between two programs, or two parts of one, on this computer.
//!
//! Owns: a connected Unix socket. Blocks: connects, reads and writes park the task, or block a thread that is no task.

use super::fd::{patience, Fd};
use crate::io::net;
use crate::time::FOREVER;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixStream as StdStream};
use std::path::Path;
use std::time::Duration;

/// A Unix stream socket, as [`std::os::unix::net::UnixStream`]: what waits parks the task. Dropping it closes the connection.
///
/// # Example
/// ```
/// use gmp_core::net::UnixStream;
/// use std::io::{BufRead, BufReader, Write};
///
/// let (ours, theirs) = UnixStream::pair()?;
/// let answers = gmp_core::spawn(move || {
///     for line in BufReader::new(&theirs).lines() {
///         (&theirs).write_all(format!("{}\n", line?.to_uppercase()).as_bytes())?;
///     }
///     std::io::Result::Ok(())
/// })?;
/// (&ours).write_all(b"one\ntwo\n")?;
/// ours.shutdown(std::net::Shutdown::Write)?;
/// assert_eq!(std::io::read_to_string(&ours)?, "ONE\nTWO\n");
/// answers.join()??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UnixStream {
    fd: Fd,
}

impl UnixStream {
    /// Connects to the listener with this path.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`: nobody listens; what else the system says. The task was cancelled.
    pub fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to the listener with this address: a path, or an abstract name
    /// ([`SocketAddrExt`](std::os::linux::net::SocketAddrExt)).
    ///
    /// # Errors
    /// As [`UnixStream::connect`].
    pub fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        UnixStream::connect_until(address, FOREVER)
    }

    /// The same until `deadline`: where too many wait to be accepted, a connect waits too.
    ///
    /// # Errors
    /// As [`UnixStream::connect`]; `TimedOut`.
    pub fn connect_until(address: &SocketAddr, deadline: i64) -> io::Result<UnixStream> {
        let path = address.as_pathname().map(|path| path.as_os_str().as_bytes());
        let (before, name) = match (path, address.as_abstract_name()) {
            // Not the abstract name that it looks like.
            (Some(path @ [b'@', ..]), _) => (&b"./"[..], path),
            (Some(path), _) => (&b""[..], path),
            (None, name) => (&b"@"[..], name.unwrap_or_default()),
        };
        let fd = net::dial("unix", [before, name].concat(), patience(deadline))?;
        // SAFETY: new, and ours.
        Ok(UnixStream { fd: unsafe { Fd::from_raw_fd(fd) } })
    }

    /// Two ends of a new connection.
    ///
    /// # Errors
    /// No descriptor can be had.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = StdStream::pair()?;
        Ok((one.into(), other.into()))
    }

    pub(super) fn of(fd: Fd) -> UnixStream {
        UnixStream { fd }
    }

    /// The socket as any descriptor: for [`Fd::readable`] and its like.
    pub fn fd(&self) -> &Fd {
        &self.fd
    }

    fn as_std(&self) -> impl std::ops::Deref<Target = StdStream> + '_ {
        self.fd.borrowed()
    }

    /// The other side's address; mostly without a name.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// This side's address.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Ends one direction or both, for all that use the connection: reads that wait see the end, writes `BrokenPipe`.
    ///
    /// # Errors
    /// What the system says.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.as_std().shutdown(how)
    }

    /// Another owner of the same end.
    ///
    /// # Errors
    /// No descriptor can be had.
    pub fn try_clone(&self) -> io::Result<UnixStream> {
        Ok(UnixStream { fd: self.fd.try_clone()? })
    }

    /// Reads what is there, waiting for it until `deadline` at most; 0: the end.
    ///
    /// # Errors
    /// `TimedOut`; `WouldBlock`: there is nothing, and the deadline is [`NOWAIT`](crate::time::NOWAIT).
    pub fn read_until(&self, buf: &mut [u8], deadline: i64) -> io::Result<usize> {
        self.fd.recv_some(buf, 0, deadline)
    }

    /// Writes all of `buf`, waiting until `deadline` at most. Fewer bytes only if it was stopped half-way.
    ///
    /// # Errors
    /// Nothing was written: as [`UnixStream::read_until`]; `BrokenPipe`.
    pub fn write_until(&self, buf: &[u8], deadline: i64) -> io::Result<usize> {
        self.fd.send(buf, deadline)
    }

    /// Reads what is there, which stays there.
    ///
    /// # Errors
    /// As for a read.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.fd.recv_some(buf, libc::MSG_PEEK, self.fd.read_deadline())
    }

    /// Sets how long a read of this owner may wait. See [`Fd::set_read_timeout`].
    ///
    /// # Errors
    /// `InvalidInput`: the time is zero.
    pub fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.fd.set_read_timeout(time)
    }

    /// Sets how long a write of this owner may wait. See [`Fd::set_read_timeout`].
    ///
    /// # Errors
    /// `InvalidInput`: the time is zero.
    pub fn set_write_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.fd.set_write_timeout(time)
    }

    /// An end for all waits on this end of the connection, also those under way. See [`Fd::set_deadline`].
    ///
    /// # Errors
    /// As [`Fd::set_deadline`].
    pub fn set_deadline(&self, deadline: i64) -> io::Result<()> {
        self.fd.set_deadline(deadline)
    }
}

impl Read for &UnixStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_until(buf, self.fd.read_deadline())
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.fd).read_vectored(bufs)
    }
}

impl Write for &UnixStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_until(buf, self.fd.write_deadline())
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.fd).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for UnixStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for UnixStream {
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

impl From<StdStream> for UnixStream {
    fn from(stream: StdStream) -> UnixStream {
        OwnedFd::from(stream).into()
    }
}

impl From<OwnedFd> for UnixStream {
    fn from(fd: OwnedFd) -> UnixStream {
        UnixStream { fd: fd.into() }
    }
}

impl From<UnixStream> for OwnedFd {
    fn from(stream: UnixStream) -> OwnedFd {
        stream.fd.into()
    }
}

impl FromRawFd for UnixStream {
    unsafe fn from_raw_fd(fd: RawFd) -> UnixStream {
        // SAFETY: the caller's promise.
        UnixStream { fd: unsafe { Fd::from_raw_fd(fd) } }
    }
}

impl IntoRawFd for UnixStream {
    fn into_raw_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }
}

impl AsRawFd for UnixStream {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
