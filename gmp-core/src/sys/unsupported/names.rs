//! Names of hosts, services and interfaces: nobody knows any.

use super::endpoint::Kind;
use super::{Errno, NO};
use std::ffi::CStr;
use std::net::SocketAddr;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// A name, or an address in digits.
    pub host: &'a CStr,
    pub service: &'a CStr,
    /// Only this family; 0: both.
    pub family: i32,
    pub kind: Kind,
    /// The host is in digits.
    pub numeric: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// There is no such name.
    NoName,
    /// Who should know did not answer.
    NoAnswer,
    NoMemory,
    /// The question makes no sense.
    Invalid,
    Os(Errno),
}

/// Refused.
pub fn look_up(_: &Question<'_>, _: impl FnMut(SocketAddr) -> bool) -> Result<(), Failure> {
    Err(Failure::Os(NO))
}

/// Refused.
pub fn interface(_: &CStr) -> Result<u32, Errno> {
    Err(NO)
}
