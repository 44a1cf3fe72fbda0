//! Dialling: the first of several attempts that connects (RFC 8305, "happy eyeballs").
//!
//! Owns: the attempts under way. The next address is tried when the latest attempt has failed, or has taken [`STAGGER`]; the first that
//! connects is the result, and the others are closed. One deadline for all of it, the lookup too.
//!
//! Always true:
//!  - R1. When this ends otherwise than with a connection it has closed what it opened. When no address is left, the answer is the error of the
//!        first one.
//!  - R2. The sockets do not block while they connect; the one that is given out blocks, for code that knows nothing of us. A TCP one has
//!        TCP_NODELAY, and asks its other end after 15 silent seconds, 9 times, 15 seconds apart, whether it is there, as Go's do.
//!
//! Called by: any task or thread. Blocks: the task, or a thread that is no task.

use super::super::{close_fd, fresh, poll_fd, Result};
use super::address::{self, Endpoint, Family, Host, Network, Port};
use super::{order, resolve};
use crate::base::clock;
use crate::base::error::Error;
use crate::sys::endpoint::{self, Address, Kind, Several};
use crate::sys::Errno;
use crate::time::{self, FOREVER, NOWAIT};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How long an attempt is waited for before the next begins (RFC 8305, section 8).
const STAGGER: i64 = 250_000_000;
/// Seconds of silence, and between questions; and how many of these.
const SILENCE: i32 = 15;
const QUESTIONS: i32 = 9;
/// How often an address is tried again to which a socket has connected itself.
const AGAIN: u32 = 2;
const LONGEST_PAUSE: i64 = 5_000_000;

/// Connects to `address` of `network`.
pub fn dial(network: impl AsRef<[u8]>, address: impl AsRef<[u8]>, deadline: i64) -> Result<i32> {
    let network = Network::parse(network.as_ref())?;
    if network.family == Family::Unix {
        return dial_unix(network.kind, &address::unix(address.as_ref())?, deadline);
    }
    let endpoint = Endpoint::parse(address.as_ref())?;
    let mut looked_up;
    let mut one = [SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)];
    let candidates: &[SocketAddr] = match (endpoint.host, endpoint.port) {
        (Host::Name(_), _) => {
            looked_up = resolve::look_up(&network, &endpoint, deadline)?;
            order::interleave(&mut looked_up);
            &looked_up
        }
        (host, port) => {
            let (ip, zone) = this_host_if_none(&network, host);
            if !network.has(&ip) {
                return Err(Error::Invalid);
            }
            let port = match port {
                Port::Number(port) => port,
                Port::Service(_) => resolve::look_up(&network, &endpoint, deadline)?[0].port(),
            };
            one[0] = address::socket_address(ip, zone, port);
            &one
        }
    };
    Race { kind: network.kind, candidates, next: 0, live: Vec::new(), several: None, first_error: None }.run(deadline)
}

/// Without a host, this one.
fn this_host_if_none(network: &Network, host: Host<'_>) -> (IpAddr, u32) {
    match (host, network.family) {
        (Host::Literal(ip, zone), _) => (ip, zone),
        (_, Family::V6) => (Ipv6Addr::LOCALHOST.into(), 0),
        _ => (Ipv4Addr::LOCALHOST.into(), 0),
    }
}

/// An attempt that has begun.
struct Attempt {
    fd: i32,
    candidate: usize,
    /// It is tried so often again.
    again: u32,
}

struct Race<'a> {
    kind: Kind,
    candidates: &'a [SocketAddr],
    /// The first that was not tried.
    next: usize,
    live: Vec<Attempt>,
    /// All of them, once there is more than one.
    several: Option<Several>,
    /// The error of the earliest candidate that failed.
    first_error: Option<(usize, Error)>,
}

impl Drop for Race<'_> {
    fn drop(&mut self) {
        for attempt in &self.live {
            close(attempt.fd);
        }
        if let Some(several) = &self.several {
            close(several.fd());
        }
    }
}

fn close(fd: i32) {
    // It was open, and is nobody else's.
    let _closed = close_fd(fd);
}

impl Race<'_> {
    fn run(mut self, deadline: i64) -> Result<i32> {
        self.live.try_reserve_exact(self.candidates.len()).map_err(|_| Error::NoMemory)?;
        loop {
            let started = clock::now();
            if self.next < self.candidates.len() {
                self.next += 1;
                if let Some(fd) = self.begin(self.next - 1, AGAIN) {
                    return self.won(fd);
                }
            }
            loop {
                let more = self.next < self.candidates.len();
                if self.live.is_empty() {
                    if more {
                        break;
                    }
                    return Err(self.first_error.map_or(Error::Invalid, |(_, e)| e));
                }
                let until = if more && deadline != NOWAIT { deadline.min(started + STAGGER) } else { deadline };
                match self.wait(until) {
                    Ok(Some(fd)) => return self.won(fd),
                    // One has failed: the next begins at once.
                    Ok(None) if more => break,
                    Ok(None) => {}
                    Err(Error::Again) if more => break,
                    Err(Error::TimedOut) if more && (deadline == FOREVER || clock::now() < deadline) => break,
                    Err(e) => return Err(e),
                }
            }
        }
    }

    fn failed(&mut self, candidate: usize, e: Error) {
        if self.first_error.is_none_or(|(earlier, _)| candidate < earlier) {
            self.first_error = Some((candidate, e));
        }
    }

    /// Begins an attempt. The socket, if it is connected already.
    fn begin(&mut self, candidate: usize, again: u32) -> Option<i32> {
        let to = Address::inet(&self.candidates[candidate]);
        let begun = open(to.family(), self.kind).and_then(|fd| match endpoint::connect(fd, &to) {
            Ok(done) => Ok((fd, done)),
            Err(e) => {
                close(fd);
                Err(e.into())
            }
        });
        match begun {
            Ok((fd, done)) => {
                // There is room for all of them. (The list has it as soon as it is open, so that it is closed.)
                self.live.push(Attempt { fd, candidate, again });
                if done {
                    return self.take(self.live.len() - 1);
                }
                if let Err(e) = self.watch(fd) {
                    let attempt = self.out(self.live.len() - 1);
                    close(attempt.fd);
                    self.failed(candidate, e.into());
                }
            }
            Err(e) => self.failed(candidate, e),
        }
        None
    }

    /// One more to be waited for.
    fn watch(&mut self, fd: i32) -> std::result::Result<(), Errno> {
        if self.live.len() < 2 {
            return Ok(());
        }
        match &self.several {
            Some(several) => several.add(fd),
            None => {
                let several = Several::new()?;
                fresh(several.fd());
                let added = self.live.iter().try_for_each(|attempt| several.add(attempt.fd));
                // Closed with the race.
                self.several = Some(several);
                added
            }
        }
    }

    /// Waits until something has become of an attempt. The socket, if it is connected.
    fn wait(&mut self, until: i64) -> Result<Option<i32>> {
        let at = match &self.several {
            None => {
                poll_fd(self.live[0].fd, i32::from(libc::POLLOUT), until)?;
                0
            }
            Some(several) => {
                poll_fd(several.fd(), i32::from(libc::POLLIN), until)?;
                let ready = several.ready();
                match self.live.iter().position(|attempt| Some(attempt.fd) == ready) {
                    Some(at) => at,
                    None => return Ok(None),
                }
            }
        };
        match endpoint::outcome(self.live[at].fd) {
            Ok(()) => Ok(self.take(at)),
            Err(e) => {
                let attempt = self.out(at);
                close(attempt.fd);
                self.failed(attempt.candidate, e.into());
                Ok(None)
            }
        }
    }

    /// The one at `at` is connected. None: to itself, which is no connection.
    fn take(&mut self, at: usize) -> Option<i32> {
        let attempt = self.out(at);
        if self.kind != Kind::Stream || !endpoint::is_connected_to_itself(attempt.fd) {
            return Some(attempt.fd);
        }
        close(attempt.fd);
        if attempt.again == 0 {
            self.failed(attempt.candidate, Error::Os(libc::ECONNREFUSED));
            return None;
        }
        self.begin(attempt.candidate, attempt.again - 1)
    }

    /// Out of the list.
    fn out(&mut self, at: usize) -> Attempt {
        let attempt = self.live.swap_remove(at);
        if let Some(several) = &self.several {
            several.remove(attempt.fd);
        }
        attempt
    }

    /// The result.
    fn won(&mut self, fd: i32) -> Result<i32> {
        finish(fd, self.kind == Kind::Stream)
    }
}

fn open(family: i32, kind: Kind) -> Result<i32> {
    let fd = fresh(endpoint::open(family, kind)?);
    if kind == Kind::Datagram && family != libc::AF_UNIX {
        if let Err(e) = endpoint::set_broadcast(fd) {
            close(fd);
            return Err(e.into());
        }
    }
    Ok(fd)
}

/// R2.
fn finish(fd: i32, tcp: bool) -> Result<i32> {
    let set = || {
        if tcp {
            endpoint::set_no_delay(fd)?;
            endpoint::set_keep_alive(fd, SILENCE, SILENCE, QUESTIONS)?;
        }
        endpoint::set_blocking(fd)
    };
    set().inspect_err(|_| close(fd))?;
    Ok(fd)
}

/// One attempt. What a full backlog refuses is tried again until the deadline: nothing tells when there is room.
fn dial_unix(kind: Kind, to: &Address, deadline: i64) -> Result<i32> {
    let fd = open(libc::AF_UNIX, kind)?;
    let mut pause = 50_000;
    loop {
        match endpoint::connect(fd, to).map_err(Error::from) {
            Ok(_) => return finish(fd, false),
            Err(Error::Again) if deadline != NOWAIT => {}
            Err(e) => {
                close(fd);
                return Err(e);
            }
        }
        let left = if deadline == FOREVER { pause } else { deadline.saturating_sub(clock::now()) };
        let rested = if left <= 0 { Err(Error::TimedOut) } else { time::sleep(pause.min(left)) };
        rested.inspect_err(|_| close(fd))?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
