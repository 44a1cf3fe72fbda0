//! A TCP connection.
//!
//! Owns: a connected socket. Blocks: connects, reads and writes park the task, or block a thread that is no task.

use super::fd::{apart, patience, Fd};
use crate::io::net;
use crate::time::FOREVER;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream as StdStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// A TCP connection, as [`std::net::TcpStream`]: what waits parks the task. Dropping it closes the connection.
///
/// Several tasks can use it at a time, through `&TcpStream`: one reads and another writes. Bytes are sent at once (TCP_NODELAY).
///
/// # Example
/// Two tasks, one for each direction:
/// ```
/// use gmp_core::net::{TcpListener, TcpStream};
/// use std::io::{Read, Write};
/// use std::net::Shutdown;
/// use std::sync::Arc;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let ours = Arc::new(TcpStream::connect(listener.local_addr()?)?);
/// let (mut theirs, _) = listener.accept()?;
///
/// let writer = ours.clone();
/// let sent = gmp_core::spawn(move || {
///     (&*writer).write_all(&[7; 100_000])?;
///     writer.shutdown(Shutdown::Write)
/// })?;
/// let echoed = gmp_core::spawn(move || std::io::copy(&mut theirs.try_clone()?, &mut theirs))?;
/// let mut back = Vec::new();
/// (&*ours).read_to_end(&mut back)?;
/// assert_eq!(back, [7; 100_000]);
/// sent.join()??;
/// assert_eq!(echoed.join()??, 100_000);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpStream {
    fd: Fd,
}

impl TcpStream {
    /// Connects to an address; of several, to the first that answers. A host's name is looked up by the machine's thread, while its
    /// processor goes on with other tasks; that look-up has no deadline and is not ended by a cancellation: see
    /// [`TcpStream::dial`].
    ///
    /// # Errors
    /// Of the last address that was tried: `ConnectionRefused`, and what else the system says; `InvalidInput`: there is no
    /// address. The task was cancelled.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
        let addresses = apart(|| address.to_socket_addrs())?;
        first(addresses, |address| TcpStream::connect_until(&address, FOREVER))
    }

    /// Connects to an address within `time`.
    ///
    /// # Errors
    /// As [`TcpStream::connect`]; `TimedOut`; `InvalidInput`: the time is zero.
    pub fn connect_timeout(address: &SocketAddr, time: Duration) -> io::Result<TcpStream> {
        if time.is_zero() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        TcpStream::connect_until(address, crate::within(time))
    }

    /// Connects to an address until `deadline`.
    ///
    /// # Errors
    /// As [`TcpStream::connect`]; `TimedOut`.
    pub fn connect_until(address: &SocketAddr, deadline: i64) -> io::Result<TcpStream> {
        // Longer than any address in digits.
        let mut text = [0; 96];
        let mut at = io::Cursor::new(&mut text[..]);
        write!(at, "{address}")?;
        let length = at.position() as usize;
        TcpStream::dial_bytes(&text[..length], deadline)
    }

    /// Connects to `"host:port"`: as the C functions do, with a deadline for the look-up too, and with both of a host's families
    /// tried at about the same time, so that one that does not answer costs little.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    ///
    /// # Example
    /// ```
    /// use gmp_core::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = format!("localhost:{}", listener.local_addr()?.port());
    /// let stream = TcpStream::dial(&address)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dial(address: &str) -> io::Result<TcpStream> {
        TcpStream::dial_until(address, FOREVER)
    }

    /// The same until `deadline`.
    ///
    /// # Errors
    /// As [`TcpStream::connect`]; `TimedOut`.
    pub fn dial_until(address: &str, deadline: i64) -> io::Result<TcpStream> {
        TcpStream::dial_bytes(address.as_bytes(), deadline)
    }

    fn dial_bytes(address: &[u8], deadline: i64) -> io::Result<TcpStream> {
        let fd = net::dial("tcp", address, patience(deadline))?;
        // SAFETY: new, and ours.
        Ok(TcpStream { fd: unsafe { Fd::from_raw_fd(fd) } })
    }

    pub(super) fn of(fd: Fd) -> TcpStream {
        TcpStream { fd }
    }

    /// The socket as any descriptor: for [`Fd::readable`] and its like.
    pub fn fd(&self) -> &Fd {
        &self.fd
    }

    fn as_std(&self) -> impl std::ops::Deref<Target = StdStream> + '_ {
        self.fd.borrowed()
    }

    /// The other side's address.
    ///
    /// # Errors
    /// `NotConnected`: the connection has ended by an error.
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

    /// Ends one direction or both, for all that use the connection: reads that wait see the end, writes `BrokenPipe`. What was written before still
    /// arrives.
    ///
    /// # Errors
    /// `NotConnected`: the connection has ended already.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.as_std().shutdown(how)
    }

    /// Another owner of the same connection, which is closed when all of them are dropped.
    ///
    /// # Errors
    /// No descriptor can be had.
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        Ok(TcpStream { fd: self.fd.try_clone()? })
    }

    /// Reads what is there, waiting for it until `deadline` at most; 0: the end.
    ///
    /// # Errors
    /// `TimedOut`; `WouldBlock`: there is nothing, and the deadline is [`NOWAIT`](crate::time::NOWAIT); `ConnectionReset`.
    ///
    /// # Example
    /// ```
    /// use gmp_core::net::{TcpListener, TcpStream};
    /// use gmp_core::within;
    /// use std::io::{ErrorKind, Write};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut server, _) = listener.accept()?;
    /// let mut buf = [0; 8];
    /// let late = client.read_until(&mut buf, within(Duration::from_millis(1))).unwrap_err();
    /// assert_eq!(late.kind(), ErrorKind::TimedOut);
    /// server.write_all(b"late")?; // and nothing is lost by it
    /// assert_eq!(client.read_until(&mut buf, gmp_core::time::FOREVER)?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_until(&self, buf: &mut [u8], deadline: i64) -> io::Result<usize> {
        self.fd.recv_some(buf, 0, deadline)
    }

    /// Writes all of `buf`, waiting until `deadline` at most. Fewer bytes only if it was stopped half-way.
    ///
    /// # Errors
    /// Nothing was written: as [`TcpStream::read_until`]; `BrokenPipe`.
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

    /// How long a read may wait.
    ///
    /// # Errors
    /// None; a result as `std` has it.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.fd.read_timeout())
    }

    /// How long a write may wait.
    ///
    /// # Errors
    /// None; a result as `std` has it.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.fd.write_timeout())
    }

    /// An end for all waits on the connection, also those under way. See [`Fd::set_deadline`].
    ///
    /// # Errors
    /// As [`Fd::set_deadline`].
    pub fn set_deadline(&self, deadline: i64) -> io::Result<()> {
        self.fd.set_deadline(deadline)
    }

    /// False: small writes are held back, to be sent together.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.as_std().set_nodelay(nodelay)
    }

    /// True: written bytes are sent at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.as_std().nodelay()
    }

    /// Sets how many routers a packet may pass.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.as_std().set_ttl(ttl)
    }

    /// How many routers a packet may pass.
    ///
    /// # Errors
    /// What the system says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.as_std().ttl()
    }

    /// The error that waits to be told (SO_ERROR), which is gone then.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.as_std().take_error()
    }
}

/// What the first address gives for which it works.
pub(super) fn first<T>(
    addresses: impl Iterator<Item = SocketAddr>,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for address in addresses {
        match attempt(address) {
            Err(e) if !is_ours(&e) => last = Some(e),
            other => return other,
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is no address")))
}

/// An end of the task's wait, which says nothing of the address.
fn is_ours(e: &io::Error) -> bool {
    e.raw_os_error() == Some(libc::ECANCELED) || e.kind() == io::ErrorKind::Other
}

impl Read for &TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_until(buf, self.fd.read_deadline())
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.fd).read_vectored(bufs)
    }
}

impl Write for &TcpStream {
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

impl Read for TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for TcpStream {
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

impl From<StdStream> for TcpStream {
    fn from(stream: StdStream) -> TcpStream {
        OwnedFd::from(stream).into()
    }
}

impl From<OwnedFd> for TcpStream {
    fn from(fd: OwnedFd) -> TcpStream {
        TcpStream { fd: fd.into() }
    }
}

impl From<TcpStream> for OwnedFd {
    fn from(stream: TcpStream) -> OwnedFd {
        stream.fd.into()
    }
}

impl FromRawFd for TcpStream {
    unsafe fn from_raw_fd(fd: RawFd) -> TcpStream {
        // SAFETY: the caller's promise.
        TcpStream { fd: unsafe { Fd::from_raw_fd(fd) } }
    }
}

impl IntoRawFd for TcpStream {
    fn into_raw_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
