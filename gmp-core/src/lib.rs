//! Go's G/M/P scheduler as a library.
//!
//! Tasks (G) are run by machines (M, OS threads of ours) that hold a processor (P, the right to run tasks). Task code
//! is *foreign*: it may block in any system call, spin, or call any library; a processor is taken from a machine that
//! stays away.
//!
//! # Layers
//! Imports point down only (a test reads every `use crate::`):
//! ```text
//! L6  runtime, global, task_api, context_api, api, inspect        the assembled runtime; the one static; Rust's face; numbers
//! L5  chan, sync, io, time, timer, context, group, cancel, blocking, join, local, thread_lock   what tasks call
//! L4  sched                        all policy
//! L3  processor, machine           the P and M records
//! L2  task, source                 the G record; timers, which return lists of ready tasks
//! L1  stack, switch, base          memory, the context switch, locks, notes, errors
//! L0  primitive, sys               std or loom, the one TLS word; the operating system
//! ```
//!
//! # What a task must not keep across a call that may wait
//! A task may go on on another thread after any call of this crate that enters the runtime. It must not keep a borrow of a
//! `thread_local!`, a `std` lock guard or an in-flight panic across one. `spawn` is a safe function for convenience; this is the
//! rule that makes it sound.
//!
//! # Unsafe
//! Denied but in the modules below, each with its reason; `docs/SAFETY.md` lists the claims that span more than a screen.
//!
//! # Example
//! ```
//! let doubled = gmp_core::spawn(|| 21 * 2)?;
//! assert_eq!(doubled.join()?, 42);
//! # Ok::<(), gmp_core::Error>(())
//! ```
//! The names in this root are the ones for Rust programs: tasks, [`channel`]s and [`Select`], [`Mutex`] and the other locks,
//! [`Timer`]s, [`Context`]s, [`group()`]s, [`net`]'s sockets, [`process`] and [`signal`]. What lies below in the modules is what they and the C ABI are made of.

#![cfg_attr(not(loom), deny(unsafe_code))]
#![allow(clippy::new_without_default, clippy::missing_safety_doc)]

#[cfg(not(loom))]
#[allow(unsafe_code, reason = "carries closures through foreign entries; owns descriptors")]
pub mod api;
#[allow(unsafe_code, reason = "a fallible box; hand-written fences")]
pub mod base;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "calls a foreign function")]
pub mod blocking;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "looks at another task's record")]
pub mod cancel;
#[allow(unsafe_code, reason = "values are bytes; waiters lie on the stacks of their tasks")]
pub mod chan;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "counts its references by hand")]
pub mod context;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "handles of after-functions are raw")]
pub mod context_api;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "reads a task's runtime through its machine")]
pub mod global;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "carries a job through a foreign entry")]
pub mod group;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "looks at records that are others'")]
pub mod inspect;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "buffers and addresses are the caller's")]
pub mod io;
#[allow(unsafe_code, reason = "records are handed over, not borrowed")]
pub mod join;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "values lie behind a thread-specific pointer")]
pub mod local;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "records are shared by rules, not by borrows")]
pub mod machine;
#[allow(unsafe_code, reason = "the thread-local word is read by inline assembly")]
pub mod primitive;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "records are shared by rules, not by borrows")]
pub mod processor;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "owns what its threads point to")]
pub mod runtime;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "records are handed over, stacks are switched")]
pub mod sched;
#[allow(unsafe_code, reason = "waiters lie on the stacks of their tasks")]
pub mod source;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "owns mapped memory")]
pub mod stack;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "assembly and foreign frames")]
pub mod switch;
#[allow(unsafe_code, reason = "waiters lie on the stacks of their tasks")]
pub mod sync;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "system calls")]
pub mod sys;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "records are handed over, not borrowed")]
pub mod task;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "carries a closure through a foreign entry")]
pub mod task_api;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "reads the calling task through its machine")]
pub mod thread_lock;
#[cfg(not(loom))]
#[allow(unsafe_code, reason = "parks with a commit")]
pub mod time;
#[allow(unsafe_code, reason = "records lie in heaps, which have references to them")]
pub mod timer;

#[cfg(loom)]
#[path = "model/around/machine.rs"]
pub mod machine;
#[cfg(loom)]
pub mod model;
#[cfg(loom)]
#[path = "model/around/sched.rs"]
pub mod sched;
#[cfg(loom)]
#[path = "model/around/sys.rs"]
pub mod sys;
#[cfg(loom)]
#[path = "model/around/task.rs"]
pub mod task;

/// The guide's programs in Rust are doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
mod guide {}

pub use base::error::{Error, Result};
// By its file: `api` has a module of the function's name too.
#[cfg(not(loom))]
pub use api::group::{group, Group};
#[cfg(not(loom))]
pub use api::{
    call_after, channel, shield, spawn_in, within, After, Call, Condvar, Context, Mutex, MutexGuard, Once, OnceCell,
    Permit, ReadGuard, Receiver, RwLock, Select, Semaphore, SendError, Sender, Ticker, Timer, WaitGroup, Working,
    WriteGuard,
};
#[cfg(not(loom))]
pub use api::{net, process, signal};
#[cfg(not(loom))]
pub use task_api::{checkpoint, spawn, spawn_sticky, yield_now, JoinHandle};
#[cfg(not(loom))]
pub use thread_lock::{lock_thread, ThreadLock};
