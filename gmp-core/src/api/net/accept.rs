//! What listeners of every kind share: an accept that can be ended by another task, and one after the other until then.
//!
//! Owns: whether the listener was closed; how long is waited when descriptors are short.
//!
//! Always true: a listener that was closed keeps its descriptor until it is dropped, so that no other task meets a stranger
//! under its number.

use super::address::Address;
use super::fd::Fd;
use crate::primitive::{AtomicBool, Ordering::*};
use crate::time::{self, NOWAIT};
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpStream as StdStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// For how long nothing is accepted when descriptors or memory are short; doubled each time, up to the longest.
const FIRST_PAUSE: i64 = 5_000_000;
const LONGEST_PAUSE: i64 = 320_000_000;

#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) fd: Fd,
    /// Whether an accept says by itself that the listener was closed: TCP's does; a Unix listener's would wait on.
    tells: bool,
    /// For its clones too: they listen on the same socket.
    closed: Arc<AtomicBool>,
}

impl Acceptor {
    pub(super) fn of(fd: OwnedFd, tells: bool) -> Acceptor {
        Acceptor { fd: fd.into(), tells, closed: Arc::new(AtomicBool::new(false)) }
    }

    pub(super) fn accept(&self, mut from: Option<&mut Address>, deadline: i64) -> io::Result<Fd> {
        let patience = if self.tells { deadline } else { NOWAIT };
        while !self.is_closed() {
            match self.fd.accept(from.as_deref_mut(), patience) {
                // What a listener answers that does not listen any more.
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) && self.is_closed() => {}
                // Readable from its close on.
                Err(e) if e.kind() == ErrorKind::WouldBlock && deadline != NOWAIT => {
                    self.fd.readable(deadline)?;
                }
                other => return other,
            }
        }
        Err(io::Error::from_raw_os_error(libc::EBADF))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Release);
        // Ends the waits as well. It cannot fail on a listener, and on what is none nobody accepts.
        let _ = self.fd.borrowed::<StdStream>().shutdown(Shutdown::Both);
    }

    pub(super) fn try_clone(&self) -> io::Result<Acceptor> {
        Ok(Acceptor { fd: self.fd.try_clone()?, tells: self.tells, closed: self.closed.clone() })
    }

    /// The next connection; None: closed.
    fn next(&self) -> Option<io::Result<Fd>> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.accept(None, self.fd.read_deadline()) {
                Ok(stream) => return Some(Ok(stream)),
                Err(_) if self.is_closed() => return None,
                Err(e) if is_short(&e) => {
                    if let Err(e) = time::sleep(pause) {
                        return Some(Err(e.into()));
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(e) if is_the_peers(&e) => {}
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

/// Something is short that others may give back.
fn is_short(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// One connection was lost before it was accepted; says nothing of the next (accept(2), "Error handling").
fn is_the_peers(e: &io::Error) -> bool {
    let lost = [
        libc::ECONNABORTED,
        libc::EPROTO,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::ENONET,
        libc::ENOPROTOOPT,
        libc::EPERM,
    ];
    e.raw_os_error().is_some_and(|errno| lost.contains(&errno))
}

/// The connections of a listener, one after the other.
///
/// It ends when the listener is closed, and after an error that it gives out: the task was cancelled, a deadline passed.
/// A connection that was lost before it was accepted is left out. While descriptors or memory are short it waits a little, longer
/// each time, and goes on: connections stay in the system's queue meanwhile.
#[derive(Debug)]
pub struct Incoming<'a, S> {
    acceptor: &'a Acceptor,
    stream: fn(Fd) -> S,
    over: bool,
}

impl<'a, S> Incoming<'a, S> {
    pub(super) fn of(acceptor: &'a Acceptor, stream: fn(Fd) -> S) -> Incoming<'a, S> {
        Incoming { acceptor, stream, over: false }
    }
}

impl<S> Iterator for Incoming<'_, S> {
    type Item = io::Result<S>;

    fn next(&mut self) -> Option<io::Result<S>> {
        if self.over {
            return None;
        }
        let next = self.acceptor.next();
        self.over = !matches!(next, Some(Ok(_)));
        next.map(|accepted| accepted.map(self.stream))
    }
}

impl<S> std::iter::FusedIterator for Incoming<'_, S> {}
