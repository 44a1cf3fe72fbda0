//! Writing to a descriptor of the caller's, or to a file of our own.
//!
//! Called by: dumps, outside the runtime. Blocks as long as the reader at the other end does not read.

use super::errno;
use crate::sys::Errno;
use std::ffi::CStr;
use std::os::fd::{FromRawFd, OwnedFd};

/// A file, made or emptied, to be written to; closed in programs that the process starts.
pub fn create(path: &CStr) -> Result<OwnedFd, Errno> {
    errno::keep(|| loop {
        // SAFETY: the path ends with a zero; the mode is there as the flags want it.
        let fd = unsafe {
            libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_CLOEXEC, 0o666)
        };
        if fd >= 0 {
            // SAFETY: just opened, and nobody else's.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        match Errno::last() {
            Errno(libc::EINTR) => {}
            error => return Err(error),
        }
    })
}

/// Writes all of `bytes`: goes on after a signal, and waits for a descriptor that does not block to take more.
/// A pipe or socket that nobody reads raises SIGPIPE, as for the caller's own `write`.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> Result<(), Errno> {
    errno::keep(|| {
        while !bytes.is_empty() {
            // SAFETY: the slice is valid for its length.
            let n = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
            if n >= 0 {
                bytes = &bytes[n as usize..];
                continue;
            }
            match Errno::last().0 {
                libc::EINTR => {}
                libc::EAGAIN => wait_writable(fd)?,
                errno => return Err(Errno(errno)),
            }
        }
        Ok(())
    })
}

fn wait_writable(fd: i32) -> Result<(), Errno> {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid entry.
    if unsafe { libc::poll(&mut poll, 1, -1) } < 0 && Errno::last().0 != libc::EINTR {
        return Err(Errno::last());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_written_to_a_pipe_that_does_not_block() {
        let mut fds = [0; 2];
        // SAFETY: a pipe of this test; the reader owns one end, closed when it is dropped.
        let mut reader = unsafe {
            use std::os::fd::FromRawFd;
            assert_eq!(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC), 0);
            assert_eq!(libc::fcntl(fds[1], libc::F_SETFL, libc::O_NONBLOCK), 0);
            std::fs::File::from_raw_fd(fds[0])
        };
        let sent: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let expected = sent.clone();
        let read = std::thread::spawn(move || {
            let mut seen = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut seen).unwrap();
            seen
        });
        assert_eq!(write_all(fds[1], &sent), Ok(()));
        // SAFETY: this test's own descriptor.
        unsafe { libc::close(fds[1]) };
        assert_eq!(read.join().unwrap(), expected);
        assert_eq!(write_all(-1, b"x"), Err(Errno(libc::EBADF)));
        assert_eq!(write_all(-1, b""), Ok(()));
    }
}
