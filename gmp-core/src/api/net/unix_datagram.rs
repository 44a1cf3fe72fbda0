//! Datagrams between programs on this computer.
//!
//! Owns: the socket; not its path. Blocks: sends and receives park the task, or block a thread that is no task.

use super::address::Address;
use super::fd::Fd;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
use std::path::Path;
use std::time::Duration;

/// A Unix datagram socket, as [`std::os::unix::net::UnixDatagram`]: what waits parks the task. Dropping it closes the socket; its path
/// stays.
///
/// # Example
/// ```
/// use gmp_core::net::UnixDatagram;
///
/// let (ours, theirs) = UnixDatagram::pair()?;
/// let receiver = gmp_core::spawn(move || {
///     let mut buf = [0; 8];
///     Ok([theirs.recv(&mut buf)?, theirs.recv(&mut buf)?])
/// })?;
/// ours.send(b"one")?;
/// ours.send(b"three")?;
/// assert_eq!(receiver.join()?.map_err(|e: std::io::Error| e.kind()), Ok([3, 5]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    fd: Fd,
}

impl UnixDatagram {
    /// A socket with a path, which must not exist.
    ///
    /// # Errors
    /// `AddrInUse`: it exists; what else the system says.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        Ok(StdDatagram::bind(path)?.into())
    }

    /// A socket with a path or an abstract name ([`SocketAddrExt`](std::os::linux::net::SocketAddrExt)).
    ///
    /// # Errors
    /// As [`UnixDatagram::bind`].
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        Ok(StdDatagram::bind_addr(address)?.into())
    }

    /// A socket without a name.
    ///
    /// # Errors
    /// No descriptor can be had.
    pub fn unbound() -> io::Result<UnixDatagram> {
        Ok(StdDatagram::unbound()?.into())
    }

    /// Two sockets that are each other's peers.
    ///
    /// # Errors
    /// No descriptor can be had.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = StdDatagram::pair()?;
        Ok((one.into(), other.into()))
    }

    /// Names the peer: [`UnixDatagram::send`] sends to it.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`: there is none; what else the system says.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.as_std().connect(path)
    }

    /// The same for any kind of address.
    ///
    /// # Errors
    /// As [`UnixDatagram::connect`].
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.as_std().connect_addr(address)
    }

    /// Sends one datagram to the socket with this path. Waits while too many wait there.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`: there is none; `TimedOut`; what else the system says.
    pub fn send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_addr(buf, &SocketAddr::from_pathname(path)?)
    }

    /// The same for any kind of address.
    ///
    /// # Errors
    /// As [`UnixDatagram::send_to`].
    pub fn send_to_addr(&self, buf: &[u8], address: &SocketAddr) -> io::Result<usize> {
        self.fd.send_to(buf, &Address::from(address), self.fd.write_deadline())
    }

    /// Receives one datagram: its length, and where it comes from. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// `TimedOut`; what the system says.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (n, from) = self.fd.recv_from(buf, 0, self.fd.read_deadline())?;
        Ok((n, from.unix()?))
    }

    /// Sends one datagram to the peer.
    ///
    /// # Errors
    /// `NotConnected`: none was named; `ConnectionRefused`: it is gone; `TimedOut`.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.fd.send(buf, self.fd.write_deadline())
    }

    /// Receives one datagram.
    ///
    /// # Errors
    /// As [`UnixDatagram::recv_from`].
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_until(buf, self.fd.read_deadline())
    }

    /// The same, waiting until `deadline` at most.
    ///
    /// # Errors
    /// As [`UnixDatagram::recv_from`]; `WouldBlock`: there is none, and the deadline is [`NOWAIT`](crate::time::NOWAIT).
    pub fn recv_until(&self, buf: &mut [u8], deadline: i64) -> io::Result<usize> {
        self.fd.recv(buf, 0, deadline)
    }

    /// As [`UnixDatagram::recv`]; the datagram stays.
    ///
    /// # Errors
    /// As [`UnixDatagram::recv_from`].
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.fd.recv(buf, libc::MSG_PEEK, self.fd.read_deadline())
    }

    /// Ends one direction or both, for all that use the socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.as_std().shutdown(how)
    }

    /// Sets how long a receive of this owner may wait. See [`Fd::set_read_timeout`].
    ///
    /// # Errors
    /// `InvalidInput`: the time is zero.
    pub fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.fd.set_read_timeout(time)
    }

    /// Sets how long a send of this owner may wait. See [`Fd::set_read_timeout`].
    ///
    /// # Errors
    /// `InvalidInput`: the time is zero.
    pub fn set_write_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.fd.set_write_timeout(time)
    }

    /// An end for all waits on the socket, also those under way. See [`Fd::set_deadline`].
    ///
    /// # Errors
    /// As [`Fd::set_deadline`].
    pub fn set_deadline(&self, deadline: i64) -> io::Result<()> {
        self.fd.set_deadline(deadline)
    }

    /// Another owner of the same socket.
    ///
    /// # Errors
    /// No descriptor can be had.
    pub fn try_clone(&self) -> io::Result<UnixDatagram> {
        Ok(UnixDatagram { fd: self.fd.try_clone()? })
    }

    /// The socket's address.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// The peer that was named.
    ///
    /// # Errors
    /// `NotConnected`: none was.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// The socket as any descriptor.
    pub fn fd(&self) -> &Fd {
        &self.fd
    }

    fn as_std(&self) -> impl std::ops::Deref<Target = StdDatagram> + '_ {
        self.fd.borrowed()
    }
}

impl From<StdDatagram> for UnixDatagram {
    fn from(socket: StdDatagram) -> UnixDatagram {
        OwnedFd::from(socket).into()
    }
}

impl From<OwnedFd> for UnixDatagram {
    fn from(fd: OwnedFd) -> UnixDatagram {
        UnixDatagram { fd: fd.into() }
    }
}

impl From<UnixDatagram> for OwnedFd {
    fn from(socket: UnixDatagram) -> OwnedFd {
        socket.fd.into()
    }
}

impl FromRawFd for UnixDatagram {
    unsafe fn from_raw_fd(fd: RawFd) -> UnixDatagram {
        // SAFETY: the caller's promise.
        UnixDatagram { fd: unsafe { Fd::from_raw_fd(fd) } }
    }
}

impl IntoRawFd for UnixDatagram {
    fn into_raw_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }
}

impl AsRawFd for UnixDatagram {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
