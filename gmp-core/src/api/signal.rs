//! Signals for Rust: values of a channel.
//!
//! Owns: nothing; the channel has its handler as long as somebody receives from it. Never blocks.

use crate::chan::typed::Receiver;
use crate::io::signal;
use std::io;

/// A channel that gets the signal's number each time that it comes. While there is one for a signal, that signal does not do what it
/// would do otherwise; when the last receiver is dropped it does again.
///
/// Several channels for one signal get it each. Signals that come while nobody receives wait in the channel as far as it has room.
///
/// # Errors
/// `InvalidInput`: there is no such signal, or it cannot be caught, or stands for a fault (SIGKILL, SIGSEGV); no thread or memory can
/// be had.
///
/// # Example
/// ```
/// let (one, other) = (gmp_core::signal::channel(libc::SIGUSR1)?, gmp_core::signal::channel(libc::SIGUSR1)?);
/// // SAFETY: takes a number.
/// unsafe { libc::raise(libc::SIGUSR1) };
/// assert_eq!((one.recv()?, other.recv()?), (libc::SIGUSR1, libc::SIGUSR1));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn channel(number: i32) -> io::Result<Receiver<i32>> {
    let chan = signal::channel(number)?;
    // SAFETY: a signals' channel, which carries numbers.
    Ok(unsafe { Receiver::of(chan) })
}
