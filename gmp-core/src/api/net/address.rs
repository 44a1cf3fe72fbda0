//! Addresses as the kernel has them, from and to those of `std`.
//!
//! Owns: room for any address. Never blocks.

use std::io;
use std::mem::{offset_of, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::SocketAddr as UnixAddr;

/// An address, of as many bytes as it says.
pub struct Address {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

const PATH_AT: usize = offset_of!(libc::sockaddr_un, sun_path);

impl Address {
    /// Room for an answer.
    pub fn room() -> Address {
        // SAFETY: plain data.
        Address { storage: unsafe { zeroed() }, len: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    pub fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub fn len(&self) -> libc::socklen_t {
        self.len
    }

    /// Where an answer and its length go.
    pub fn parts(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.len)
    }

    pub fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    /// # Safety
    /// `T` is a kind of address, plain data that is not larger than the storage.
    unsafe fn put<T>(&mut self, address: T) {
        // SAFETY: the caller's promise; the storage is aligned for all of them.
        unsafe { (&raw mut self.storage).cast::<T>().write(address) };
        self.len = size_of::<T>() as libc::socklen_t;
    }

    /// The address of a TCP or UDP socket.
    pub fn inet(&self) -> io::Result<SocketAddr> {
        match self.family() {
            libc::AF_INET if self.len as usize >= size_of::<libc::sockaddr_in>() => {
                // SAFETY: the family and the length say that it is one.
                let v4 = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Ok(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 if self.len as usize >= size_of::<libc::sockaddr_in6>() => {
                // SAFETY: as above.
                let v6 = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let (port, flow) = (u16::from_be(v6.sin6_port), v6.sin6_flowinfo);
                Ok(SocketAddrV6::new(ip, port, flow, v6.sin6_scope_id).into())
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// The address of a Unix socket; the one without a name where there is none.
    pub fn unix(&self) -> io::Result<UnixAddr> {
        let len = (self.len as usize).min(size_of::<libc::sockaddr_un>());
        if len <= PATH_AT {
            // How the kernel says "no name".
            return UnixAddr::from_pathname("");
        }
        if self.family() != libc::AF_UNIX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let start = (&raw const self.storage).cast::<u8>();
        // SAFETY: the storage is larger than any address of that family.
        let name = unsafe { std::slice::from_raw_parts(start.add(PATH_AT), len - PATH_AT) };
        match name {
            [0, name @ ..] => UnixAddr::from_abstract_name(name),
            path => {
                let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
                UnixAddr::from_pathname(std::ffi::OsString::from_vec(path[..end].to_vec()))
            }
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        let mut made = Address::room();
        match address {
            SocketAddr::V4(v4) => {
                let ip = libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() };
                // SAFETY: plain data, and an address.
                unsafe {
                    let mut to: libc::sockaddr_in = zeroed();
                    to.sin_family = libc::AF_INET as libc::sa_family_t;
                    (to.sin_port, to.sin_addr) = (v4.port().to_be(), ip);
                    made.put(to);
                }
            }
            SocketAddr::V6(v6) => {
                let ip = libc::in6_addr { s6_addr: v6.ip().octets() };
                // SAFETY: as above.
                unsafe {
                    let mut to: libc::sockaddr_in6 = zeroed();
                    to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                    (to.sin6_port, to.sin6_addr) = (v6.port().to_be(), ip);
                    (to.sin6_flowinfo, to.sin6_scope_id) = (v6.flowinfo(), v6.scope_id());
                    made.put(to);
                }
            }
        }
        made
    }
}

impl From<&UnixAddr> for Address {
    fn from(address: &UnixAddr) -> Address {
        let mut made = Address::room();
        // SAFETY: plain data.
        let mut to: libc::sockaddr_un = unsafe { zeroed() };
        to.sun_family = libc::AF_UNIX as libc::sa_family_t;
        let path = address.as_pathname().map(|path| path.as_os_str().as_bytes());
        let (start, name, end) = match (path, address.as_abstract_name()) {
            (Some(path), _) => (0, path, 1),
            (None, Some(name)) => (1, name, 0),
            (None, None) => (0, &[][..], 0),
        };
        // `std` lets no longer one be made.
        to.sun_path[start..].iter_mut().zip(name).for_each(|(to, byte)| *to = *byte as libc::c_char);
        // SAFETY: an address.
        unsafe { made.put(to) };
        made.len = (PATH_AT + start + name.len() + end) as libc::socklen_t;
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_family_come_back() {
        for text in ["127.0.0.1:80", "255.1.2.3:65535", "0.0.0.0:0", "[::1]:80", "[2001:db8::ff%7]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::from(address).inet().unwrap(), address);
        }
        let flow = SocketAddr::from(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 0x0102_0304, 9));
        assert_eq!(Address::from(flow).inet().unwrap(), flow);
    }

    #[test]
    fn names_of_every_kind_and_length_come_back() {
        let same = |address: UnixAddr| {
            let back = Address::from(&address).unix().unwrap();
            assert_eq!(back.as_pathname(), address.as_pathname());
            assert_eq!(back.as_abstract_name(), address.as_abstract_name());
            assert_eq!(back.is_unnamed(), address.is_unnamed());
        };
        same(UnixAddr::from_pathname("").unwrap());
        for n in [1, 50, 107] {
            same(UnixAddr::from_pathname("p".repeat(n)).unwrap());
            same(UnixAddr::from_abstract_name("a".repeat(n)).unwrap());
        }
        same(UnixAddr::from_abstract_name(b"\0zeros\0").unwrap());
        same(UnixAddr::from_abstract_name(b"").unwrap());
    }

    #[test]
    fn an_address_of_another_family_is_refused() {
        assert!(Address::from(&UnixAddr::from_pathname("x").unwrap()).inet().is_err());
        assert!(Address::from("127.0.0.1:1".parse::<SocketAddr>().unwrap()).unix().is_err());
        assert!(Address::room().inet().is_err());
    }
}
