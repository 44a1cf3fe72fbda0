//! Wait groups.
//!
//! Owns: the C shape of `gmp_core::sync::wait_group::WaitGroup`. Blocks: `gmp_wg_wait`.

use crate::boundary::code;
use crate::code::GMP_EINVAL;
use crate::task::{entry_of, gmp_fn_t};
use crate::time::gmp_time_t;
use gmp_core::global;
use gmp_core::sync::wait_group::WaitGroup;
use std::ffi::{c_int, c_void};

/// A wait group: a count of things under way, and those who wait for it to become zero. All-zero is ready to use: no
/// init, no destroy. It must not be moved or copied while in use. It may be used again, or its memory freed, as soon as
/// gmp_wg_wait has returned, although the last gmp_wg_done may still be returning. Count up before what is counted
/// starts, not in it. Tasks and threads may use one together.
#[repr(C)]
pub struct gmp_wg {
    /// The library's business.
    pub opaque: [u64; 2],
}

/// See struct gmp_wg.
pub type gmp_wg_t = gmp_wg;

const _: () = assert!(size_of::<gmp_wg>() == size_of::<WaitGroup>() && align_of::<gmp_wg>() == align_of::<WaitGroup>());

#[inline(always)]
unsafe fn change(wg: *const gmp_wg_t, n: i64) -> c_int {
    if wg.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's group; its layout is checked above.
    code(unsafe { global::wg_change(wg.cast(), n) })
}

/// Changes the count by `n`; wakes whoever waits when it becomes zero. With a positive `n` the task stays on its thread.
///
/// @param wg  The group.
/// @param n   What to add, or to take away when negative.
/// @return    GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EMISUSE: the count would become negative (or greater than 2^61 - 1); it is unchanged.
///          GMP_EINVAL: `wg` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_wg_add(wg: *mut gmp_wg_t, n: i64) -> c_int {
    // SAFETY: the caller's group.
    unsafe { change(wg, n) }
}

/// Takes one away from the count: gmp_wg_add(wg, -1).
///
/// @param wg  The group. It is not touched any more once the count is zero and a waiter may go on.
/// @return    GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EMISUSE: the count is zero already. GMP_EINVAL: `wg` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_wg_done(wg: *mut gmp_wg_t) -> c_int {
    // SAFETY: the caller's group.
    unsafe { change(wg, -1) }
}

/// Adds one to the count and starts fn(arg) as a detached task; its end, however it ends, takes the one away. On
/// failure the count is as before.
///
/// @param wg   The group.
/// @param fn   What the task runs.
/// @param arg  Its argument.
/// @return     GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `wg` or `fn` is NULL. GMP_ENOMEM, GMP_ESTOPPED, GMP_EAGAIN as gmp_go; GMP_EMISUSE as gmp_wg_add.
/// @since   0.1
#[no_mangle]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), unsafe(naked))]
pub unsafe extern "C" fn gmp_wg_go(wg: *mut gmp_wg_t, r#fn: gmp_fn_t, arg: *mut c_void) -> c_int {
    sited!(go_from, wg, r#fn, arg)
}

unsafe extern "C" fn go_from(wg: *mut gmp_wg_t, f: gmp_fn_t, arg: *mut c_void, site: usize) -> c_int {
    let (Some(entry), false) = (entry_of(f), wg.is_null()) else { return GMP_EINVAL };
    // SAFETY: the caller's group, function and argument; the group lives until its count is zero.
    code(unsafe { global::wg_go(wg.cast(), entry, arg, site) })
}

/// Waits until the count is zero.
///
/// @param wg        The group.
/// @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          GMP_OK or a code.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EAGAIN: the count is not zero, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed.
///          GMP_ENOMEM: no room for a timer. GMP_EINVAL: `wg` is NULL.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_wg_wait(wg: *mut gmp_wg_t, deadline: gmp_time_t) -> c_int {
    if wg.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's group, which lives while somebody waits.
    code(unsafe { (*wg.cast::<WaitGroup>()).wait(deadline) })
}
