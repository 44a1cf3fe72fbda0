//! Timers, contexts, groups and cancellation for Rust: closures instead of functions with an argument, owners instead of
//! handles that must be given back.
//!
//! Owns: the closures. What they are about is below: `timer`, `context`, `group`, `cancel`. Channels are in `chan/typed.rs`,
//! locks in `sync/safe`; all of it is named in the crate's root.
//!
//! Called by: any task or thread, where nothing else is said. The first call that needs the runtime starts it.

pub mod cancel;
pub mod context;
pub mod group;
mod job;
pub mod timer;

use std::time::Duration;

/// The nanoseconds of a span of time; the longest there is for one that is longer.
fn ns(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// The deadline in a `span` from now, for the calls that take one.
///
/// # Example
/// ```
/// use gmp_core::{channel, within, Error};
/// use std::time::Duration;
///
/// let (_numbers, received) = channel::<u32>(0)?;
/// assert_eq!(received.recv_until(within(Duration::from_micros(1))), Err(Error::TimedOut));
/// # Ok::<(), Error>(())
/// ```
pub fn within(span: Duration) -> i64 {
    crate::time::after(ns(span))
}
