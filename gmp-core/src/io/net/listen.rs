//! Listeners, and sockets for datagrams that have an address.
//!
//! Owns: which socket serves which network: "tcp" and "udp" without a host, or with `[::]`, listen on both families by one IPv6 socket, or
//! on IPv4 alone where there is no IPv6; "tcp6" and "udp6" on IPv6 alone.
//!
//! Always true: a listener does not block, is closed by `exec`, may use the address of one before it (SO_REUSEADDR; not for datagrams, where
//! two could then share it), and has the longest backlog that the system allows. A Unix socket's file is neither removed nor replaced.
//!
//! Called by: any task or thread. Blocks: the task, or a thread that is no task, while a name is looked up.

use super::super::{fresh, Result};
use super::address::{self, Endpoint, Family, Host, Network, Port};
use super::{order, resolve};
use crate::base::error::Error;
use crate::sys::endpoint::{self, Address, Kind};
use crate::sys::Errno;
use crate::time::FOREVER;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Listens on `address` of `network`.
pub fn listen(network: impl AsRef<[u8]>, address: impl AsRef<[u8]>) -> Result<i32> {
    let network = Network::parse(network.as_ref())?;
    if network.family == Family::Unix {
        return Ok(open(network.kind, &address::unix(address.as_ref())?, None)?);
    }
    let endpoint = Endpoint::parse(address.as_ref())?;
    let (ip, zone, port) = match (endpoint.host, endpoint.port) {
        (Host::Name(_), _) => {
            let mut found = resolve::look_up(&network, &endpoint, FOREVER)?;
            order::prefer_v4(&mut found);
            return Ok(bind(&network, &found[0])?);
        }
        (Host::None, Port::Number(port)) => (every(&network), 0, port),
        (Host::Literal(ip, zone), Port::Number(port)) => (ip, zone, port),
        (host, Port::Service(_)) => {
            let port = resolve::look_up(&network, &endpoint, FOREVER)?[0].port();
            match host {
                Host::Literal(ip, zone) => (ip, zone, port),
                _ => (every(&network), 0, port),
            }
        }
    };
    if !network.has(&ip) {
        return Err(Error::Invalid);
    }
    let at = address::socket_address(ip, zone, port);
    match bind(&network, &at) {
        Err(Errno(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::ENOPROTOOPT))
            if endpoint.host == Host::None && network.family == Family::Any =>
        {
            Ok(bind(&network, &SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))?)
        }
        other => Ok(other?),
    }
}

/// Every address of this machine.
fn every(network: &Network) -> IpAddr {
    match network.family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn bind(network: &Network, at: &SocketAddr) -> std::result::Result<i32, Errno> {
    let only_v6 = at.is_ipv6().then_some(network.family == Family::V6 || !at.ip().is_unspecified());
    open(network.kind, &Address::inet(at), only_v6)
}

fn open(kind: Kind, at: &Address, only_v6: Option<bool>) -> std::result::Result<i32, Errno> {
    let fd = fresh(endpoint::open(at.family(), kind)?);
    let set = || {
        if let Some(only) = only_v6 {
            endpoint::set_only_v6(fd, only)?;
        }
        if at.family() != libc::AF_UNIX {
            match kind {
                Kind::Datagram => endpoint::set_broadcast(fd)?,
                _ => endpoint::set_reuse_address(fd)?,
            }
        }
        endpoint::bind(fd, at)?;
        if kind == Kind::Datagram {
            return Ok(());
        }
        endpoint::listen(fd)
    };
    // Nobody has waited for it.
    set().inspect_err(|_| endpoint::close(fd))?;
    Ok(fd)
}
