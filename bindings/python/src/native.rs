//! Native tasks: a C function that runs as a plain task, without the GIL, in parallel with everything else.
//!
//! Owns: the record that the running function and the Task object share, each holding one reference.
//!
//! Always true: the outcome is set once, by the runtime's deferred call, whichever way the function ended; waiters of
//! the record are guarded by its lock, which nobody holds across a call into the runtime.
//!
//! Called by: calls.rs (start), task.rs and task_type.rs (GIL held); the entry runs on any machine, without the GIL.

use crate::wait::{self, Waiter, Waiters, Wake};
use crate::{abi, errors, shim};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub type Function = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

pub struct Native {
    function: Function,
    arg: usize,
    /// The runtime's handle, for `cancel`; given back with the record.
    handle: AtomicPtr<c_void>,
    state: Mutex<State>,
}

struct State {
    returned: Option<usize>,
    ended: bool,
    waiters: Waiters,
}

// SAFETY: `waiters` points to stack frames of waiting calls, which outlive their membership (wait.rs, W1); it is
// touched under the mutex only.
unsafe impl Send for State {}

impl Native {
    /// Spawns `function(arg)`; gives the record (one reference, for the Task) and the task's id.
    pub fn spawn(function: Function, arg: usize) -> Result<(*const Native, u64), c_int> {
        let state = State { returned: None, ended: false, waiters: Waiters::new() };
        let handle = AtomicPtr::new(std::ptr::null_mut());
        let record = Arc::into_raw(Arc::new(Native { function, arg, handle, state: Mutex::new(state) }));
        let (mut id, mut handle) = (0, std::ptr::null_mut());
        // SAFETY: the entry takes over the second reference; when it never runs, that is taken back.
        unsafe {
            Arc::increment_strong_count(record);
            let code = shim::shim_spawn_native(entry, record as *mut c_void, &mut id, &mut handle);
            if code != 0 {
                Arc::decrement_strong_count(record);
                Arc::decrement_strong_count(record);
                return Err(code);
            }
            (*record).handle.store(handle, Ordering::Relaxed);
        }
        Ok((record, id))
    }

    /// Drops the Task's reference; null is fine.
    ///
    /// # Safety
    /// `record` is null or came from `spawn` and was not released yet.
    pub unsafe fn release(record: *const Native) {
        if !record.is_null() {
            // SAFETY: as the caller promises.
            unsafe { Arc::decrement_strong_count(record) };
        }
    }

    /// None: it runs. Some(Err): it was cut off.
    pub fn outcome(&self) -> Option<Result<usize, ()>> {
        let state = self.lock();
        state.ended.then(|| state.returned.ok_or(()))
    }

    /// Waits for the end, as `wait::wait`; the waiter is in no list afterwards.
    ///
    /// # Safety
    /// The GIL is held; the waiter is armed and stays in place.
    pub unsafe fn wait(&self, waiter: *mut Waiter, deadline: i64) -> Wake {
        {
            let mut state = self.lock();
            if state.ended {
                return Wake::Signaled;
            }
            // SAFETY: under the list's guard; the waiter leaves the list below or was claimed.
            unsafe { state.waiters.push(waiter) };
        }
        // SAFETY: as the caller promises.
        unsafe {
            let woke = wait::wait(waiter, deadline);
            let _guard = self.lock();
            (*waiter).unlink();
            woke
        }
    }

    /// Cancels it as gmp_task_cancel does.
    pub fn cancel(&self) {
        // SAFETY: the handle lives as long as the record. Its code tells of functions that no context here has.
        unsafe { abi::gmp_task_cancel(self.handle.load(Ordering::Relaxed)) };
    }

    /// Claims a waiter of this record on behalf of a request: true when nobody else has.
    ///
    /// # Safety
    /// The waiter's call is still waiting.
    pub unsafe fn claim(&self, waiter: *mut Waiter) -> bool {
        let _guard = self.lock();
        // SAFETY: as the caller promises; the guard is held.
        unsafe { (*waiter).claim() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        let handle = *self.handle.get_mut();
        if !handle.is_null() {
            // SAFETY: the handle's one use; nobody else knows it.
            unsafe { abi::gmp_task_free(handle) };
        }
    }
}

/// Runs on a machine, without the GIL. The outcome is published by the deferred call, so that gmp_exit and C++
/// exceptions wake the joiners too.
unsafe extern "C-unwind" fn entry(record: *mut c_void) -> *mut c_void {
    // SAFETY: the record's second reference belongs to this task until `ended`.
    unsafe {
        let native = record as *const Native;
        if abi::gmp_defer(ended, record) != 0 {
            ended(record);
            return std::ptr::null_mut();
        }
        let returned = ((*native).function)((*native).arg as *mut c_void) as usize;
        (*native).lock().returned = Some(returned);
    }
    std::ptr::null_mut()
}

unsafe extern "C" fn ended(record: *mut c_void) {
    // SAFETY: takes over the task's reference; the chain is claimed under the lock and signaled without it.
    unsafe {
        let native = Arc::from_raw(record as *const Native);
        let chain = {
            let mut state = native.lock();
            state.ended = true;
            state.waiters.claim_all()
        };
        wait::signal_chain(chain);
    }
}

/// Sets the exception for a native task that was cut off.
///
/// # Safety
/// The GIL is held.
pub unsafe fn raise_cut_off() {
    // SAFETY: the GIL is held.
    unsafe { errors::GMP_ERROR.raise(c"the native task was cut off by gmp_exit or by an exception") }
}
