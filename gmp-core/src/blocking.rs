//! Blocking calls, declared: the processor may go on without the task's machine.
//!
//! Owns: the guard and the call form over `sched/handoff.rs`.

use crate::base::error::{Error, Result};
use crate::sched::handoff;
use crate::switch;
use crate::task::TaskFn;
use std::ffi::c_void;

pub use crate::sched::handoff::{blocking_enter, blocking_exit};

/// Runs `f(arg)` in a declared blocking section and gives its result. `Panicked` when an exception left `f`.
///
/// # Safety
/// `f` may be called with `arg`.
pub unsafe fn blocking_call(f: TaskFn, arg: *mut c_void) -> Result<*mut c_void> {
    let nested = handoff::blocking_enter().is_err();
    let mut frame = 0;
    // SAFETY: the caller's promise. Nothing unwinds past `call`, so the section is always left.
    let ended = unsafe { switch::call(f, arg, &mut frame) };
    if !nested {
        // A task that parked inside `f` has ended the section already.
        let _ = handoff::blocking_exit();
    }
    if ended.how == switch::RETURNED {
        Ok(ended.value)
    } else {
        Err(Error::Panicked)
    }
}

/// Runs `f` in a declared blocking section.
pub fn block<R>(f: impl FnOnce() -> R) -> R {
    struct Leave(bool);
    impl Drop for Leave {
        fn drop(&mut self) {
            if self.0 {
                let _ = handoff::blocking_exit();
            }
        }
    }
    let _leave = Leave(handoff::blocking_enter().is_ok());
    f()
}
