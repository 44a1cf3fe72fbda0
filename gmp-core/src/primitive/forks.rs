//! Which process this is, in a line of forks.
//!
//! Owns: the count. Always true: it changes only in a fork's child, before that has a second thread; so what was made in this
//! process has this process's number, and anything else is a copy of something of the parent's, whose lock may be held by a
//! thread that is not here.

// Not `primitive`'s own: models have one process, and loom's atomics cannot be static.
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static FORKS: AtomicU32 = AtomicU32::new(0);

/// The number of this process: 0 where the library was loaded, then another for each fork on the way.
#[inline(always)]
pub fn forks() -> u32 {
    FORKS.load(Relaxed)
}

/// This is the child of a fork.
pub fn count_fork() {
    FORKS.fetch_add(1, Relaxed);
}
