//! Waiting for a descriptor itself; its deadline; its end.

use super::wait::{until, Watched};
use super::Result;
use crate::base::error::Error;
use crate::sys::{fd, Errno};
use libc::c_int;

/// What can be waited for.
const EVENTS: i32 = (libc::POLLIN | libc::POLLOUT | libc::POLLPRI | libc::POLLRDHUP) as i32;

/// Waits until one of `events` holds. Those that do, and POLLERR and POLLHUP.
pub fn poll_fd(fd: c_int, events: i32, deadline: i64) -> Result<i32> {
    if events & EVENTS == 0 || events & !EVENTS != 0 {
        return Err(Error::Invalid);
    }
    let watched = Watched::new(fd);
    until(&watched, events as i16, deadline, || match fd::ready(fd, events as i16)? {
        0 => Err(Errno(libc::EAGAIN)),
        ready => Ok(ready as i32),
    })
}

/// From now on every wait for `events` (POLLIN, POLLOUT) of `fd`, also one under way, ends at `deadline` at the latest; FOREVER
/// takes that back.
pub fn set_deadline(fd: c_int, events: i32, deadline: i64) -> Result<()> {
    const BOTH: i32 = (libc::POLLIN | libc::POLLOUT) as i32;
    if events & BOTH == 0 || events & !BOTH != 0 {
        return Err(Error::Invalid);
    }
    fd::ready(fd, 0)?;
    super::wait::set_deadline(fd, events as i16, deadline)
}

/// Wakes every waiter of `fd` with EBADF, then closes it.
pub fn close_fd(fd: c_int) -> Result<()> {
    if fd < 0 {
        return Err(Error::Os(libc::EBADF));
    }
    super::wait::close(fd)
}
