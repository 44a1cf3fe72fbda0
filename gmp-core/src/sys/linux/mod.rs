//! The contract of `sys` on Linux, for every architecture and for glibc and musl alike.

pub mod child;
pub mod clock;
pub mod cpu;
pub mod endpoint;
pub mod errand;
pub mod fault;
pub mod fd;
pub mod futex;
pub mod mem;
pub mod membarrier;
pub mod names;
pub mod observe;
pub mod output;
pub mod peers;
pub mod poll;
pub mod process;
pub mod signal;
pub mod symbol;
pub mod thread;

mod cgroup;
mod cxx;
mod errno;
mod file;
mod module;
