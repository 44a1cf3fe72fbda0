//! Child processes: asking whether one has ended, and a descriptor that says when.
//!
//! Always true: nothing here waits, and only a child that has ended is asked for. `errno` stays.
//! Called by: `io/process.rs`. Blocks: nothing.

use super::errno;
use crate::sys::Errno;
use std::sync::OnceLock;

/// The status of a child that has ended, which is gone then; None: it runs. ECHILD: there is no such child (any more).
pub fn try_wait(pid: i32) -> Result<Option<i32>, Errno> {
    let mut status = 0;
    errno::keep(|| {
        // SAFETY: a place for the status.
        match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
            0 => Ok(None),
            n if n > 0 => Ok(Some(status)),
            _ => Err(Errno::last()),
        }
    })
}

/// A descriptor that becomes readable when the process has ended. The caller closes it. None: this kernel or sandbox gives none (or a
/// test asks for that with `GMP_TEST_NO_PIDFD=1`), or too many files are open.
pub fn open(pid: i32) -> Result<Option<i32>, Errno> {
    static REFUSED: OnceLock<bool> = OnceLock::new();
    if *REFUSED.get_or_init(|| std::env::var_os("GMP_TEST_NO_PIDFD").is_some_and(|value| value == "1")) {
        return Ok(None);
    }
    errno::keep(|| {
        // SAFETY: no pointers. The descriptor is closed by exec.
        match unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } {
            -1 => match Errno::last() {
                Errno(libc::ESRCH) => Err(Errno(libc::ESRCH)),
                _ => Ok(None),
            },
            fd => Ok(Some(fd as i32)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_no_child_is_refused() {
        assert_eq!(try_wait(std::process::id() as i32), Err(Errno(libc::ECHILD)));
        assert_eq!(open(i32::MAX), Err(Errno(libc::ESRCH)));
    }
}
