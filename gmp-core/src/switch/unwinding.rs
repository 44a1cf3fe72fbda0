//! `call` and `exit_to` in plain Rust, for the backends without assembly of ours.
//!
//! What differs: `exit_to` is a panic with a payload of its own, so it unwinds the frames that it abandons instead of
//! jumping over them. That needs frames that can be unwound: Rust ones, and others that were built with unwind
//! tables; a frame that must not unwind (`extern "C"` in Rust, `noexcept`) aborts the process with a message. Hence
//! [`CAN_EXIT`] is false. An exception that is not a Rust panic aborts too, with Rust's message.

use super::{Ended, Function, Sp, EXITED, RETURNED, THREW};
use std::ffi::c_void;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::null_mut;

/// See [`super::CAN_EXIT`].
pub const CAN_EXIT: bool = false;

/// See [`super::trace`].
pub const CAN_TRACE: bool = false;

/// See [`super::trace`]: an unwinder would not find its way from here.
pub unsafe fn call_above(_: Sp, _: unsafe extern "C" fn(*mut c_void), _: *mut c_void) {}

/// Travels to the `call` that it names.
struct Exit(Sp);

/// See [`super::call`].
pub unsafe fn call(f: Function, arg: *mut c_void, frame: *mut Sp) -> Ended {
    let here = std::hint::black_box(0u8);
    let me = &raw const here as Sp;
    // SAFETY: by the contract `frame` may be written and `f` called with `arg`.
    let result = unsafe {
        *frame = me;
        catch_unwind(AssertUnwindSafe(|| f(arg)))
    };
    match result.map_err(|payload| payload.downcast::<Exit>()) {
        Ok(value) => Ended { how: RETURNED, value },
        Err(Ok(exit)) if exit.0 == me => Ended { how: EXITED, value: null_mut() },
        Err(Ok(exit)) => resume_unwind(exit),
        Err(Err(payload)) => {
            super::drop_payload(payload);
            Ended { how: THREW, value: null_mut() }
        }
    }
}

/// See [`super::exit_to`].
pub unsafe fn exit_to(frame: Sp) -> ! {
    resume_unwind(Box::new(Exit(frame)))
}
