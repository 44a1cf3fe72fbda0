//! The wait of an operation for its descriptor.

use super::kind::Way;
use super::Result;
use crate::base::clock;
use crate::base::error::Error;
use crate::blocking::block;
use crate::sys::{fd, Errno};
use crate::time::{FOREVER, NOWAIT};
use libc::c_int;

/// A descriptor during one operation.
#[derive(Debug)]
pub struct Watched {
    fd: c_int,
}

impl Watched {
    pub fn new(fd: c_int) -> Watched {
        Watched { fd }
    }

    pub fn fd(&self) -> c_int {
        self.fd
    }

    pub fn way(&self) -> Way {
        Way::Socket
    }

    pub fn forget(&self) {}

    pub fn read(
        &self,
        _n: usize,
        deadline: i64,
        attempt: impl FnMut() -> std::result::Result<usize, Errno>,
    ) -> Result<usize> {
        until(self, libc::POLLIN, deadline, attempt)
    }
}

/// Tries, and waits for `events` while there is nothing to be done.
pub fn until<T>(
    watched: &Watched,
    events: i16,
    deadline: i64,
    mut attempt: impl FnMut() -> std::result::Result<T, Errno>,
) -> Result<T> {
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(Errno(libc::EAGAIN)) => {}
            Err(e) => return Err(e.into()),
        }
        if deadline == NOWAIT {
            return Err(Error::Again);
        }
        let mut left = 20_000_000;
        if deadline != FOREVER {
            left = left.min(deadline - clock::now());
            if left <= 0 {
                return Err(Error::TimedOut);
            }
        }
        block(|| fd::wait(watched.fd, events, -1, Some(left)))?;
    }
}

/// Waits `ns`, or answers as a wait would.
pub fn pause(deadline: i64, ns: i64) -> Result<()> {
    if deadline == NOWAIT {
        return Err(Error::Again);
    }
    if deadline != FOREVER && clock::now().saturating_add(ns) >= deadline {
        return Err(Error::TimedOut);
    }
    crate::time::sleep(ns)
}

pub fn set_deadline(_fd: c_int, _events: i16, _deadline: i64) -> Result<()> {
    Ok(())
}

pub fn close(fd: c_int) -> Result<()> {
    Ok(fd::close(fd)?)
}
