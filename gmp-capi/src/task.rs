//! Tasks: starting, joining, and what a task does about itself.
//!
//! Owns: the C shape of handles and spawn options. Blocks: `gmp_join`, `gmp_sleep`, `gmp_yield`, `gmp_checkpoint`.

use crate::boundary::{code, init, input};
use crate::code::{GMP_EINVAL, GMP_OK};
use crate::context::{ctx, gmp_ctx_t};
use crate::task_class::{self, gmp_task_class_t};
use crate::time::gmp_time_t;
use gmp_core::sched::spawn::Spawn;
use gmp_core::stack::Class;
use gmp_core::task::{TaskFn, FLAG_BLOCKING};
use gmp_core::task_api::{self, Options};
use gmp_core::{context_api, global, thread_lock, time, Error, Result};
use std::ffi::{c_char, c_int, c_void};

/// A function without result: the body of a task that nobody asks, a deferred call.
pub type gmp_fn_t = Option<unsafe extern "C-unwind" fn(arg: *mut c_void)>;

/// The body of a task. Its result goes to whoever joins the task. A C++ exception or Rust panic that leaves it ends the
/// task, and its join answers GMP_EPANIC.
pub type gmp_task_fn_t = Option<unsafe extern "C-unwind" fn(arg: *mut c_void) -> *mut c_void>;

/// A task's handle. It carries a generation: one that was joined or freed answers GMP_EINVAL, one of a fork's parent
/// GMP_EFORKED. Every handle is used up by one gmp_join or gmp_task_free.
///
/// Tasks: any call of this header may continue the task on another thread, except gmp_now and the like, gmp_task_id,
/// gmp_self_id, gmp_local_get, gmp_num_tasks (a task whose processor was taken meanwhile queues for one in its next call). So a
/// task must not keep across one: a lock that belongs to a thread (pthread_mutex_t, std::mutex), the address of a thread-local
/// variable, &errno. `errno` itself follows the task, as do floating-point modes and C++ exceptions.
pub struct gmp_task {
    _private: [u8; 0],
}

/// See struct gmp_task.
pub type gmp_task_t = gmp_task;

/// What gmp_spawn can be told about a task; fill it with gmp_spawn_opts_init.
#[repr(C)]
pub struct gmp_spawn_opts {
    /// The size of the struct as the caller knows it.
    pub struct_size: usize,
    /// Shown in dumps and traces; copied, at most 255 bytes of it. NULL: none.
    pub name: *const c_char,
    /// Bytes of stack that the task may use, rounded up to a size class (48 KiB, 192 KiB, 960 KiB, 1984 KiB, 8128 KiB).
    /// 0: the runtime's default.
    pub stack_size: usize,
    /// GMP_SPAWN_* flags.
    pub flags: u32,
    /// The task's context, which gmp_spawn takes a reference to. NULL: the one that the spawner was given.
    pub ctx: *mut gmp_ctx_t,
    /// The task's class; NULL: a plain C task.
    pub task_class: *const gmp_task_class_t,
    /// The task's own pointer, handed to the class's functions.
    pub class_data: *mut c_void,
}

/// See struct gmp_spawn_opts.
pub type gmp_spawn_opts_t = gmp_spawn_opts;

/// Spawn flag: once started, the task always resumes on the same thread, for code that keeps what belongs to a thread. Other tasks
/// may share it; while one of them keeps it (in foreign code, or by gmp_lock_thread), the sticky task waits for the thread.
pub const GMP_SPAWN_STICKY: u32 = 1u32;
/// Spawn flag, a hint: the task is expected to block in the kernel, and never delays its neighbours.
pub const GMP_SPAWN_BLOCKING: u32 = 2u32;

/// The most bytes of a name that are kept.
const NAME: usize = 255;

/// A body without result as one with a result that nobody reads.
#[inline(always)]
pub(crate) fn entry_of(f: gmp_fn_t) -> Option<TaskFn> {
    // SAFETY: both are called alike on every architecture; what the result register holds is read by nobody who started
    // such a task.
    unsafe { std::mem::transmute::<gmp_fn_t, Option<TaskFn>>(f) }
}

/// Starts fn(arg) as a task of its own, and forgets it.
///
/// @param fn   What the task runs.
/// @param arg  Its argument.
/// @return     GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `fn` is NULL. GMP_ENOMEM: no memory or address space for another task. GMP_ESTOPPED: after
///          gmp_shutdown has begun. GMP_EAGAIN: the runtime had to be started, and the system gives no thread. Nothing
///          was started then.
/// @since   0.1
#[no_mangle]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), unsafe(naked))]
pub unsafe extern "C" fn gmp_go(r#fn: gmp_fn_t, arg: *mut c_void) -> c_int {
    sited!(go_from, r#fn, arg)
}

unsafe extern "C" fn go_from(f: gmp_fn_t, arg: *mut c_void, site: usize) -> c_int {
    let Some(entry) = entry_of(f) else { return GMP_EINVAL };
    code(global::spawn(|s, _| Ok(Spawn::plain(s, entry, arg, site))).map(drop))
}

/// Fills `opts` with the defaults. Always called with sizeof(gmp_spawn_opts_t).
///
/// @param opts         The struct to fill.
/// @param struct_size  Its size in bytes.
/// @return             GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `opts` is NULL, or the size is smaller than in version 0.1 or greater than 4096.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_spawn_opts_init(opts: *mut gmp_spawn_opts_t, struct_size: usize) -> c_int {
    // SAFETY: the caller's struct.
    code(unsafe { init(opts, struct_size) })
}

/// Starts fn(arg) as a task.
///
/// @param fn        What the task runs.
/// @param arg       Its argument.
/// @param opts      What else; NULL for nothing else.
/// @param task_out  The handle is written here on success, before this returns but maybe after the task has begun. NULL:
///                  the task is detached, there is no handle.
/// @return          GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `fn` is NULL; the stack size is too large; a flag of the options or of the class is unknown; a
///          struct_size is foolish. GMP_EFORKED: the context is a fork's parent's. GMP_ENOMEM, GMP_ESTOPPED, GMP_EAGAIN as
///          gmp_go. Nothing was started then.
/// @since   0.1
#[no_mangle]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), unsafe(naked))]
pub unsafe extern "C" fn gmp_spawn(
    r#fn: gmp_task_fn_t,
    arg: *mut c_void,
    opts: *const gmp_spawn_opts_t,
    task_out: *mut *mut gmp_task_t,
) -> c_int {
    sited!(spawn_from, r#fn, arg, opts, task_out)
}

unsafe extern "C" fn spawn_from(
    f: gmp_task_fn_t,
    arg: *mut c_void,
    opts: *const gmp_spawn_opts_t,
    task_out: *mut *mut gmp_task_t,
    site: usize,
) -> c_int {
    let Some(entry) = f else { return GMP_EINVAL };
    let detached = task_out.is_null();
    let task = if opts.is_null() {
        global::spawn(|s, _| Ok(Spawn { detached, ..Spawn::plain(s, entry, arg, site) }))
    } else {
        // SAFETY: the caller's options.
        unsafe { spawn_with(entry, arg, site, detached, opts) }
    };
    match task {
        Ok(handle) => {
            if !detached {
                // SAFETY: the caller's place for the handle.
                unsafe { *task_out = handle as *mut gmp_task_t };
            }
            GMP_OK
        }
        Err(e) => e.code(),
    }
}

#[cold]
unsafe fn spawn_with(
    entry: TaskFn,
    arg: *mut c_void,
    site: usize,
    detached: bool,
    opts: *const gmp_spawn_opts_t,
) -> Result<u64> {
    // SAFETY: the caller's options, with all that they point to.
    let options = unsafe { options(opts) }?;
    global::spawn(|s, _| {
        let plain = Spawn { detached, ..Spawn::plain(s, entry, arg, site) };
        // SAFETY: a class's table stays valid while the runtime runs (see `gmp_task_class`).
        unsafe { options.apply(s, plain) }
    })
}

unsafe fn options<'a>(opts: *const gmp_spawn_opts_t) -> Result<Options<'a>> {
    // SAFETY: the caller's struct.
    let opts = unsafe { input(opts) }?;
    if opts.flags & !(GMP_SPAWN_STICKY | GMP_SPAWN_BLOCKING) != 0 {
        return Err(Error::Invalid);
    }
    let stack = match opts.stack_size {
        0 => None,
        size => Some(Class::for_size(size).ok_or(Error::Invalid)?),
    };
    // SAFETY: the caller's class, or null.
    let class = unsafe { task_class::table(opts.task_class) }?;
    let name: &[u8] = if opts.name.is_null() {
        &[]
    } else {
        // SAFETY: the caller's text; `strnlen` looks no further than its end.
        unsafe { std::slice::from_raw_parts(opts.name.cast(), libc::strnlen(opts.name, NAME)) }
    };
    let flags = if opts.flags & GMP_SPAWN_BLOCKING != 0 { FLAG_BLOCKING } else { 0 };
    // SAFETY: the caller's context, or null.
    let context = unsafe { ctx(opts.ctx) };
    let sticky = opts.flags & GMP_SPAWN_STICKY != 0;
    Ok(Options { name, stack, flags, sticky, class, class_data: opts.class_data, context })
}

/// Waits for a task's end and takes its result. A task that has not started may run right here, on the joiner's stack.
///
/// @param task        The handle. On GMP_OK, GMP_EPANIC and the code of a class's first_run it is used up.
/// @param deadline    Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @param result_out  The task's result is written here on success; may be NULL.
/// @return            GMP_OK or a code.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EPANIC: the task ended by an exception or gmp_exit. GMP_EAGAIN: it has not ended, and GMP_NOWAIT was
///          given. GMP_ETIMEDOUT: the deadline passed. GMP_EINVAL: NULL, a stale handle, or somebody else joins it.
///          GMP_EDEADLK: the task itself; or, from a foreign thread with
///          GMP_FOREVER, no task can ever go on (see GMP_CONFIG_DEADLOCK_ABORT): the handle stays. GMP_EFORKED: a task of a fork's parent. GMP_ENOMEM: no room for a timer.
///          GMP_ECANCELED: the calling task's context ended; the handle stays.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_join(task: *mut gmp_task_t, deadline: gmp_time_t, result_out: *mut *mut c_void) -> c_int {
    match global::join(task as u64, deadline) {
        Ok(value) => {
            if !result_out.is_null() {
                // SAFETY: the caller's place for the result.
                unsafe { *result_out = value };
            }
            GMP_OK
        }
        Err(e) => e.code(),
    }
}

/// Detaches a task: uses the handle up; the task goes on.
///
/// @param task  The handle.
/// @return      GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: NULL, a stale handle, or somebody joins it. GMP_EFORKED: a task of a fork's parent.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_task_free(task: *mut gmp_task_t) -> c_int {
    code(global::detach(task as u64))
}

/// Cancels one task: the wait that it is in, and every one that it enters from now on, answers GMP_ECANCELED (see gmp_shield), as
/// does gmp_checkpoint. The contexts that were made below the task's own end with it; tasks that it has started are not cancelled
/// unless they are in one of those. It is a request: the task goes on until its function returns.
///
/// A gmp_join of a task that had not started runs that task right there. If the joiner is itself just being joined, a third party's
/// cancellation of it is seen when that task has ended.
///
/// @param task  The handle; it stays valid.
/// @return      GMP_OK, also for a task that has ended or was cancelled before, or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: NULL or a stale handle. GMP_EFORKED: a task of a fork's parent. GMP_ENOMEM, GMP_ESTOPPED: it is cancelled, but
///          a function of gmp_ctx_after_func could not be started.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_task_cancel(task: *mut gmp_task_t) -> c_int {
    code(context_api::cancel_task(task as u64))
}

/// The id of a task: unique in this runtime's life, never 0.
///
/// @param task  The handle.
/// @return      The id; 0 for NULL and for a stale handle.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_task_id(task: *const gmp_task_t) -> u64 {
    global::task_id(task as u64)
}

/// The id of the calling task.
///
/// @return  The id; 0 outside a task.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_self_id() -> u64 {
    task_api::self_id()
}

/// Lets other tasks go first. Outside a task it is sched_yield.
///
/// @context any thread or task  @blocks the task, while others go first  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_yield() {
    gmp_core::yield_now();
}

/// For long computations, every few microseconds or so: lets others go first if they have waited long enough, and costs
/// three loads if not.
///
/// @return  GMP_OK or a code.
/// @context any thread or task  @blocks the task, while others go first
/// @errors  GMP_ECANCELED: the task's context has ended, or it was cancelled.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_checkpoint() -> c_int {
    code(task_api::checkpoint())
}

/// Sleeps for at least `ns` nanoseconds.
///
/// @param ns  Nanoseconds; for 0 and less it returns at once.
/// @return    GMP_OK or a code.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_ENOMEM: no room for a timer. GMP_ECANCELED: the task's context ended, or it was cancelled.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_sleep(ns: i64) -> c_int {
    code(time::sleep(ns))
}

/// Ends the calling task now: its deferred calls run, last first, then its join answers GMP_EPANIC. Frames are left
/// without unwinding: no C++ destructor runs. In a deferred call it ends that call.
///
/// pthread_exit in a task, and pthread_cancel of its thread, end the task likewise after cleanup handlers and destructors have run: its
/// deferred calls run on the dying thread, outside the task (gmp_self_id is 0 there). Another thread takes that one's place, also for
/// sticky tasks. A task that was running on its joiner's stack takes the joiner along. (Built on the `context` crate, it aborts.)
///
/// @return  Only a code.
/// @context task  @blocks never
/// @errors  GMP_EPERM: outside a task, or between gmp_blocking_enter and gmp_blocking_exit.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C-unwind" fn gmp_exit() -> c_int {
    // SAFETY: the caller's frames are the caller's to leave; this one has nothing to drop.
    unsafe { task_api::exit() }.code()
}

/// Has fn(arg) called at the calling task's end, however it ends, on its own stack; last asked, first called.
///
/// @param fn   The function. If it leaves by an exception or gmp_exit, the others still run, and the task ended so.
/// @param arg  Its argument.
/// @return     GMP_OK or a code.
/// @context task  @blocks never
/// @errors  GMP_EPERM: outside a task. GMP_EINVAL: `fn` is NULL. GMP_ENOMEM.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_defer(r#fn: gmp_fn_t, arg: *mut c_void) -> c_int {
    let Some(f) = r#fn else { return GMP_EINVAL };
    code(task_api::defer(f, arg))
}

/// Locks the calling task to the thread that it runs on: until it has unlocked as often, it runs on that thread only, and no other
/// task does. Waits, yields and blocking sections come back on the thread; while the task waits, the thread sleeps and its
/// processor runs others elsewhere, so that each wait costs two changes of threads. Tasks that it starts are not locked.
///
/// A task that ends locked ends the thread, with the destructors of its thread-specific data; another takes its place. A locked
/// thread counts for max_threads; when every machine is locked, one more is made beyond it. Where sticky tasks live on the
/// thread, the task moves to another one first, before this returns; if it is sticky itself, or has a class, they wait for it and
/// keep the thread after its end. Tasks of a GMP_CLASS_EXCLUSIVE class, which stay on one thread anyway, share it all the same.
///
/// @return  How often the task is locked now (at least 1), or a code.
/// @context task  @blocks the task, while it moves to another thread
/// @errors  GMP_EPERM: outside a task. GMP_ENOMEM. GMP_EAGAIN: sticky tasks live on the thread, and no other can be had.
///          GMP_EMISUSE: locked INT_MAX times. Nothing changed then.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_lock_thread() -> c_int {
    depth(thread_lock::lock())
}

/// Takes one gmp_lock_thread back.
///
/// @return  How often the task is still locked, or a code.
/// @context task  @blocks never
/// @errors  GMP_EPERM: outside a task. GMP_EMISUSE: it is not locked; nothing changed.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_unlock_thread() -> c_int {
    depth(thread_lock::unlock())
}

fn depth(locks: Result<u32>) -> c_int {
    locks.map_or_else(|e| e.code(), |n| n as c_int)
}
