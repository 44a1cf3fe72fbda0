//! Blocking calls, declared.
//!
//! Owns: nothing. Blocks: see each function.

use crate::boundary::code;
use crate::code::GMP_EINVAL;
use crate::task::gmp_task_fn_t;
use gmp_core::blocking;
use std::ffi::{c_int, c_void};

/// Begins a blocking section: the calling task is about to call something that may block, and its processor may go on
/// with another machine. Costs a few nanoseconds.
///
/// Blocking sections: enter and exit come in pairs on the same task, around ordinary code. A call of this header that
/// parks the task ends the section. Code that blocks without them loses its processor too, if others wait for one:
/// 0.1 to 0.5 ms after it fell asleep in the kernel, or after 10 ms if it computes. The sections only make it sooner.
///
/// @return  GMP_OK; outside a task GMP_OK, and nothing happens.
/// @context any thread or task  @blocks never
/// @errors  GMP_EMISUSE: the task is in such a section already; nothing changed.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_blocking_enter() -> c_int {
    code(blocking::blocking_enter())
}

/// Ends the section that gmp_blocking_enter began. The task may go on on another thread.
///
/// @return  GMP_OK; outside a task GMP_OK, and nothing happens.
/// @context any thread or task  @blocks the task, while all processors are busy with others
/// @errors  GMP_EMISUSE: the task is in no such section; nothing changed.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_blocking_exit() -> c_int {
    code(blocking::blocking_exit())
}

/// Calls fn(arg) in such a section. Inside a section, or outside a task, it is a plain call.
///
/// @param fn          The function; a C++ exception or Rust panic that leaves it ends here.
/// @param arg         Its argument.
/// @param result_out  Its result is written here on success; may be NULL.
/// @return            GMP_OK or a code.
/// @context any thread or task  @blocks what `fn` blocks
/// @errors  GMP_EINVAL: `fn` is NULL. GMP_EPANIC: an exception left `fn`.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C-unwind" fn gmp_blocking_call(
    r#fn: gmp_task_fn_t,
    arg: *mut c_void,
    result_out: *mut *mut c_void,
) -> c_int {
    let Some(f) = r#fn else { return GMP_EINVAL };
    // SAFETY: the caller's function and argument.
    match unsafe { blocking::blocking_call(f, arg) } {
        Ok(value) => {
            if !result_out.is_null() {
                // SAFETY: the caller's place for the result.
                unsafe { *result_out = value };
            }
            0
        }
        Err(e) => e.code(),
    }
}
