//! Waiting for the end of a child process.
//!
//! Owns: the order: ask whether it has ended; wait for its descriptor; ask again. Where there is no such descriptor (an older kernel, a
//! sandbox, too many open files) it is asked again and again, up to 50 times a second.
//!
//! Always true: the status is taken by the one call that is about to answer with it, so a wait that ends otherwise leaves the child to others.
//! Called by: any task or thread. Blocks: the task, or a thread that is no task.

use super::{close_fd, fresh, poll_fd, Result};
use crate::base::clock;
use crate::base::error::Error;
use crate::sys::child;
use crate::time::{self, FOREVER, NOWAIT};

const FIRST_PAUSE: i64 = 500_000;
const LONGEST_PAUSE: i64 = 20_000_000;

/// Waits until the child has ended, and takes its status. `Os(ECHILD)`: it is no child of this process, or somebody else has taken it.
pub fn wait(pid: i32, deadline: i64) -> Result<i32> {
    if pid <= 0 {
        return Err(Error::Invalid);
    }
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(status) = child::try_wait(pid)? {
            return Ok(status);
        }
        if deadline == NOWAIT {
            return Err(Error::Again);
        }
        match child::open(pid) {
            Ok(Some(fd)) => {
                let ended = poll_fd(fresh(fd), i32::from(libc::POLLIN), deadline);
                // It was open, and is nobody else's.
                let _closed = close_fd(fd);
                ended?;
            }
            Ok(None) => {
                rest(pause, deadline)?;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            // Ended and taken since: the next look says so.
            Err(_) => {}
        }
    }
}

/// Waits for a while, but no longer than the deadline.
fn rest(ns: i64, deadline: i64) -> Result<()> {
    let left = if deadline == FOREVER { ns } else { deadline.saturating_sub(clock::now()) };
    if left <= 0 {
        return Err(Error::TimedOut);
    }
    time::sleep(ns.min(left))
}
