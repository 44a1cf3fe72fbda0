//! Onces.
//!
//! Owns: the C shape of `gmp_core::sync::once::Once`. Blocks: `gmp_once_do`.

use crate::boundary::code;
use crate::code::GMP_EINVAL;
use crate::task::gmp_fn_t;
use gmp_core::sync::once::Once;
use std::ffi::{c_int, c_void};

/// A function that is run in one call of all. All-zero has not run: no init, no destroy. It must not be moved or copied
/// while in use. Its memory may be freed when a call has returned and no other is under way but the one that ran the
/// function. Tasks and threads may use one together.
#[repr(C)]
pub struct gmp_once {
    /// The library's business.
    pub opaque: [u64; 2],
}

/// See struct gmp_once.
pub type gmp_once_t = gmp_once;

const _: () = assert!(size_of::<gmp_once>() == size_of::<Once>() && align_of::<gmp_once>() == align_of::<Once>());

/// Runs fn(arg) if no call has yet; else waits until that call's function has ended. It counts as run also when it ends by
/// gmp_exit, or by a C++ exception or Rust panic, which goes on in the caller.
///
/// @param o    The once.
/// @param fn   What to run. It is called as by the caller, in the same task or thread.
/// @param arg  Its argument.
/// @return     GMP_OK when the function has ended, here or elsewhere, or a code.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EDEADLK: called from within its own function. GMP_ECANCELED: the task is cancelled, and would have to wait
///          for another's run. GMP_ENOMEM: no memory to stand by for a gmp_exit; the function was not run. GMP_EINVAL: `o` or
///          `fn` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C-unwind" fn gmp_once_do(o: *mut gmp_once_t, r#fn: gmp_fn_t, arg: *mut c_void) -> c_int {
    let (Some(f), false) = (r#fn, o.is_null()) else { return GMP_EINVAL };
    // SAFETY: the caller's object, function and argument.
    code(unsafe { (*o.cast::<Once>()).call(|| f(arg)) })
}
