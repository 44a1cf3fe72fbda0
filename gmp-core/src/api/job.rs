//! A closure that is handed out as a function and an argument, to be called as a task when something happens, or taken back.
//!
//! Owns: the closure, until it is called or taken back, and the references to it.
//!
//! Always true:
//!  - J1. Of "called" and "taken back" one happens: who takes the closure out of the cell.
//!  - J2. Two kinds of references: the handle's, and one for each time that the function is *promised* to be called once: it
//!        passes to that call, or back to who finds the promise taken back. (A promise that the end of the runtime breaks
//!        keeps the empty cell's memory, not what the closure had.)

use crate::primitive::Mutex;
use crate::task::TaskFn;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null_mut;
use std::sync::Arc;

struct Cell<F>(Mutex<Option<F>>);

trait TakeBack: Send + Sync {
    fn take_back(&self) -> bool;
}

impl<F: Send> TakeBack for Cell<F> {
    fn take_back(&self) -> bool {
        // Outside the lock: its destructors may do anything.
        let closure = self.0.lock().take();
        closure.is_some()
    }
}

/// The handle. Dropped, it takes the closure back.
pub struct Job {
    cell: Arc<dyn TakeBack>,
    entry: TaskFn,
}

impl Job {
    pub fn new<F: FnOnce() + Send + 'static>(f: F) -> Job {
        Job { cell: Arc::new(Cell(Mutex::new(Some(f)))), entry: run::<F> }
    }

    /// The function and its argument, with a promise that it is called once with it.
    pub fn promise(&self) -> (TaskFn, *mut c_void) {
        let promised = Arc::into_raw(self.cell.clone());
        (self.entry, promised as *mut c_void)
    }

    /// It will not be called after all.
    ///
    /// # Safety
    /// A promise is open, and this one ends it.
    pub unsafe fn broken(&self) {
        // SAFETY: the promise's reference.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(&self.cell)) };
    }

    /// True: the closure has not been called, and never will be.
    pub fn take_back(&self) -> bool {
        self.cell.take_back()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.take_back();
    }
}

unsafe extern "C-unwind" fn run<F: FnOnce()>(promised: *mut c_void) -> *mut c_void {
    // SAFETY: the promise's reference, to the cell that it was made for.
    let cell = unsafe { Arc::from_raw(promised as *const Cell<F>) };
    let closure = cell.0.lock().take();
    drop(cell);
    if let Some(f) = closure {
        // Nobody joins this task: the panic hook has told of it.
        let _told = catch_unwind(AssertUnwindSafe(f));
    }
    null_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::{AtomicU32, Ordering::Relaxed};

    #[test]
    fn every_promise_is_kept_once_or_broken_and_keeps_nothing_after() {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = calls.clone();
        let job = Job::new(move || {
            counted.fetch_add(1, Relaxed);
        });
        let (_, _) = job.promise();
        assert_eq!(Arc::strong_count(&job.cell), 2);
        // SAFETY: that promise.
        unsafe { job.broken() };
        for _ in 0..2 {
            let (entry, promised) = job.promise();
            // SAFETY: as it was promised.
            unsafe { entry(promised) };
        }
        assert_eq!((calls.load(Relaxed), Arc::strong_count(&calls), Arc::strong_count(&job.cell)), (1, 1, 1));
        assert!(!job.take_back());
    }

    #[test]
    fn a_closure_that_is_taken_back_is_dropped_and_not_called() {
        let value = Arc::new(());
        let kept = value.clone();
        let job = Job::new(move || drop(kept));
        let (entry, promised) = job.promise();
        assert!(job.take_back() && !job.take_back());
        assert_eq!(Arc::strong_count(&value), 1);
        // SAFETY: as it was promised.
        unsafe { entry(promised) };
        assert_eq!(Arc::strong_count(&job.cell), 1);
    }
}
