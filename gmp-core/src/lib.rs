//! Go's G/M/P scheduler as a library.
//!
//! Tasks (G) are run by machines (M, OS threads of ours) that hold a processor (P, the right to run tasks). Task code
//! is *foreign*: it may block in any system call, spin, or call any library; a processor is taken from a machine that
//! stays away.
//!
//! # Layers
//! Imports point down only (a test reads every `use crate::`):
//! ```text
//! L6  runtime, global, inspect     the assembled runtime; the one static; numbers
//! L5  sync, time, blocking, join, local, task_api     what tasks call
//! L4  sched                        all policy
//! L3  processor, machine           the P and M records
//! L2  task, source                 the G record; timers, which return lists of ready tasks
//! L1  stack, switch, base          memory, the context switch, locks, notes, errors
//! L0  primitive, sys               std or loom, the one TLS word; the operating system
//! ```
//!
//! # Unsafe
//! Unsafe code is everywhere a record is shared by hand-over instead of by borrow; `docs/SAFETY.md` lists the claims.
//!
//! # Example
//! ```
//! let doubled = gmp_core::spawn(|| 21 * 2)?;
//! assert_eq!(doubled.join()?, 42);
//! # Ok::<(), gmp_core::Error>(())
//! ```

#![allow(clippy::new_without_default, clippy::missing_safety_doc)]

pub mod base;
pub mod primitive;

#[cfg(not(loom))]
pub mod blocking;
#[cfg(not(loom))]
pub mod global;
#[cfg(not(loom))]
pub mod inspect;
#[cfg(not(loom))]
pub mod join;
#[cfg(not(loom))]
pub mod local;
#[cfg(not(loom))]
pub mod machine;
#[cfg(not(loom))]
pub mod processor;
#[cfg(not(loom))]
pub mod runtime;
#[cfg(not(loom))]
pub mod sched;
#[cfg(not(loom))]
pub mod source;
#[cfg(not(loom))]
pub mod stack;
#[cfg(not(loom))]
pub mod switch;
pub mod sync;
#[cfg(not(loom))]
pub mod sys;
#[cfg(not(loom))]
pub mod task;
#[cfg(not(loom))]
pub mod task_api;
#[cfg(not(loom))]
pub mod time;

#[cfg(loom)]
pub mod machine {
    //! Under loom only the ownership protocol.
    pub mod owner;
}
#[cfg(loom)]
pub mod model;
#[cfg(loom)]
pub mod sched {
    //! Under loom only the idle protocol.
    pub mod idle;
}
#[cfg(loom)]
#[path = "model/sys.rs"]
pub mod sys;
#[cfg(loom)]
pub mod task {
    //! Under loom only the protocols of a task; its record is a name.
    pub mod handle;
    pub mod join;
    pub mod state;
    pub mod waiter;

    /// Nobody looks into it.
    #[derive(Debug)]
    pub struct Task;
}

pub use base::error::{Error, Result};
#[cfg(not(loom))]
pub use task_api::{spawn, yield_now, JoinHandle};
