//! Sockets while they are set up: made, bound, connecting, their options; and waiting for one of several.
//!
//! Owns: the kernel's form of an address. Nothing else: who makes a socket closes it.
//!
//! Always true: what is made here does not block, and is closed by `exec`. `errno` stays.
//! Called by: `io/net`. Blocks: nothing.

use super::errno;
use crate::sys::Errno;
use libc::{c_int, sockaddr, sockaddr_storage, socklen_t};
use std::mem::{offset_of, size_of};
use std::net::SocketAddr;

/// What moves through a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Stream,
    Datagram,
    /// Messages in order, over a connection.
    Packet,
}

impl Kind {
    pub(super) fn number(self) -> c_int {
        match self {
            Kind::Stream => libc::SOCK_STREAM,
            Kind::Datagram => libc::SOCK_DGRAM,
            Kind::Packet => libc::SOCK_SEQPACKET,
        }
    }
}

/// An address as the kernel takes it.
#[derive(Clone, Copy)]
pub struct Address {
    storage: sockaddr_storage,
    len: socklen_t,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("family", &self.storage.ss_family).field("len", &self.len).finish()
    }
}

impl Address {
    fn zero() -> Address {
        // SAFETY: all zero is an address of no family.
        Address { storage: unsafe { std::mem::zeroed() }, len: 0 }
    }

    /// Of an internet protocol.
    pub fn inet(address: &SocketAddr) -> Address {
        let mut to = Address::zero();
        let at = &raw mut to.storage;
        // SAFETY: the storage is large enough, and aligned, for every kind of address.
        unsafe {
            match address {
                SocketAddr::V4(v4) => {
                    let sin = &mut *at.cast::<libc::sockaddr_in>();
                    sin.sin_family = libc::AF_INET as _;
                    sin.sin_port = v4.port().to_be();
                    sin.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
                    to.len = size_of::<libc::sockaddr_in>() as socklen_t;
                }
                SocketAddr::V6(v6) => {
                    let sin = &mut *at.cast::<libc::sockaddr_in6>();
                    sin.sin6_family = libc::AF_INET6 as _;
                    sin.sin6_port = v6.port().to_be();
                    sin.sin6_flowinfo = v6.flowinfo();
                    sin.sin6_addr.s6_addr = v6.ip().octets();
                    sin.sin6_scope_id = v6.scope_id();
                    to.len = size_of::<libc::sockaddr_in6>() as socklen_t;
                }
            }
        }
        to
    }

    /// A path, or after a leading `@` an abstract name. None: empty, or too long.
    pub fn unix(name: &[u8]) -> Option<Address> {
        const PATH: usize = offset_of!(libc::sockaddr_un, sun_path);
        const ROOM: usize = size_of::<libc::sockaddr_un>() - PATH;
        let is_abstract = name.first() == Some(&b'@');
        // A path has a NUL behind it; an abstract name has one in front, where the `@` is.
        let taken = if is_abstract { name.len() } else { name.len() + 1 };
        if name.len() <= usize::from(is_abstract) || taken > ROOM {
            return None;
        }
        let mut to = Address::zero();
        to.storage.ss_family = libc::AF_UNIX as _;
        to.len = (PATH + taken) as socklen_t;
        // SAFETY: the storage is larger than a Unix address, whose room was checked above.
        unsafe {
            let path = (&raw mut to.storage).cast::<u8>().add(PATH);
            std::ptr::copy_nonoverlapping(name.as_ptr(), path, name.len());
            if is_abstract {
                *path = 0;
            }
        }
        Some(to)
    }

    /// AF_INET, AF_INET6, AF_UNIX.
    pub fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    fn raw(&self) -> *const sockaddr {
        (&raw const self.storage).cast()
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: within the storage, whose bytes were all set.
        unsafe { std::slice::from_raw_parts(self.raw().cast(), self.len as usize) }
    }
}

fn check(result: c_int) -> Result<c_int, Errno> {
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(result)
    }
}

/// A new socket.
pub fn open(family: i32, kind: Kind) -> Result<i32, Errno> {
    let kind = kind.number() | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    errno::keep(|| check(unsafe { libc::socket(family, kind, 0) }))
}

/// Closes a socket that nobody else has.
pub fn close(fd: i32) {
    // SAFETY: the caller's own. Closed also where it answers EINTR.
    errno::keep(|| unsafe { libc::close(fd) });
}

/// Begins to connect. True: it is connected; false: it will be known when the socket is writable ([`outcome`]).
pub fn connect(fd: i32, to: &Address) -> Result<bool, Errno> {
    errno::keep(|| {
        // SAFETY: an address and its length.
        match check(unsafe { libc::connect(fd, to.raw(), to.len) }) {
            Ok(_) | Err(Errno(libc::EISCONN)) => Ok(true),
            // A signal interrupts the wait, not the connection.
            Err(Errno(libc::EINPROGRESS | libc::EALREADY | libc::EINTR)) => Ok(false),
            Err(e) => Err(e),
        }
    })
}

/// How connecting came out, once the socket is writable.
pub fn outcome(fd: i32) -> Result<(), Errno> {
    let mut error: c_int = 0;
    let mut len = size_of::<c_int>() as socklen_t;
    errno::keep(|| {
        // SAFETY: a place for one int, and its size.
        check(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut error).cast(), &mut len) })
    })?;
    if error == 0 {
        Ok(())
    } else {
        Err(Errno(error))
    }
}

/// True when both ends of the connection are this socket, as happens to who connects to a free port of its own machine.
pub fn is_connected_to_itself(fd: i32) -> bool {
    let name = |call: unsafe extern "C" fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int| {
        let mut address = Address::zero();
        address.len = size_of::<sockaddr_storage>() as socklen_t;
        // SAFETY: a place and its size.
        let result = unsafe { call(fd, (&raw mut address.storage).cast(), &mut address.len) };
        (result == 0).then_some(address)
    };
    errno::keep(|| match (name(libc::getsockname), name(libc::getpeername)) {
        (Some(own), Some(other)) => own.bytes() == other.bytes(),
        _ => false,
    })
}

/// Gives the socket its address.
pub fn bind(fd: i32, to: &Address) -> Result<(), Errno> {
    // SAFETY: an address and its length.
    errno::keep(|| check(unsafe { libc::bind(fd, to.raw(), to.len) })).map(drop)
}

/// Has the kernel keep as many new connections as net.core.somaxconn allows: it cuts what is asked for to that.
pub fn listen(fd: i32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    errno::keep(|| check(unsafe { libc::listen(fd, c_int::MAX) })).map(drop)
}

fn set(fd: i32, level: c_int, option: c_int, value: c_int) -> Result<(), Errno> {
    let len = size_of::<c_int>() as socklen_t;
    // SAFETY: one int and its size.
    errno::keep(|| check(unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), len) })).map(drop)
}

/// An address that a connection of a server before this one still has may be used.
pub fn set_reuse_address(fd: i32) -> Result<(), Errno> {
    set(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)
}

/// Whether an IPv6 socket is for IPv6 alone.
pub fn set_only_v6(fd: i32, only: bool) -> Result<(), Errno> {
    set(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, c_int::from(only))
}

/// Datagrams may go to a broadcast address.
pub fn set_broadcast(fd: i32) -> Result<(), Errno> {
    set(fd, libc::SOL_SOCKET, libc::SO_BROADCAST, 1)
}

/// Small writes go out at once.
pub fn set_no_delay(fd: i32) -> Result<(), Errno> {
    set(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)
}

/// A connection whose other end has gone silently ends: after `idle` seconds it is asked, and every `between` seconds again, `times` times.
pub fn set_keep_alive(fd: i32, idle: i32, between: i32, times: i32) -> Result<(), Errno> {
    set(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, idle)?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, between)?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, times)
}

/// Its calls block from now on, for code that is not ours.
pub fn set_blocking(fd: i32) -> Result<(), Errno> {
    // SAFETY: no pointers. A socket that was just made has no other flag.
    errno::keep(|| check(unsafe { libc::fcntl(fd, libc::F_SETFL, 0) })).map(drop)
}

/// Sockets that are connecting, as one descriptor that is readable when something happened to one of them.
#[derive(Debug)]
pub struct Several(i32);

impl Several {
    /// Of none yet.
    pub fn new() -> Result<Several, Errno> {
        // SAFETY: no pointers.
        errno::keep(|| check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })).map(Several)
    }

    /// The descriptor, which the caller closes.
    pub fn fd(&self) -> i32 {
        self.0
    }

    /// One more.
    pub fn add(&self, fd: i32) -> Result<(), Errno> {
        let mut event = libc::epoll_event { events: libc::EPOLLOUT as u32, u64: fd as u64 };
        // SAFETY: one event.
        errno::keep(|| check(unsafe { libc::epoll_ctl(self.0, libc::EPOLL_CTL_ADD, fd, &mut event) })).map(drop)
    }

    /// One less. Before it is closed: a child that was forked meanwhile may have it too.
    pub fn remove(&self, fd: i32) {
        // SAFETY: the event is not read.
        errno::keep(|| unsafe { libc::epoll_ctl(self.0, libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut()) });
    }

    /// One to which something happened, if there is any.
    pub fn ready(&self) -> Option<i32> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for one event.
        let n = errno::keep(|| unsafe { libc::epoll_wait(self.0, &mut event, 1, 0) });
        (n == 1).then_some(event.u64 as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internet_addresses_are_as_the_kernel_has_them() {
        let fd = open(libc::AF_INET, Kind::Stream).unwrap();
        bind(fd, &Address::inet(&"127.0.0.1:0".parse().unwrap())).unwrap();
        listen(fd).unwrap();
        // SAFETY: the socket is this test's, and closed by the listener.
        let listener = unsafe { <std::net::TcpListener as std::os::fd::FromRawFd>::from_raw_fd(fd) };
        let at = listener.local_addr().unwrap();
        assert_eq!(at.ip(), "127.0.0.1".parse::<std::net::IpAddr>().unwrap());
        let other = open(libc::AF_INET, Kind::Stream).unwrap();
        let _at_once = connect(other, &Address::inet(&at)).unwrap();
        listener.accept().unwrap();
        assert_eq!(outcome(other), Ok(()));
        assert!(!is_connected_to_itself(other));
        close(other);
    }

    #[test]
    fn names_of_unix_sockets_have_their_bounds() {
        assert!(Address::unix(b"").is_none() && Address::unix(b"@").is_none());
        assert_eq!(Address::unix(&[b'a'; 107]).map(|a| a.len), Some(110));
        assert!(Address::unix(&[b'a'; 108]).is_none());
        let mut name = [b'a'; 109];
        name[0] = b'@';
        assert_eq!(Address::unix(&name[..108]).map(|a| (a.len, a.bytes()[2])), Some((110, 0)));
        assert!(Address::unix(&name).is_none());
        assert_eq!(Address::unix(b"/x").map(|a| a.bytes().to_vec()), Some(vec![1, 0, b'/', b'x', 0]));
    }
}
