//! Tasks that belong to one thread.
//!
//! Owns: `Extra::pin`, the machine that alone may continue a task, and its count in `Machine::pins`.
//! Always true: a pin is set and taken away by its task, or by what ends it, on the pinned thread.
//! Called by: a class's `may_migrate`, and the end of a task. Blocks: nothing.

use crate::machine::Machine;
use crate::task::extra::Extra;
use std::ffi::c_void;

/// From now on only `m` may continue the task; null: any.
///
/// # Safety
/// `extra` is the current task's, or that of one that has just ended on its machine.
pub unsafe fn pin(extra: *mut Extra, m: *const Machine) {
    // SAFETY: the caller's promise.
    let before = unsafe { std::mem::replace(&mut (*extra).pin, m as *const c_void) } as *const Machine;
    if std::ptr::eq(before, m) {
        return;
    }
    // SAFETY: machines are not freed while the runtime lives.
    unsafe {
        if let Some(m) = m.as_ref() {
            m.pin();
        }
        if let Some(before) = before.as_ref() {
            before.unpin();
        }
    }
}
