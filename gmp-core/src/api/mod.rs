//! The library's face for Rust: closures instead of functions with an argument, owners instead of handles that must be given
//! back. The crate's root has all these names.
//!
//! Owns: the closures of timers, contexts and groups; descriptors (`net`). What is said about tasks is in `task_api.rs`; channels are in
//! `chan/typed.rs`, locks in `sync/safe`.
//!
//! Called by: any task or thread, where nothing else is said. The first call that needs the runtime starts it.

pub mod cancel;
pub mod context;
pub mod group;
mod job;
pub mod net;
pub mod process;
pub mod signal;
pub mod timer;

pub use self::cancel::shield;
pub use self::context::{spawn_in, After, Context};
pub use self::group::{group, Group};
pub use self::timer::{call_after, Call, Ticker, Timer};
pub use crate::chan::typed::{channel, Receiver, SendError, Sender};
pub use crate::chan::typed_select::Select;
pub use crate::sync::safe::condvar::Condvar;
pub use crate::sync::safe::mutex::{Mutex, MutexGuard};
pub use crate::sync::safe::once::{Once, OnceCell};
pub use crate::sync::safe::rwlock::{ReadGuard, RwLock, WriteGuard};
pub use crate::sync::safe::semaphore::{Permit, Semaphore};
pub use crate::sync::safe::wait_group::{WaitGroup, Working};

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
