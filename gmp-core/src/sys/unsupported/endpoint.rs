//! Sockets while they are set up: none can be made.

use super::{Errno, NO};
use std::net::SocketAddr;

/// What moves through a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Stream,
    Datagram,
    /// Messages in order, over a connection.
    Packet,
}

/// An address: its family.
#[derive(Debug, Clone, Copy)]
pub struct Address(i32);

impl Address {
    /// Of an internet protocol.
    pub fn inet(address: &SocketAddr) -> Address {
        Address(if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 })
    }

    /// None has room.
    pub fn unix(_: &[u8]) -> Option<Address> {
        None
    }

    /// AF_INET, AF_INET6.
    pub fn family(&self) -> i32 {
        self.0
    }
}

/// Refused.
pub fn open(_: i32, _: Kind) -> Result<i32, Errno> {
    Err(NO)
}

/// Nothing is open.
pub fn close(_: i32) {}

/// Refused.
pub fn connect(_: i32, _: &Address) -> Result<bool, Errno> {
    Err(NO)
}

/// Refused.
pub fn outcome(_: i32) -> Result<(), Errno> {
    Err(NO)
}

/// Not connected.
pub fn is_connected_to_itself(_: i32) -> bool {
    false
}

/// Refused.
pub fn bind(_: i32, _: &Address) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn listen(_: i32) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn set_reuse_address(_: i32) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn set_only_v6(_: i32, _: bool) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn set_broadcast(_: i32) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn set_no_delay(_: i32) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn set_keep_alive(_: i32, _: i32, _: i32, _: i32) -> Result<(), Errno> {
    Err(NO)
}

/// Refused.
pub fn set_blocking(_: i32) -> Result<(), Errno> {
    Err(NO)
}

/// Sockets that are connecting: none.
#[derive(Debug)]
pub struct Several(());

impl Several {
    /// Refused.
    pub fn new() -> Result<Several, Errno> {
        Err(NO)
    }

    /// None.
    pub fn fd(&self) -> i32 {
        -1
    }

    /// Refused.
    pub fn add(&self, _: i32) -> Result<(), Errno> {
        Err(NO)
    }

    /// There is none.
    pub fn remove(&self, _: i32) {}

    /// None.
    pub fn ready(&self) -> Option<i32> {
        None
    }
}
