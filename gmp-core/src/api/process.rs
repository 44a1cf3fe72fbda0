//! Children for Rust: a program that a task started and waits for.
//!
//! Owns: the child's status, once it was taken. Blocks: a wait parks the task, or blocks a thread that is no task.

use super::net::Fd;
use crate::base::error::Error;
use crate::io::process;
use crate::time::FOREVER;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child as StdChild, ExitStatus};

/// Waits until the child process with this number has ended, or until `deadline`, and takes its status: for children that are not
/// [`std::process::Child`]ren. For those there is [`Child`].
///
/// # Errors
/// `TimedOut`; `WouldBlock`: it runs, and the deadline is [`NOWAIT`](crate::time::NOWAIT); `ECHILD`
/// ([`raw_os_error`](io::Error::raw_os_error)): it is no child of this process, or its status was taken before; the task was cancelled.
pub fn wait(pid: u32, deadline: i64) -> io::Result<ExitStatus> {
    let pid = i32::try_from(pid).map_err(|_| Error::Invalid)?;
    Ok(ExitStatus::from_raw(process::wait(pid, deadline)?))
}

/// A child of [`std::process::Command`], whose end and whose pipes a task can wait for. Dropping it lets the child go on, as `std` does.
///
/// # Example
/// ```
/// use gmp_core::process::Child;
/// use std::io::{Read, Write};
/// use std::process::{Command, Stdio};
///
/// let mut child = Child::from(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
/// let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
/// let writer = gmp_core::spawn(move || to.write_all(&[b'x'; 200_000]))?;
/// let mut back = Vec::new();
/// from.read_to_end(&mut back)?;
/// assert_eq!(back.len(), 200_000);
/// writer.join()??;
/// assert!(child.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Child {
    /// What is written to the child's input, if that is a pipe.
    pub stdin: Option<Fd>,
    /// What the child writes, if that is a pipe.
    pub stdout: Option<Fd>,
    /// What the child writes as errors, if that is a pipe.
    pub stderr: Option<Fd>,
    child: StdChild,
    status: Option<ExitStatus>,
}

impl From<StdChild> for Child {
    fn from(mut child: StdChild) -> Child {
        // Known only if it was waited for before, or ends just now; an error comes back at the wait.
        let status = child.try_wait().ok().flatten();
        Child {
            stdin: child.stdin.take().map(|pipe| OwnedFd::from(pipe).into()),
            stdout: child.stdout.take().map(|pipe| OwnedFd::from(pipe).into()),
            stderr: child.stderr.take().map(|pipe| OwnedFd::from(pipe).into()),
            child,
            status,
        }
    }
}

impl Child {
    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes the pipe to the child's input, as `std` does, and waits until the child has ended. Its status, also the second time.
    ///
    /// # Errors
    /// The task was cancelled; `ECHILD`: somebody else has taken the status.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.wait_until(FOREVER)
    }

    /// The same until `deadline`; the pipe stays open.
    ///
    /// # Errors
    /// As [`Child::wait`]; `TimedOut`; `WouldBlock`: it runs, and the deadline is [`NOWAIT`](crate::time::NOWAIT).
    ///
    /// # Example
    /// ```
    /// use gmp_core::{process::Child, within};
    /// use std::io::ErrorKind;
    /// use std::process::Command;
    /// use std::time::Duration;
    ///
    /// let mut child = Child::from(Command::new("sleep").arg("60").spawn()?);
    /// let late = child.wait_until(within(Duration::from_millis(1))).unwrap_err();
    /// assert_eq!(late.kind(), ErrorKind::TimedOut);
    /// child.kill()?;
    /// assert!(!child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait_until(&mut self, deadline: i64) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let status = wait(self.child.id(), deadline)?;
        self.status = Some(status);
        Ok(status)
    }

    /// Kills it (SIGKILL). Nothing if its status was taken.
    ///
    /// # Errors
    /// What the system says.
    pub fn kill(&mut self) -> io::Result<()> {
        // `std` knows nothing of our waits: the number may be another's by now.
        if self.status.is_some() {
            return Ok(());
        }
        self.child.kill()
    }
}
