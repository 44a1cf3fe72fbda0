//! Names of hosts, services and interfaces: what the C library knows about them.
//!
//! Always true: the answer is copied out and given back before a call returns. `errno` stays.
//! Called by: a thread of its own (`io/net/resolve.rs`). Blocks: `look_up` as long as name servers let it, which nobody can
//! cut short.

use super::endpoint::Kind;
use super::errno;
use crate::sys::Errno;
use std::ffi::CStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr::null_mut;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// A name, or an address in digits: then nobody is asked.
    pub host: &'a CStr,
    pub service: &'a CStr,
    /// Only this family: AF_INET or AF_INET6; 0: both.
    pub family: i32,
    pub kind: Kind,
    /// The host is in digits.
    pub numeric: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// There is no such name, or it has no such address.
    NoName,
    /// Who should know did not answer, or could not.
    NoAnswer,
    NoMemory,
    /// The question makes no sense.
    Invalid,
    Os(Errno),
}

/// Asks, and calls `each` with every address, best first, until it says false.
pub fn look_up(question: &Question<'_>, mut each: impl FnMut(SocketAddr) -> bool) -> Result<(), Failure> {
    // SAFETY: all zero asks for nothing special.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = question.family;
    hints.ai_socktype = question.kind.number();
    hints.ai_flags = if question.numeric { libc::AI_NUMERICHOST } else { 0 };
    let mut found: *mut libc::addrinfo = null_mut();
    errno::keep(|| {
        // SAFETY: two strings, the hints, and a place for the answer.
        let code = unsafe { libc::getaddrinfo(question.host.as_ptr(), question.service.as_ptr(), &hints, &mut found) };
        if code != 0 {
            return Err(failure(code));
        }
        let mut at = found;
        // SAFETY: a list that is ours until it is freed.
        while let Some(entry) = unsafe { at.as_ref() } {
            // SAFETY: as above.
            if unsafe { address(entry) }.is_some_and(|address| !each(address)) {
                break;
            }
            at = entry.ai_next;
        }
        // SAFETY: given by getaddrinfo, and used no more.
        unsafe { libc::freeaddrinfo(found) };
        Ok(())
    })
}

/// # Safety
/// `entry` is the C library's.
unsafe fn address(entry: &libc::addrinfo) -> Option<SocketAddr> {
    // SAFETY: the family says which kind of address it is.
    unsafe {
        match entry.ai_family {
            libc::AF_INET => {
                let sin = entry.ai_addr.cast::<libc::sockaddr_in>().read_unaligned();
                let ip = Ipv4Addr::from(u32::from_be(sin.sin_addr.s_addr));
                Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(sin.sin_port))))
            }
            libc::AF_INET6 => {
                let sin = entry.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                let ip = Ipv6Addr::from(sin.sin6_addr.s6_addr);
                let port = u16::from_be(sin.sin6_port);
                Some(SocketAddr::V6(SocketAddrV6::new(ip, port, sin.sin6_flowinfo, sin.sin6_scope_id)))
            }
            _ => None,
        }
    }
}

/// glibc's, which the libc crate does not name: an address of another family exists only; the name exists, and has no address.
const EAI_ADDRFAMILY: i32 = -9;
const EAI_NODATA: i32 = -5;

fn failure(code: i32) -> Failure {
    match code {
        libc::EAI_NONAME | libc::EAI_SERVICE | EAI_NODATA | EAI_ADDRFAMILY => Failure::NoName,
        libc::EAI_MEMORY => Failure::NoMemory,
        libc::EAI_SYSTEM => Failure::Os(Errno::last()),
        libc::EAI_FAMILY | libc::EAI_SOCKTYPE | libc::EAI_BADFLAGS | libc::EAI_OVERFLOW => Failure::Invalid,
        _ => Failure::NoAnswer,
    }
}

/// The number of a network interface.
pub fn interface(name: &CStr) -> Result<u32, Errno> {
    // SAFETY: a string.
    errno::keep(|| match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(Errno::last()),
        index => Ok(index),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_looked_up_without_asking_anybody() {
        let ask = |host, service, family, numeric| {
            let mut all = Vec::new();
            let question = Question { host, service, family, kind: Kind::Stream, numeric };
            look_up(&question, |address| {
                all.push(address);
                true
            })
            .map(|()| all)
        };
        assert_eq!(ask(c"127.0.0.1", c"80", 0, true), Ok(vec!["127.0.0.1:80".parse().unwrap()]));
        assert_eq!(ask(c"::1", c"65535", 0, true), Ok(vec!["[::1]:65535".parse().unwrap()]));
        assert_eq!(ask(c"a name", c"80", 0, true), Err(Failure::NoName));
        assert_eq!(ask(c"::1", c"80", libc::AF_INET, true), Err(Failure::NoName));
        assert_eq!(ask(c"127.0.0.1", c"no-such-service", 0, true), Err(Failure::NoName));
    }

    #[test]
    fn the_loopback_is_an_interface() {
        assert!(interface(c"no such interface").is_err());
        assert!(interface(c"lo").is_ok_and(|index| index > 0));
    }
}
