//! Loom's forms, for `cfg(loom)`: every access is a point where the model may switch threads.

pub use loom::cell::{Cell, UnsafeCell};
pub use loom::sync::atomic::{
    fence, AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicU8, AtomicUsize,
    Ordering,
};
pub use loom::sync::{Mutex as LoomMutex, MutexGuard};

/// `parking_lot`'s shape over loom's mutex: `lock` cannot fail.
#[derive(Debug, Default)]
pub struct Mutex<T>(LoomMutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Mutex<T> {
        Mutex(LoomMutex::new(value))
    }
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// A compiler fence orders nothing between threads, so the model has nothing to do.
pub fn compiler_fence(_: Ordering) {}

/// Lets loom run another thread.
pub fn spin_hint() {
    loom::thread::yield_now();
}

/// Lets loom run another thread.
pub fn yield_thread() {
    loom::thread::yield_now();
}
