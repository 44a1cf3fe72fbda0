//! Select.
//!
//! Owns: the C shape of `gmp_core::chan::select`. Blocks: `gmp_select`.

use crate::chan::gmp_chan_t;
use crate::code::{GMP_EINVAL, GMP_OK};
use crate::time::gmp_time_t;
use gmp_core::chan::select::{self, Case};
use std::ffi::{c_int, c_void};
use std::mem::offset_of;

/// The case sends.
pub const GMP_CASE_SEND: i32 = 1;
/// The case receives.
pub const GMP_CASE_RECV: i32 = 2;

/// One case of a select.
#[repr(C)]
pub struct gmp_case {
    /// GMP_CASE_SEND or GMP_CASE_RECV.
    pub op: i32,
    /// Written for the chosen case: GMP_OK or GMP_ECLOSED.
    pub status: i32,
    /// NULL: never ready.
    pub chan: *mut gmp_chan_t,
    /// Where a send reads its value, and a receive writes it (NULL: it is thrown away). Only the chosen case's is written.
    pub value: *mut c_void,
}

/// See struct gmp_case.
pub type gmp_case_t = gmp_case;

const _: () = assert!(
    size_of::<gmp_case>() == size_of::<Case>()
        && offset_of!(gmp_case, status) == offset_of!(Case, status)
        && offset_of!(gmp_case, chan) == offset_of!(Case, chan)
        && offset_of!(gmp_case, value) == offset_of!(Case, value)
);

/// Does one of several sends and receives: the first that can be done. If several can at once, each is equally likely. The same
/// channel may appear more than once, also to send and to receive; a select never deals with itself.
///
/// @param cases       The cases, at most 65536. Up to 8 cost no allocation.
/// @param n           How many; 0: as if all channels were NULL.
/// @param deadline    Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT (Go's default).
/// @param chosen_out  The index of the chosen case is written here; may be NULL.
/// @return            GMP_OK: a case was chosen, and its status written: GMP_OK, or GMP_ECLOSED (nothing was sent; or nothing is
///                    left to receive, and zeros were written). Any code: none was, nothing was written.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EAGAIN: no case can be done, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the
///          task's context ended. GMP_EINVAL: too many cases, `cases` is NULL, an op is unknown, a send has no value.
///          GMP_EMISUSE: a send to a channel of a timer or for signals. GMP_ENOMEM: no memory for many cases, or no room for a deadline.
///          GMP_EFORKED: a channel of a fork's parent is among them.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_select(
    cases: *mut gmp_case_t,
    n: usize,
    deadline: gmp_time_t,
    chosen_out: *mut usize,
) -> c_int {
    if n > select::MAX_CASES || cases.is_null() && n > 0 {
        return GMP_EINVAL;
    }
    let cases: &mut [Case] = match n {
        0 => &mut [],
        // SAFETY: the caller's array; the layouts are compared above.
        _ => unsafe { std::slice::from_raw_parts_mut(cases.cast(), n) },
    };
    // SAFETY: the caller's channels and values.
    match unsafe { select::select(cases, deadline) } {
        Ok(chosen) => {
            if !chosen_out.is_null() {
                // SAFETY: the caller's place.
                unsafe { *chosen_out = chosen };
            }
            GMP_OK
        }
        Err(e) => e.code(),
    }
}
