//! A listener for Unix connections.
//!
//! Owns: a socket that listens; not its path. Blocks: an accept parks the task, or blocks a thread that is no task.

use super::accept::{Acceptor, Incoming};
use super::address::Address;
use super::fd::Fd;
use super::unix::UnixStream;
use crate::time::FOREVER;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::path::Path;

/// A Unix socket that listens, as [`std::os::unix::net::UnixListener`]: an accept parks the task. Dropping it closes the socket; its
/// path stays, and is whoever's made it to remove.
///
/// # Example
/// On an abstract name, which leaves nothing behind:
/// ```
/// use gmp_core::net::{UnixListener, UnixStream};
/// use std::io::Write;
/// use std::os::linux::net::SocketAddrExt;
/// use std::os::unix::net::SocketAddr;
///
/// let name = format!("gmp-doc-{}", std::process::id());
/// let address = SocketAddr::from_abstract_name(name)?;
/// let listener = UnixListener::bind_addr(&address)?;
/// let server = gmp_core::spawn(move || listener.accept()?.0.write_all(b"hello"))?;
/// assert_eq!(std::io::read_to_string(UnixStream::connect_addr(&address)?)?, "hello");
/// server.join()??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UnixListener {
    acceptor: Acceptor,
}

impl UnixListener {
    /// Listens on a path, which must not exist.
    ///
    /// # Errors
    /// `AddrInUse`: it exists; what else the system says.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Listens on a path, or on an abstract name ([`SocketAddrExt`](std::os::linux::net::SocketAddrExt)).
    ///
    /// # Errors
    /// As [`UnixListener::bind`].
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        let listener = StdListener::bind_addr(address)?;
        // Saves the accept a system call: it need not ask whether it would block.
        listener.set_nonblocking(true)?;
        Ok(listener.into())
    }

    /// Accepts a connection, and tells where it comes from.
    ///
    /// # Errors
    /// `EBADF` ([`raw_os_error`](io::Error::raw_os_error)): the listener was closed; `EMFILE` and `ENFILE`: descriptors are short, and
    /// the connection waits on; what else the system says.
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.accept_until(FOREVER)
    }

    /// The same, waiting until `deadline` at most.
    ///
    /// # Errors
    /// As [`UnixListener::accept`]; `TimedOut`; `WouldBlock`: there is none, and the deadline is
    /// [`NOWAIT`](crate::time::NOWAIT).
    pub fn accept_until(&self, deadline: i64) -> io::Result<(UnixStream, SocketAddr)> {
        let mut from = Address::room();
        let stream = self.acceptor.accept(Some(&mut from), deadline)?;
        Ok((UnixStream::of(stream), from.unix()?))
    }

    /// The connections, one after the other, until the listener is closed.
    pub fn incoming(&self) -> Incoming<'_, UnixStream> {
        Incoming::of(&self.acceptor, UnixStream::of)
    }

    /// Listens no more: accepts that wait answer an error, [`UnixListener::incoming`] ends, and whoever connects is refused. For clones too.
    pub fn close(&self) {
        self.acceptor.close();
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd().borrowed::<StdListener>().local_addr()
    }

    /// An end for all accepts that wait, also those under way. See [`Fd::set_deadline`].
    ///
    /// # Errors
    /// As [`Fd::set_deadline`].
    pub fn set_deadline(&self, deadline: i64) -> io::Result<()> {
        self.fd().set_read_deadline(deadline)
    }

    /// Another owner of the same socket.
    ///
    /// # Errors
    /// No descriptor can be had.
    pub fn try_clone(&self) -> io::Result<UnixListener> {
        Ok(UnixListener { acceptor: self.acceptor.try_clone()? })
    }

    /// The socket as any descriptor.
    pub fn fd(&self) -> &Fd {
        &self.acceptor.fd
    }
}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = Incoming<'a, UnixStream>;

    fn into_iter(self) -> Incoming<'a, UnixStream> {
        self.incoming()
    }
}

impl From<StdListener> for UnixListener {
    fn from(listener: StdListener) -> UnixListener {
        OwnedFd::from(listener).into()
    }
}

impl From<OwnedFd> for UnixListener {
    fn from(fd: OwnedFd) -> UnixListener {
        UnixListener { acceptor: Acceptor::of(fd, false) }
    }
}

impl From<UnixListener> for OwnedFd {
    /// One of [`UnixListener::bind`] does not block: `std`'s listener needs `set_nonblocking(false)`.
    fn from(listener: UnixListener) -> OwnedFd {
        listener.acceptor.fd.into()
    }
}

impl FromRawFd for UnixListener {
    unsafe fn from_raw_fd(fd: RawFd) -> UnixListener {
        // SAFETY: the caller's promise.
        unsafe { OwnedFd::from_raw_fd(fd) }.into()
    }
}

impl IntoRawFd for UnixListener {
    fn into_raw_fd(self) -> RawFd {
        self.acceptor.fd.into_raw_fd()
    }
}

impl AsRawFd for UnixListener {
    fn as_raw_fd(&self) -> RawFd {
        self.fd().as_raw_fd()
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd().as_fd()
    }
}
