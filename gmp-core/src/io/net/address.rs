//! Networks and addresses as text.
//!
//! Owns: the grammar. `HOST:PORT`, `[V6]:PORT`, `[V6%ZONE]:PORT`, `:PORT`; the port in digits or the name of a service; for Unix sockets a
//! path, or `@NAME`.
//! Always true: what is no such text is `Invalid`; nobody is asked but for the number of a zone.

use super::super::Result;
use crate::base::error::Error;
use crate::sys::endpoint::{Address, Kind};
use crate::sys::names;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The longest name of a host or service that is looked up.
pub const LONGEST: usize = 255;

/// Which addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Any,
    V4,
    V6,
    Unix,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub family: Family,
    pub kind: Kind,
}

impl Network {
    /// The network of this name.
    pub fn parse(name: &[u8]) -> Result<Network> {
        let (family, kind) = match name {
            b"tcp" => (Family::Any, Kind::Stream),
            b"tcp4" => (Family::V4, Kind::Stream),
            b"tcp6" => (Family::V6, Kind::Stream),
            b"udp" => (Family::Any, Kind::Datagram),
            b"udp4" => (Family::V4, Kind::Datagram),
            b"udp6" => (Family::V6, Kind::Datagram),
            b"unix" => (Family::Unix, Kind::Stream),
            b"unixgram" => (Family::Unix, Kind::Datagram),
            b"unixpacket" => (Family::Unix, Kind::Packet),
            _ => return Err(Error::Invalid),
        };
        Ok(Network { family, kind })
    }

    /// AF_INET or AF_INET6; 0: both.
    pub fn number(&self) -> i32 {
        match self.family {
            Family::Any => 0,
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
            Family::Unix => libc::AF_UNIX,
        }
    }

    /// Whether it has such addresses.
    pub fn has(&self, ip: &IpAddr) -> bool {
        match self.family {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
            Family::Unix => false,
        }
    }
}

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// Left out.
    None,
    /// In digits, with the number of its zone.
    Literal(IpAddr, u32),
    Name(&'a [u8]),
}

/// A port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port<'a> {
    Number(u16),
    Service(&'a [u8]),
}

/// A host and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint<'a> {
    pub host: Host<'a>,
    pub port: Port<'a>,
}

impl<'a> Endpoint<'a> {
    /// What the text says. `Os(ENODEV)`: there is no such zone.
    pub fn parse(text: &'a [u8]) -> Result<Endpoint<'a>> {
        let (host, port) = split(text).ok_or(Error::Invalid)?;
        Ok(Endpoint { host: self::host(host)?, port: self::port(port)? })
    }
}

/// An address with its zone.
pub fn socket_address(ip: IpAddr, zone: u32, port: u16) -> SocketAddr {
    match ip {
        IpAddr::V4(_) => SocketAddr::new(ip, port),
        IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, zone)),
    }
}

/// A Unix socket's address.
pub fn unix(name: &[u8]) -> Result<Address> {
    Address::unix(name).ok_or(Error::Invalid)
}

/// Cuts at the last colon; one in a host needs brackets around that.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().rposition(|&byte| byte == b':')?;
    let (host, port) = (&text[..colon], &text[colon + 1..]);
    let inner = match host.strip_prefix(b"[") {
        Some(rest) => rest.strip_suffix(b"]").filter(|inner| !inner.is_empty())?,
        None if host.contains(&b':') => return None,
        None => host,
    };
    let has_bracket = |part: &[u8]| part.iter().any(|&byte| byte == b'[' || byte == b']');
    (!has_bracket(inner) && !has_bracket(port)).then_some((inner, port))
}

fn host(text: &[u8]) -> Result<Host<'_>> {
    if text.is_empty() {
        return Ok(Host::None);
    }
    let as_text = std::str::from_utf8(text).unwrap_or("");
    if let Ok(ip) = as_text.parse::<Ipv4Addr>() {
        return Ok(Host::Literal(ip.into(), 0));
    }
    let (digits, zone) = as_text.split_once('%').map_or((as_text, None), |(digits, zone)| (digits, Some(zone)));
    if let Ok(ip) = digits.parse::<Ipv6Addr>() {
        return Ok(Host::Literal(ip.into(), zone.map_or(Ok(0), self::zone)?));
    }
    if text.len() > LONGEST || text.iter().any(|&byte| byte <= b' ' || byte == 0x7f || byte == b'%' || byte == b':') {
        return Err(Error::Invalid);
    }
    Ok(Host::Name(text))
}

/// An interface's name or number.
fn zone(text: &str) -> Result<u32> {
    // The kernel's names are shorter than that.
    let mut name = [0; 32];
    if text.is_empty() || text.len() >= name.len() {
        return Err(Error::Invalid);
    }
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    name[..text.len()].copy_from_slice(text.as_bytes());
    let name = std::ffi::CStr::from_bytes_until_nul(&name).map_err(|_| Error::Invalid)?;
    Ok(names::interface(name)?)
}

fn port(text: &[u8]) -> Result<Port<'_>> {
    let is_name = |&byte: &u8| byte > b' ' && byte < 0x7f;
    if text.is_empty() || text.len() > LONGEST || !text.iter().all(is_name) || matches!(text[0], b'+' | b'-') {
        return Err(Error::Invalid);
    }
    if !text.iter().all(u8::is_ascii_digit) {
        return Ok(Port::Service(text));
    }
    let digits = std::str::from_utf8(text).unwrap_or("");
    digits.parse().map(Port::Number).map_err(|_| Error::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address itself, where nothing has to be looked up.
    fn literal(text: &str) -> Option<SocketAddr> {
        match Endpoint::parse(text.as_bytes()).unwrap() {
            Endpoint { host: Host::Literal(ip, zone), port: Port::Number(port) } => {
                Some(socket_address(ip, zone, port))
            }
            _ => None,
        }
    }

    #[test]
    fn addresses_in_digits_are_themselves() {
        for text in ["127.0.0.1:80", "[::1]:0", "[2001:db8::2]:65535", "0.0.0.0:1", "[::ffff:1.2.3.4]:5"] {
            assert_eq!(literal(text), Some(text.parse().unwrap()), "{text}");
        }
        assert_eq!(literal("[127.0.0.1]:80"), Some("127.0.0.1:80".parse().unwrap()));
        assert_eq!(literal("127.0.0.1:00080"), literal("127.0.0.1:80"));
        match literal("[fe80::1%7]:80") {
            Some(SocketAddr::V6(v6)) => assert_eq!(v6.scope_id(), 7),
            other => panic!("{other:?}"),
        }
        match literal("[fe80::1%lo]:80") {
            Some(SocketAddr::V6(v6)) => assert!(v6.scope_id() > 0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_left_to_be_looked_up() {
        let parse = |text: &'static str| Endpoint::parse(text.as_bytes()).unwrap();
        assert_eq!(parse("host:80"), Endpoint { host: Host::Name(b"host"), port: Port::Number(80) });
        assert_eq!(parse(":http").port, Port::Service(b"http"));
        assert_eq!(parse(":0"), Endpoint { host: Host::None, port: Port::Number(0) });
        assert_eq!(parse("1.2.3:80").host, Host::Name(b"1.2.3"));
        assert_eq!(parse("[host]:3com-tsmux").host, Host::Name(b"host"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = "a".repeat(LONGEST + 1);
        let texts = [
            "",
            "host",
            "127.0.0.1",
            "::1",
            "::1:80",
            "[::1]",
            "[::1]80",
            "[]:80",
            "[::1:80",
            "::1]:80",
            "[[::1]]:80",
            "host:",
            "host:65536",
            "host:99999999999999999999",
            "host:-1",
            "host:+80",
            "host: 80",
            "host:8 0",
            "a b:80",
            "host:80:81",
            "[::1%]:80",
            "127.0.0.1%lo:80",
            "a%lo:80",
            "\u{7f}:80",
            "host:\u{e9}",
            "[host:80]:80",
        ];
        for text in texts.iter().copied().map(String::from).chain([format!("{long}:80"), format!("host:{long}")]) {
            assert_eq!(Endpoint::parse(text.as_bytes()), Err(Error::Invalid), "{text:?}");
        }
        assert_eq!(Endpoint::parse(b"\xff:80").map(|e| e.host), Ok(Host::Name(b"\xff")));
        assert_eq!(Endpoint::parse(b"[fe80::1%nowhere]:80"), Err(Error::Os(libc::ENODEV)));
    }

    #[test]
    fn networks_have_exactly_these_names() {
        for name in ["tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "unixgram", "unixpacket"] {
            assert!(Network::parse(name.as_bytes()).is_ok(), "{name}");
        }
        for name in ["", "TCP", "tcp ", "tcp5", "ip", "unix4", "tcp\0"] {
            assert_eq!(Network::parse(name.as_bytes()), Err(Error::Invalid), "{name:?}");
        }
    }
}
