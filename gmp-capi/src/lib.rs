//! The C ABI of gmp: `include/gmprt.h` is generated from this crate.
//!
//! Owns: nothing but the shape of the interface. One file a noun; each function checks, converts, calls `gmp-core` and
//! writes its out-parameters. Always true:
//!  - Results are return values: 0 or a count, else a negative `GMP_E*` code. Out-parameters are written on success
//!    only. `errno` carries nothing.
//!  - No panic crosses the boundary: cold functions catch it (`boundary::guarded`), and on the others `extern "C"`
//!    aborts with a message. (A `catch_unwind` around a short function costs nothing when nothing panics, but the
//!    function behind it is not inlined any more.)
//!  - A function that may switch tasks holds no lock guard, no thread-local borrow and no allocation across the call:
//!    the task may go on on another thread, or never.
//!
//! What a function means, where it may be called, what it blocks and which codes it gives stands in its comment, which
//! is the header's. So the comments here are written for C programmers.

#![allow(clippy::missing_safety_doc)] // the header's comments say what a caller owes
#![allow(non_camel_case_types)] // the names are C's
#![deny(missing_docs)]

#[macro_use]
mod site;
mod boundary;

pub mod time;
pub mod version;

pub mod code;
mod errno;

pub mod runtime;
pub mod task;
pub mod task_class;
pub mod task_local;

pub mod blocking;

pub mod chan;
pub mod select;

pub mod mutex;
pub mod rwlock;

pub mod cond;
pub mod wait_group;

pub mod once;
pub mod semaphore;

pub mod timer;

pub mod context;
pub mod group;

pub mod io;
pub mod net;
pub mod process;
pub mod signal;

pub mod dump;
pub mod stats;
pub mod trace;
