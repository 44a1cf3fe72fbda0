//! The ordinary forms: `std` atomics, locks that sleep on a futex.

pub use super::mutex::{Mutex, MutexGuard};
pub use std::cell::{Cell, UnsafeCell};
pub use std::sync::atomic::{
    compiler_fence, fence, AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicU8,
    AtomicUsize, Ordering,
};

/// Tells the CPU that this is a short wait.
#[inline]
pub fn spin_hint() {
    std::hint::spin_loop();
}

/// Gives the CPU to another thread of the host.
#[inline]
pub fn yield_thread() {
    std::thread::yield_now();
}
