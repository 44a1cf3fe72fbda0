//! Atomics, cells and hints: the standard ones, or loom's when a model runs.
//!
//! Owns: the choice. No other file names `std::sync::atomic` or `loom`.
//! Always true: both forms have the same names and the same meaning, so a protocol written here once is
//! the one that runs and the one that is modelled.

#[cfg(loom)]
mod loom;
#[cfg(not(loom))]
mod mutex;
#[cfg(not(loom))]
mod real;

#[cfg(loom)]
pub use self::loom::*;
#[cfg(not(loom))]
pub use self::real::*;

pub mod forks;
pub mod prefetch;
pub mod sanitizer;
pub mod tls;

pub use forks::forks;
pub use prefetch::prefetch;
