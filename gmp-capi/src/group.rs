//! Groups.
//!
//! Owns: the C shape of `gmp_core::group::Group`. Blocks: `gmp_group_wait`.

use crate::boundary::code;
use crate::code::{GMP_ECANCELED, GMP_EINVAL, GMP_OK};
use crate::context::{ctx, gmp_ctx_t};
use crate::time::gmp_time_t;
use gmp_core::context::member;
use gmp_core::group::Group;
use gmp_core::{context_api, global, Error, Result};
use std::ffi::{c_int, c_void};

/// A group of tasks that are waited for together. No task outlives its group: who makes a group waits for it. The first failure
/// (a result that is not 0) cancels the others.
pub struct gmp_group {
    _private: [u8; 0],
}

/// See struct gmp_group.
pub type gmp_group_t = gmp_group;

/// The body of a group's task: 0, or the code of its failure.
pub type gmp_group_fn_t = Option<unsafe extern "C-unwind" fn(arg: *mut c_void) -> c_int>;

unsafe fn group<'a>(at: *mut gmp_group_t) -> Option<&'a Group> {
    // SAFETY: the caller's group, or null.
    unsafe { at.cast::<Group>().as_ref() }
}

/// Makes an empty group, with a context of its own.
///
/// @param parent     The context above the group's. NULL: the calling task's own; outside a task: none.
/// @param group_out  The group is written here on success. It is given back by gmp_group_wait.
/// @return           GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `group_out` is NULL. GMP_EFORKED: `parent` is a fork's parent's. GMP_ENOMEM.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_group_new(parent: *mut gmp_ctx_t, group_out: *mut *mut gmp_group_t) -> c_int {
    if group_out.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's context.
    match unsafe { make(parent) } {
        Ok(made) => {
            // SAFETY: the caller's place.
            unsafe { *group_out = Box::into_raw(made).cast() };
            GMP_OK
        }
        Err(e) => e.code(),
    }
}

unsafe fn make(parent: *mut gmp_ctx_t) -> Result<Box<Group>> {
    // SAFETY: the caller's context.
    match unsafe { ctx(parent) } {
        Some(parent) => Group::new(Some(parent)),
        None => Group::new(member::parent()?),
    }
}

/// Starts fn(arg) as a task of the group, in the group's context. The first result that is not 0 cancels the group and is what
/// gmp_group_wait answers; a task that ends by gmp_exit or an exception has failed with GMP_EPANIC.
///
/// @param g    The group. Nobody has been answered by its gmp_group_wait yet.
/// @param fn   What the task runs.
/// @param arg  Its argument.
/// @return     GMP_OK or a code.
/// @context any thread or task  @blocks never  @errors GMP_EINVAL: `g` or `fn` is NULL. GMP_ENOMEM, GMP_ESTOPPED, GMP_EAGAIN as
///          gmp_go. GMP_EFORKED: a group of a fork's parent. Nothing was started then.
/// @since   0.1
#[no_mangle]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), unsafe(naked))]
pub unsafe extern "C" fn gmp_group_go(g: *mut gmp_group_t, r#fn: gmp_group_fn_t, arg: *mut c_void) -> c_int {
    sited!(go_from, g, r#fn, arg)
}

unsafe extern "C" fn go_from(g: *mut gmp_group_t, f: gmp_group_fn_t, arg: *mut c_void, site: usize) -> c_int {
    // SAFETY: the caller's group.
    let (Some(g), Some(f)) = (unsafe { group(g) }, f) else { return GMP_EINVAL };
    // SAFETY: the group stays until its wait has answered.
    code(unsafe { g.go(f, arg, site, |what| global::spawn(|s, _| what(s)).map(drop)) })
}

/// Waits until every task of the group has ended, and gives the group back. In a task whose context ends meanwhile it cancels the
/// group, waits on for its tasks (they outlive no group), and answers GMP_ECANCELED.
///
/// @param g         The group. With GMP_ETIMEDOUT, GMP_EAGAIN and GMP_ENOMEM it stays, and must be waited for again; with
///                  GMP_EFORKED it stays, and that is all; otherwise it is gone.
/// @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          0, or the first failure.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EINVAL: NULL. GMP_EAGAIN: tasks go on, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED:
///          see above. GMP_ENOMEM: no room for a deadline. GMP_EFORKED: a group of a fork's parent.
///          (A failure may be one of these numbers too.)
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_group_wait(g: *mut gmp_group_t, deadline: gmp_time_t) -> c_int {
    // SAFETY: the caller's group.
    let Some(waited) = (unsafe { group(g) }) else { return GMP_EINVAL };
    let result = match waited.wait(deadline) {
        Ok(first) => first,
        Err(Error::Canceled) => {
            // What could not be started after the end is the group's business no more.
            let _not_started = context_api::end(waited.context(), GMP_ECANCELED, 0);
            waited.wait_shielded();
            GMP_ECANCELED
        }
        Err(e) => return e.code(),
    };
    // SAFETY: made by `gmp_group_new`; no task of it is left.
    drop(unsafe { Box::from_raw(g.cast::<Group>()) });
    result
}
