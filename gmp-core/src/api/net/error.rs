//! Our errors as those of `std`, and back.
//!
//! Owns: which kind an error has. Never blocks.

use crate::base::error::Error;
use std::io::{self, ErrorKind};

impl From<Error> for io::Error {
    /// What has an errno becomes that; the rest is carried whole, and `Error::from` gets it out.
    fn from(e: Error) -> io::Error {
        match e {
            Error::Closed | Error::Stopped | Error::Panicked | Error::Misuse | Error::Forked | Error::Code(_) => {
                io::Error::other(e)
            }
            // No memory is needed for these.
            _ => io::Error::from_raw_os_error(-e.code()),
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        if let Some(own) = e.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            return *own;
        }
        match e.raw_os_error() {
            Some(errno) => of_errno(errno),
            None => of_kind(e.kind()),
        }
    }
}

fn of_errno(errno: i32) -> Error {
    match errno {
        libc::EPERM => Error::Permission,
        libc::EAGAIN => Error::Again,
        libc::ENOMEM => Error::NoMemory,
        libc::EBUSY => Error::Busy,
        libc::EINVAL => Error::Invalid,
        libc::EDEADLK => Error::Deadlock,
        libc::ENOTSUP => Error::NotSupported,
        libc::ETIMEDOUT => Error::TimedOut,
        libc::ECANCELED => Error::Canceled,
        other => Error::Os(other),
    }
}

/// For what `std` and others make up without an errno.
fn of_kind(kind: ErrorKind) -> Error {
    match kind {
        ErrorKind::WouldBlock => Error::Again,
        ErrorKind::OutOfMemory => Error::NoMemory,
        ErrorKind::InvalidInput => Error::Invalid,
        ErrorKind::Unsupported => Error::NotSupported,
        ErrorKind::TimedOut => Error::TimedOut,
        ErrorKind::BrokenPipe => Error::Os(libc::EPIPE),
        ErrorKind::ConnectionReset => Error::Os(libc::ECONNRESET),
        ErrorKind::NotFound => Error::Os(libc::ENOENT),
        _ => Error::Os(libc::EIO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_comes_back_as_it_went() {
        let all = [
            Error::Permission,
            Error::Again,
            Error::NoMemory,
            Error::Busy,
            Error::Invalid,
            Error::Deadlock,
            Error::NotSupported,
            Error::TimedOut,
            Error::Canceled,
            Error::Closed,
            Error::Stopped,
            Error::Panicked,
            Error::Misuse,
            Error::Forked,
            Error::Os(libc::EPIPE),
            Error::Code(-7),
        ];
        all.into_iter().for_each(|e| assert_eq!(Error::from(io::Error::from(e)), e));
    }

    #[test]
    fn kinds_are_those_of_std() {
        let kind = |e: Error| io::Error::from(e).kind();
        assert_eq!(kind(Error::TimedOut), ErrorKind::TimedOut);
        assert_eq!(kind(Error::Again), ErrorKind::WouldBlock);
        assert_eq!(kind(Error::Invalid), ErrorKind::InvalidInput);
        assert_eq!(kind(Error::Os(libc::EPIPE)), ErrorKind::BrokenPipe);
        assert_eq!(kind(Error::Os(libc::ECONNRESET)), ErrorKind::ConnectionReset);
        assert_eq!(kind(Error::Os(libc::ECONNREFUSED)), ErrorKind::ConnectionRefused);
        assert_eq!(kind(Error::Stopped), ErrorKind::Other);
        // `std`'s loops would try again for ever.
        assert_ne!(kind(Error::Canceled), ErrorKind::Interrupted);
        assert_eq!(io::Error::from(Error::Canceled).raw_os_error(), Some(libc::ECANCELED));
    }

    #[test]
    fn what_has_no_errno_is_told_by_its_kind() {
        let made_up = |kind| Error::from(io::Error::new(kind, "made up"));
        assert_eq!(made_up(ErrorKind::TimedOut), Error::TimedOut);
        assert_eq!(made_up(ErrorKind::InvalidInput), Error::Invalid);
        assert_eq!(made_up(ErrorKind::UnexpectedEof), Error::Os(libc::EIO));
    }
}
