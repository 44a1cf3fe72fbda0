//! Contexts.
//!
//! Owns: the C shape of `gmp_core::context::Context`. Blocks: nothing.

use crate::boundary::{code, number};
use crate::chan::gmp_chan_t;
use crate::code::{GMP_ECANCELED, GMP_EINVAL, GMP_OK};
use crate::task::{entry_of, gmp_fn_t};
use crate::time::{gmp_time_t, GMP_FOREVER};
use gmp_core::context::hook::{self, Call, Hook};
use gmp_core::context::{member, Context, Kind};
use gmp_core::{cancel, context_api, Result};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

/// A context: a scope that ends, by gmp_ctx_cancel, by its deadline, or because the one above it ended. Tasks are in the
/// context that they were given or that their spawner was given; when it ends their waits answer GMP_ECANCELED. NULL is the
/// context that never ends, except as a parent: there it is the calling task's own.
///
/// Contexts are reference-counted; each call that makes one gives a reference. A context keeps the ones above it.
///
/// In a fork's child a context of the parent's has ended with GMP_EFORKED, which is what every use but gmp_ctx_value and
/// gmp_ctx_deadline answers; gmp_ctx_free leaves its memory.
pub struct gmp_ctx {
    _private: [u8; 0],
}

/// See struct gmp_ctx.
pub type gmp_ctx_t = gmp_ctx;

/// What gmp_ctx_after_func gives; used up by gmp_ctx_hook_stop.
pub struct gmp_ctx_hook {
    _private: [u8; 0],
}

/// See struct gmp_ctx_hook.
pub type gmp_ctx_hook_t = gmp_ctx_hook;

#[inline(always)]
pub(crate) unsafe fn ctx<'a>(at: *const gmp_ctx_t) -> Option<&'a Context> {
    // SAFETY: the caller's context, or null.
    unsafe { at.cast::<Context>().as_ref() }
}

unsafe fn make(parent: *mut gmp_ctx_t, kind: Kind, out: *mut *mut gmp_ctx_t) -> c_int {
    if out.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's context.
    match context_api::new(unsafe { ctx(parent) }, kind) {
        Ok(made) => {
            // SAFETY: the caller's place.
            unsafe { *out = made.into_raw().cast::<gmp_ctx_t>().cast_mut() };
            GMP_OK
        }
        Err(e) => e.code(),
    }
}

/// Makes a context below another one: it ends when that one does, or at its deadline, or by gmp_ctx_cancel.
///
/// @param parent    The context above. NULL: the calling task's own, which ends with gmp_task_cancel or when the context that
///                  the task was given does; outside a task: none.
/// @param deadline  When it ends by itself: a gmp_now() time or GMP_FOREVER. One that has passed (GMP_NOWAIT too): it has
///                  ended, with GMP_ETIMEDOUT.
/// @param ctx_out   The context is written here on success; one reference.
/// @return          GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `ctx_out` is NULL. GMP_EFORKED: `parent` is a fork's parent's. GMP_ENOMEM. With a deadline also
///          GMP_ESTOPPED (after gmp_shutdown) and GMP_EAGAIN (the runtime had to be started, and the system gives no thread).
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_new(
    parent: *mut gmp_ctx_t,
    deadline: gmp_time_t,
    ctx_out: *mut *mut gmp_ctx_t,
) -> c_int {
    // SAFETY: the caller's context and place.
    unsafe { make(parent, Kind { deadline, ..Kind::default() }, ctx_out) }
}

/// Ends a context, and everything below it, before it returns: gmp_ctx_cancel_cause without a cause.
///
/// @param ctx  The context.
/// @return     GMP_OK, also when it has ended already, or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: NULL. GMP_ENOMEM, GMP_ESTOPPED: it ended, but a function of gmp_ctx_after_func could not be started.
///          GMP_EFORKED: a context of a fork's parent.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_cancel(ctx: *mut gmp_ctx_t) -> c_int {
    // SAFETY: the caller's context.
    unsafe { gmp_ctx_cancel_cause(ctx, 0) }
}

/// The calling task's context: the one it was given; if it was given none, or was cancelled by gmp_task_cancel, one of its own.
///
/// @return  The context, borrowed: valid while the task lives. NULL outside a task (and when there is no memory for one).
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_ctx_current() -> *mut gmp_ctx_t {
    match member::current() {
        Ok(Some(context)) => (context as *const Context).cast::<gmp_ctx_t>().cast_mut(),
        _ => null_mut(),
    }
}

/// Shields the calling task: while on, its waits ignore cancellation, as does gmp_checkpoint. For cleaning up.
///
/// @param on  1: from now on; 0: not any more.
/// @return    The previous state, or a code.
/// @context task  @blocks never  @errors GMP_EPERM: outside a task. GMP_EINVAL: neither 0 nor 1.  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_shield(on: c_int) -> c_int {
    if !(0..=1).contains(&on) {
        return GMP_EINVAL;
    }
    match cancel::shield(on == 1) {
        Ok(was) => was as c_int,
        Err(e) => e.code(),
    }
}

/// Ends a context, and everything below it, before it returns. The first end counts: it fixes error and cause, closes the done
/// channel, ends the waits of the context's tasks and starts the functions of gmp_ctx_after_func (without waiting for them).
///
/// @param ctx    The context.
/// @param cause  Any negative code of the caller's, for gmp_ctx_cause; 0: none.
/// @return       GMP_OK, also when it has ended already, or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: NULL, or `cause` is positive. GMP_ENOMEM, GMP_ESTOPPED: it ended, but a function of gmp_ctx_after_func
///          could not be started. GMP_EFORKED: a context of a fork's parent.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_cancel_cause(ctx: *mut gmp_ctx_t, cause: c_int) -> c_int {
    // SAFETY: the caller's context.
    match unsafe { self::ctx(ctx) } {
        Some(context) if cause <= 0 => code(context_api::end(context, GMP_ECANCELED, cause)),
        _ => GMP_EINVAL,
    }
}

/// Whether a context has ended, and how. Once not GMP_OK it never changes, and the done channel is closed.
///
/// @param ctx  The context; NULL: GMP_OK.
/// @return     GMP_OK, GMP_ECANCELED or GMP_ETIMEDOUT; GMP_EFORKED for a context of a fork's parent.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_err(ctx: *const gmp_ctx_t) -> c_int {
    // SAFETY: the caller's context.
    unsafe { self::ctx(ctx) }.map_or(GMP_OK, context_api::error)
}

/// Why a context has ended: the cause that was given where the end began, here or above; without one as gmp_ctx_err.
///
/// @param ctx  The context; NULL: GMP_OK.
/// @return     GMP_OK while it goes on; else a negative number.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_cause(ctx: *const gmp_ctx_t) -> c_int {
    // SAFETY: the caller's context.
    let Some(context) = (unsafe { self::ctx(ctx) }) else { return GMP_OK };
    match context_api::error(context) {
        GMP_OK => GMP_OK,
        _ => context.cause(),
    }
}

/// When a context ends by itself at the latest: its deadline or an earlier one above it.
///
/// @param ctx  The context; NULL: GMP_FOREVER.
/// @return     A gmp_now() time or GMP_FOREVER.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_deadline(ctx: *const gmp_ctx_t) -> gmp_time_t {
    // SAFETY: the caller's context.
    unsafe { self::ctx(ctx) }.map_or(GMP_FOREVER, Context::deadline)
}

/// Makes a context below another one that has a value for a key.
///
/// @param parent   The context above; NULL as for gmp_ctx_new.
/// @param key      What the value is found by: an address of the caller's own, compared as it is.
/// @param value    The value. What it points to is the caller's, and must stay as long as somebody asks for it.
/// @param ctx_out  The context is written here on success; one reference.
/// @return         GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `key` or `ctx_out` is NULL. GMP_EFORKED: `parent` is a fork's parent's. GMP_ENOMEM.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_with_value(
    parent: *mut gmp_ctx_t,
    key: *const c_void,
    value: *mut c_void,
    ctx_out: *mut *mut gmp_ctx_t,
) -> c_int {
    if key.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's context and place.
    unsafe { make(parent, Kind { key, value, ..Kind::default() }, ctx_out) }
}

/// The value for a key: of the context, else of the nearest one above that has one.
///
/// @param ctx  The context; NULL: none.
/// @param key  The key.
/// @return     The value; NULL: there is none.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_value(ctx: *const gmp_ctx_t, key: *const c_void) -> *mut c_void {
    // SAFETY: the caller's context.
    unsafe { self::ctx(ctx) }.map_or(null_mut(), |context| context.value(key))
}

/// Makes a context that has the values of another one, but neither its end nor its deadline.
///
/// @param parent   Whose values; NULL as for gmp_ctx_new.
/// @param ctx_out  The context is written here on success; one reference.
/// @return         GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `ctx_out` is NULL. GMP_EFORKED: `parent` is a fork's parent's. GMP_ENOMEM.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_without_cancel(parent: *mut gmp_ctx_t, ctx_out: *mut *mut gmp_ctx_t) -> c_int {
    // SAFETY: the caller's context and place.
    unsafe { make(parent, Kind { detached: true, ..Kind::default() }, ctx_out) }
}

/// Has fn(arg) started, as a task of its own in no context, when a context ends; at once if it has.
///
/// @param ctx       The context.
/// @param fn        The function.
/// @param arg       Its argument.
/// @param hook_out  The handle is written here on success; every one is used up by one gmp_ctx_hook_stop. It keeps the context.
/// @return          GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `ctx`, `fn` or `hook_out` is NULL. GMP_EFORKED: a context of a fork's parent. GMP_ENOMEM. If the context
///          has ended also GMP_ESTOPPED and GMP_EAGAIN, as gmp_go.
/// @since   0.1
#[no_mangle]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), unsafe(naked))]
pub unsafe extern "C" fn gmp_ctx_after_func(
    ctx: *mut gmp_ctx_t,
    r#fn: gmp_fn_t,
    arg: *mut c_void,
    hook_out: *mut *mut gmp_ctx_hook_t,
) -> c_int {
    sited!(after_from, ctx, r#fn, arg, hook_out)
}

unsafe extern "C" fn after_from(
    ctx: *mut gmp_ctx_t,
    f: gmp_fn_t,
    arg: *mut c_void,
    hook_out: *mut *mut gmp_ctx_hook_t,
    site: usize,
) -> c_int {
    // SAFETY: the caller's context.
    let (Some(context), Some(entry), false) = (unsafe { self::ctx(ctx) }, entry_of(f), hook_out.is_null()) else {
        return GMP_EINVAL;
    };
    match context_api::after(context, Call { entry, arg, site }) {
        Ok(handle) => {
            // SAFETY: the caller's place.
            unsafe { *hook_out = handle.cast::<gmp_ctx_hook_t>().cast_mut() };
            GMP_OK
        }
        Err(e) => e.code(),
    }
}

/// Takes a function of gmp_ctx_after_func back, if it was not started. Uses the handle up in any case.
///
/// @param hook  The handle.
/// @return      1: it was not started and never will be. 0: too late; it may be running. Or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: NULL. GMP_EFORKED: of a context of a fork's parent.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_hook_stop(hook: *mut gmp_ctx_hook_t) -> c_int {
    if hook.is_null() {
        return GMP_EINVAL;
    }
    // SAFETY: the caller's handle.
    number(unsafe { hook::stop(hook.cast::<Hook>()) }.map(i32::from))
}

/// The channel that is closed when a context ends: for gmp_select and gmp_chan_recv. Nothing can be sent on it, nor can it be
/// closed by others. The same one each time.
///
/// @param ctx  The context; NULL: NULL, which is never ready.
/// @return     The channel, borrowed: valid while the context is. NULL also when there is no memory for one.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_done(ctx: *mut gmp_ctx_t) -> *mut gmp_chan_t {
    // SAFETY: the caller's context.
    let Some(context) = (unsafe { self::ctx(ctx) }) else { return null_mut() };
    // One whose deadline has passed ends here, so that its channel says so.
    context_api::error(context);
    let done: Result<_> = context.done();
    done.map_or(null_mut(), |chan| chan.as_ptr().cast())
}

/// Takes one more reference.
///
/// @param ctx  The context; NULL is fine.
/// @return     `ctx`.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_ref(ctx: *mut gmp_ctx_t) -> *mut gmp_ctx_t {
    // SAFETY: the caller's context.
    if let Some(context) = unsafe { self::ctx(ctx) } {
        context.retain();
    }
    ctx
}

/// Drops one reference. Does not end the context: those below it, and its tasks, keep it.
///
/// @param ctx  The context; NULL is fine.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_ctx_free(ctx: *mut gmp_ctx_t) {
    if !ctx.is_null() {
        // SAFETY: the caller's reference.
        unsafe { Context::release(ctx.cast()) };
    }
}
