//! What can go wrong: one variant a cause, and the number it has in the C ABI.
//!
//! Owns: the codes. Causes that mean the same as an errno have that errno, negated; our own start at
//! -4096 and go down. Nothing is ever renumbered.

use crate::sys::Errno;

/// Why a call failed. [`Error::code`] is the number C programs see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Error {
    /// Not allowed here (for example outside a task).
    Permission,
    /// Would have to wait, and was told not to; or a resource is short for now.
    Again,
    /// Memory or address space is exhausted.
    NoMemory,
    /// Running already.
    Busy,
    /// An argument makes no sense, or the handle is stale.
    Invalid,
    /// Waiting could never end.
    Deadlock,
    /// This build or kernel cannot do it.
    NotSupported,
    /// The deadline passed.
    TimedOut,
    /// The task's context ended while it waited.
    Canceled,
    /// The channel is closed.
    Closed,
    /// The runtime is shutting down or stopped.
    Stopped,
    /// The task ended by a panic, a C++ exception or `exit`.
    Panicked,
    /// The object is not in a state that allows this (unlock of an unlocked mutex …).
    Misuse,
    /// The object belongs to the parent of a fork.
    Forked,
    /// An errno passed on as it came.
    Os(i32),
    /// A code of the caller's own, passed on as it came (always negative).
    Code(i32),
}

impl Error {
    /// The number in the C ABI: always negative.
    pub const fn code(self) -> i32 {
        match self {
            Error::Permission => -libc::EPERM,
            Error::Again => -libc::EAGAIN,
            Error::NoMemory => -libc::ENOMEM,
            Error::Busy => -libc::EBUSY,
            Error::Invalid => -libc::EINVAL,
            Error::Deadlock => -libc::EDEADLK,
            Error::NotSupported => -libc::ENOTSUP,
            Error::TimedOut => -libc::ETIMEDOUT,
            Error::Canceled => -libc::ECANCELED,
            Error::Closed => -4097,
            Error::Stopped => -4098,
            Error::Panicked => -4099,
            Error::Misuse => -4100,
            Error::Forked => -4101,
            Error::Os(errno) => -errno,
            Error::Code(code) => code,
        }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Error {
        match errno.0 {
            libc::ENOMEM => Error::NoMemory,
            libc::EAGAIN => Error::Again,
            libc::EINVAL => Error::Invalid,
            libc::ENOTSUP => Error::NotSupported,
            other => Error::Os(other),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Error::Permission => "not permitted here",
            Error::Again => "would have to wait, or a resource is short for now",
            Error::NoMemory => "out of memory or address space",
            Error::Busy => "already running",
            Error::Invalid => "invalid argument or stale handle",
            Error::Deadlock => "waiting could never end",
            Error::NotSupported => "not supported by this build or kernel",
            Error::TimedOut => "the deadline passed",
            Error::Canceled => "the task's context ended",
            Error::Closed => "the channel is closed",
            Error::Stopped => "the runtime is shutting down or stopped",
            Error::Panicked => "the task ended by a panic, an exception or exit",
            Error::Misuse => "the object's state does not allow this",
            Error::Forked => "the object belongs to the parent of a fork",
            Error::Os(errno) => return write!(f, "system error {errno}"),
            Error::Code(code) => return write!(f, "code {code}"),
        })
    }
}

impl std::error::Error for Error {}

/// The result of most calls of this crate.
pub type Result<T> = std::result::Result<T, Error>;
