//! A UDP socket.
//!
//! Owns: the socket. Blocks: sends and receives park the task, or block a thread that is no task.

use super::address::Address;
use super::fd::{apart, Fd};
use super::tcp::first;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket as StdSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// A UDP socket, as [`std::net::UdpSocket`]: what waits parks the task. Dropping it closes the socket.
///
/// Several tasks can use it at a time; a datagram goes to one of them. Options that are not here can be set through
/// [`AsFd`]: `StdSocket::from(socket.as_fd().try_clone_to_owned()?)` is the same socket.
///
/// # Example
/// ```
/// use gmp_core::net::UdpSocket;
///
/// let server = UdpSocket::bind("127.0.0.1:0")?;
/// let address = server.local_addr()?;
/// let echo = gmp_core::spawn(move || {
///     let mut buf = [0; 64];
///     let (n, from) = server.recv_from(&mut buf)?;
///     server.send_to(&buf[..n], from)
/// })?;
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.connect(address)?;
/// client.send(b"ping")?;
/// let mut buf = [0; 64];
/// assert_eq!(client.recv(&mut buf)?, 4);
/// assert_eq!(echo.join()??, 4);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    fd: Fd,
}

impl UdpSocket {
    /// A socket with an address; of several, the first that is to be had. Port 0: one that is free.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, and what else the system says; `InvalidInput`: there is no address.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        Ok(apart(|| StdSocket::bind(address))?.into())
    }

    /// Names the peer: [`UdpSocket::send`] sends to it, and only its datagrams are received.
    ///
    /// # Errors
    /// As [`UdpSocket::bind`].
    pub fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        let addresses = apart(|| address.to_socket_addrs())?;
        first(addresses, |address| self.as_std().connect(address))
    }

    /// Sends one datagram to the first of these addresses.
    ///
    /// # Errors
    /// `TimedOut`; what the system says, for example `EMSGSIZE`.
    pub fn send_to(&self, buf: &[u8], address: impl ToSocketAddrs) -> io::Result<usize> {
        let mut addresses = apart(|| address.to_socket_addrs())?;
        let address = addresses.next().ok_or(io::ErrorKind::InvalidInput)?;
        self.send_to_until(buf, &address, self.fd.write_deadline())
    }

    /// The same to one address, waiting until `deadline` at most.
    ///
    /// # Errors
    /// As [`UdpSocket::send_to`].
    pub fn send_to_until(&self, buf: &[u8], address: &SocketAddr, deadline: i64) -> io::Result<usize> {
        self.fd.send_to(buf, &Address::from(*address), deadline)
    }

    /// Receives one datagram: its length, and where it comes from. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// `TimedOut`; what the system says, for example `ConnectionRefused` after a send that found nobody.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.recv_from_until(buf, self.fd.read_deadline())
    }

    /// The same, waiting until `deadline` at most.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`]; `WouldBlock`: there is none, and the deadline is [`NOWAIT`](crate::time::NOWAIT).
    pub fn recv_from_until(&self, buf: &mut [u8], deadline: i64) -> io::Result<(usize, SocketAddr)> {
        let (n, from) = self.fd.recv_from(buf, 0, deadline)?;
        Ok((n, from.inet()?))
    }

    /// As [`UdpSocket::recv_from`]; the datagram stays.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (n, from) = self.fd.recv_from(buf, libc::MSG_PEEK, self.fd.read_deadline())?;
        Ok((n, from.inet()?))
    }

    /// Sends one datagram to the peer.
    ///
    /// # Errors
    /// As [`UdpSocket::send_to`]; `EDESTADDRREQ`: none was named.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.fd.send(buf, self.fd.write_deadline())
    }

    /// Receives one datagram; of a peer that was named, from it.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_until(buf, self.fd.read_deadline())
    }

    /// The same, waiting until `deadline` at most.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from_until`].
    pub fn recv_until(&self, buf: &mut [u8], deadline: i64) -> io::Result<usize> {
        self.fd.recv(buf, 0, deadline)
    }

    /// As [`UdpSocket::recv`]; the datagram stays.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.fd.recv(buf, libc::MSG_PEEK, self.fd.read_deadline())
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
    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        Ok(UdpSocket { fd: self.fd.try_clone()? })
    }

    /// The socket's address, with the port that was chosen.
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

    /// True: it may send to all of a network.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.as_std().set_broadcast(broadcast)
    }

    /// The socket as any descriptor.
    pub fn fd(&self) -> &Fd {
        &self.fd
    }

    fn as_std(&self) -> impl std::ops::Deref<Target = StdSocket> + '_ {
        self.fd.borrowed()
    }
}

impl From<StdSocket> for UdpSocket {
    fn from(socket: StdSocket) -> UdpSocket {
        OwnedFd::from(socket).into()
    }
}

impl From<OwnedFd> for UdpSocket {
    fn from(fd: OwnedFd) -> UdpSocket {
        UdpSocket { fd: fd.into() }
    }
}

impl From<UdpSocket> for OwnedFd {
    fn from(socket: UdpSocket) -> OwnedFd {
        socket.fd.into()
    }
}

impl FromRawFd for UdpSocket {
    unsafe fn from_raw_fd(fd: RawFd) -> UdpSocket {
        // SAFETY: the caller's promise.
        UdpSocket { fd: unsafe { Fd::from_raw_fd(fd) } }
    }
}

impl IntoRawFd for UdpSocket {
    fn into_raw_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
