//! A TCP listener.
//!
//! Owns: a socket that listens. Blocks: an accept parks the task, or blocks a thread that is no task.

use super::accept::{Acceptor, Incoming};
use super::address::Address;
use super::fd::{apart, Fd};
use super::tcp::TcpStream;
use crate::time::FOREVER;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// A socket that listens, as [`std::net::TcpListener`]: an accept parks the task. Dropping it closes the socket; connections that
/// were not accepted are reset.
///
/// Several tasks can accept at a time.
///
/// # Example
/// A server that is closed while its task waits for the next connection:
/// ```
/// use gmp_core::net::{TcpListener, TcpStream};
/// use std::io::Write;
/// use std::sync::Arc;
///
/// let listener = Arc::new(TcpListener::bind("127.0.0.1:0")?);
/// let server = listener.clone();
/// let served = gmp_core::spawn(move || {
///     let greet = |stream: TcpStream| (&stream).write_all(b"hello");
///     server.incoming().map(|stream| greet(stream?)).filter(Result::is_ok).count()
/// })?;
///
/// for _ in 0..3 {
///     let client = TcpStream::connect(listener.local_addr()?)?;
///     assert_eq!(std::io::read_to_string(client)?, "hello");
/// }
/// listener.close();
/// assert_eq!(served.join()?, 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpListener {
    acceptor: Acceptor,
}

impl TcpListener {
    /// Listens on an address; of several, on the first that is to be had. Port 0: one that is free. SO_REUSEADDR is set, and as many
    /// connections wait to be accepted as the system allows. A host's name is looked up as by [`TcpStream::connect`].
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`, and what else the system says; `InvalidInput`: there is no address.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let listener = apart(|| StdListener::bind(address))?;
        // Saves the accept a system call: it need not ask whether it would block.
        listener.set_nonblocking(true)?;
        Ok(listener.into())
    }

    /// Accepts a connection, and tells where it comes from.
    ///
    /// # Errors
    /// `EBADF` ([`raw_os_error`](io::Error::raw_os_error)): the listener was closed; `EMFILE` and `ENFILE`: descriptors are short, and
    /// the connection waits on; what else the system says.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept_until(FOREVER)
    }

    /// The same, waiting until `deadline` at most.
    ///
    /// # Errors
    /// As [`TcpListener::accept`]; `TimedOut`; `WouldBlock`: there is none, and the deadline is
    /// [`NOWAIT`](crate::time::NOWAIT).
    pub fn accept_until(&self, deadline: i64) -> io::Result<(TcpStream, SocketAddr)> {
        let mut from = Address::room();
        let stream = self.acceptor.accept(Some(&mut from), deadline)?;
        Ok((TcpStream::of(stream), from.inet()?))
    }

    /// The connections, one after the other, until the listener is closed.
    pub fn incoming(&self) -> Incoming<'_, TcpStream> {
        Incoming::of(&self.acceptor, TcpStream::of)
    }

    /// Listens no more: accepts that wait answer an error, [`TcpListener::incoming`] ends, and whoever connects is refused. For clones too.
    pub fn close(&self) {
        self.acceptor.close();
    }

    /// The address that it listens on, with the port that was chosen.
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
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        Ok(TcpListener { acceptor: self.acceptor.try_clone()? })
    }

    /// The socket as any descriptor.
    pub fn fd(&self) -> &Fd {
        &self.acceptor.fd
    }
}

impl<'a> IntoIterator for &'a TcpListener {
    type Item = io::Result<TcpStream>;
    type IntoIter = Incoming<'a, TcpStream>;

    fn into_iter(self) -> Incoming<'a, TcpStream> {
        self.incoming()
    }
}

impl From<StdListener> for TcpListener {
    fn from(listener: StdListener) -> TcpListener {
        OwnedFd::from(listener).into()
    }
}

impl From<OwnedFd> for TcpListener {
    fn from(fd: OwnedFd) -> TcpListener {
        TcpListener { acceptor: Acceptor::of(fd, true) }
    }
}

impl From<TcpListener> for OwnedFd {
    /// One of [`TcpListener::bind`] does not block: `std`'s listener needs `set_nonblocking(false)`.
    fn from(listener: TcpListener) -> OwnedFd {
        listener.acceptor.fd.into()
    }
}

impl FromRawFd for TcpListener {
    unsafe fn from_raw_fd(fd: RawFd) -> TcpListener {
        // SAFETY: the caller's promise.
        unsafe { OwnedFd::from_raw_fd(fd) }.into()
    }
}

impl IntoRawFd for TcpListener {
    fn into_raw_fd(self) -> RawFd {
        self.acceptor.fd.into_raw_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.fd().as_raw_fd()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd().as_fd()
    }
}
