//! The runtime, one a process.
//!
//! Owns: the C shape of its configuration. Blocks: `gmp_run`, `gmp_wait_idle`, `gmp_shutdown`.

use crate::boundary::{code, guarded, init, input, number};
use crate::code::GMP_EINVAL;
use crate::task::{entry_of, gmp_fn_t};
use crate::time::gmp_time_t;
use gmp_core::runtime::Config;
use gmp_core::sched::spawn::Spawn;
use gmp_core::sys::cpu;
use gmp_core::time::FOREVER;
use gmp_core::{global, Error, Result};
use std::ffi::{c_int, c_void};

/// What a runtime is started with; fill it with gmp_config_init. There is one runtime a process. It starts by itself,
/// with defaults, at the first call that needs it; gmp_start starts it with settings of your own. After gmp_shutdown it
/// can be started again. In the child of a fork it starts afresh at first use.
#[repr(C)]
pub struct gmp_config {
    /// The size of the struct as the caller knows it.
    pub struct_size: usize,
    /// Processors: how many tasks run at the same time. 0: the environment's GMP_MAXPROCS, else the CPUs allowed by
    /// affinity and cgroup quota, followed while running.
    pub max_procs: i32,
    /// Most threads. 0: 10000. At the cap work queues; the process is never killed. A thread that is left over (more than
    /// one for each processor) ends after 30 s without work, or the milliseconds in the environment's GMP_IDLE_THREAD_MS.
    pub max_threads: i32,
    /// Bytes of stack that a task may use, rounded up to a size class. 0: 192 KiB.
    pub stack_size: usize,
    /// 0: normal. Else repeatable scheduling on one processor (max_procs is 1, and stays 1): which ready task runs next, and
    /// whether a task yields at a call of the runtime, before it or after it, is drawn from this seed. Equal seeds give a
    /// program equal orders of task switches, as gmp_trace_hash tells, as long as what its tasks do depends on nothing else:
    /// on no other thread (let gmp_run start the first task), on no real time, and on no call outside of the runtime that
    /// takes longer than 100 ms.
    pub sched_seed: u64,
    /// GMP_CONFIG_* flags.
    pub flags: u32,
}

/// See struct gmp_config.
pub type gmp_config_t = gmp_config;

/// Configuration flag: a task that runs past its stack is told of on standard error, with its name, the size of the stack and where it was
/// spawned. For that gmp_start installs a handler of SIGSEGV. It hands every fault on to the handler that was there before, untouched; one that the
/// host installs later has the first word. The runtime's threads get an alternate signal stack of 64 KiB. gmp_shutdown takes the handler away if no
/// other has been installed since; else it stays and only hands on. GMP_ENOTSUP where that cannot be done.
pub const GMP_CONFIG_OVERFLOW_HANDLER: u32 = 1u32;
/// Configuration flag: a deadlock aborts the process, with the report, instead of being reported only.
///
/// A deadlock is: tasks live, none of them can ever run again, nothing is pending that could make one ready (a deadline, a timer, a task
/// in foreign code), and every foreign thread that has called in and still lives is itself waiting in here without a deadline. Calls that only
/// look (clocks, statistics, names of codes, task ids) and task-local values do not count as calling in. It is reported once on standard error
/// ("all tasks are asleep", with the cycles over joins, mutexes and write locks, and the dump) and counted in gmp_stats_t.deadlocks, again when a task has run in between; gmp_run,
/// gmp_join, gmp_wait_idle and gmp_shutdown of foreign threads, without a deadline, answer GMP_EDEADLK. Tasks that wait for each other are left as
/// they are, and the runtime stays usable: somebody may come later and wake them. As long as the process has threads that have never called
/// in, the state must have lasted for 3 seconds, so that a thread which is only just starting is not overlooked; else for 10 milliseconds. What
/// a signal handler or a timer of the host would do cannot be seen.
pub const GMP_CONFIG_DEADLOCK_ABORT: u32 = 2u32;
/// Configuration flag, with a sched_seed only: time is virtual. gmp_now begins at 1000 s and stands still while a task could
/// run; when all are parked it jumps to the next deadline or timer of theirs, so a task sleeps an hour in no time. (A task
/// that waits in a loop for gmp_now to go on waits for ever.) A thread that is no task waits until its deadline in real time.
pub const GMP_CONFIG_VIRTUAL_TIME: u32 = 4u32;

/// Fills `cfg` with the defaults. Always called with sizeof(gmp_config_t), so that the library knows which members the
/// caller's header has.
///
/// @param cfg          The struct to fill.
/// @param struct_size  Its size in bytes.
/// @return             GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: `cfg` is NULL, or the size is smaller than in version 0.1 or greater than 4096.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_config_init(cfg: *mut gmp_config_t, struct_size: usize) -> c_int {
    // SAFETY: the caller's struct.
    code(unsafe { init(cfg, struct_size) })
}

unsafe fn config(cfg: *const gmp_config_t) -> Result<Config> {
    if cfg.is_null() {
        return Ok(Config::default());
    }
    // SAFETY: the caller's struct.
    let cfg = unsafe { input(cfg) }?;
    if cfg.flags & !(GMP_CONFIG_OVERFLOW_HANDLER | GMP_CONFIG_DEADLOCK_ABORT | GMP_CONFIG_VIRTUAL_TIME) != 0 {
        return Err(Error::Invalid);
    }
    Ok(Config {
        max_procs: cfg.max_procs,
        max_threads: cfg.max_threads,
        stack_size: cfg.stack_size,
        sched_seed: cfg.sched_seed,
        overflow_handler: cfg.flags & GMP_CONFIG_OVERFLOW_HANDLER != 0,
        virtual_time: cfg.flags & GMP_CONFIG_VIRTUAL_TIME != 0,
        deadlock_abort: cfg.flags & GMP_CONFIG_DEADLOCK_ABORT != 0,
    })
}

/// Starts the runtime. Calling it is optional.
///
/// @param cfg  The settings; NULL for the defaults.
/// @return     GMP_OK or a code.
/// @context any thread or task  @blocks the thread, shortly, while threads are created
/// @errors  GMP_EBUSY: it runs already (also while a shutdown is waiting). GMP_EINVAL: a setting is negative, a stack
///          size too large, a flag unknown, virtual time without a seed, or struct_size foolish. GMP_ENOTSUP: a flag of a later
///          version.
///          GMP_EAGAIN: the system gives no thread. GMP_ENOMEM. On failure nothing is left behind.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_start(cfg: *const gmp_config_t) -> c_int {
    // SAFETY: the caller's struct.
    guarded(|| code(unsafe { config(cfg) }.and_then(|config| global::start(&config))))
}

/// Runs fn(arg) as a task and returns when it has ended. Tasks that it started may still be going: gmp_wait_idle waits
/// for those. Called by a task it is gmp_spawn and gmp_join.
///
/// @param fn   What the task runs.
/// @param arg  Its argument.
/// @return     GMP_OK or a code.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EINVAL: `fn` is NULL. GMP_EPANIC: the task ended by an exception or gmp_exit. GMP_ENOMEM, GMP_ESTOPPED,
///          GMP_EAGAIN as gmp_go: nothing ran. GMP_EDEADLK: called by a foreign thread, and no task can ever go on (see
///          GMP_CONFIG_DEADLOCK_ABORT); the task is left alone.
/// @since   0.1
#[no_mangle]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), unsafe(naked))]
pub unsafe extern "C" fn gmp_run(r#fn: gmp_fn_t, arg: *mut c_void) -> c_int {
    sited!(run_from, r#fn, arg)
}

unsafe extern "C" fn run_from(f: gmp_fn_t, arg: *mut c_void, site: usize) -> c_int {
    let Some(entry) = entry_of(f) else { return GMP_EINVAL };
    let task = global::spawn(|s, _| Ok(Spawn { detached: false, ..Spawn::plain(s, entry, arg, site) }));
    let ended = task.and_then(|handle| {
        let ended = global::join(handle, FOREVER).map(drop);
        if ended == Err(Error::Deadlock) {
            // Nobody has its handle any more. Should it have ended by now, that is as well.
            let _detached = global::detach(handle);
        }
        ended
    });
    code(ended)
}

/// Waits until no task is left.
///
/// @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          GMP_OK (also when nothing was ever started) or a code.
/// @context foreign thread  @blocks the thread
/// @errors  GMP_EAGAIN: a task is left, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_EDEADLK: called
///          by a task, which would wait for itself; or GMP_FOREVER was given and no task can ever go on (see
///          GMP_CONFIG_DEADLOCK_ABORT).
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_wait_idle(deadline: gmp_time_t) -> c_int {
    guarded(|| code(global::wait_idle(deadline)))
}

/// Stops the runtime: refuses new tasks (GMP_ESTOPPED), waits until no task is left, then ends and joins every thread.
/// After that it can be started again by gmp_start, and by nothing else.
///
/// @param deadline  Until when to wait for tasks: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          GMP_OK (also when nothing runs) or a code.
/// @context foreign thread  @blocks the thread
/// @errors  GMP_EAGAIN or GMP_ETIMEDOUT: tasks are left. It stays refusing, and calling again goes on waiting.
///          GMP_EDEADLK: called by a task; nothing happened. Or GMP_FOREVER was given and no task can ever go on (see
///          GMP_CONFIG_DEADLOCK_ABORT): it stays refusing, as after GMP_ETIMEDOUT.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_shutdown(deadline: gmp_time_t) -> c_int {
    guarded(|| code(global::shutdown(deadline)))
}

/// The number of processors; sets it when `n` > 0, which also ends the following of the CPUs allowed. Takes effect while
/// tasks run, in both directions.
///
/// @param n  How many there shall be (at most 4096 are made; one with a sched_seed); 0 or less only asks.
/// @return   The number before the call, or a code.
/// @context any thread or task  @blocks the thread, shortly
/// @errors  GMP_ESTOPPED: `n` > 0 after gmp_shutdown. GMP_EAGAIN, GMP_ENOMEM: the runtime could not be started for it.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_max_procs(n: c_int) -> c_int {
    guarded(|| number(global::max_procs(n)))
}

/// The number of processors that 0 in the configuration would give now: GMP_MAXPROCS, else the CPUs allowed by affinity
/// and the cgroup quotas of every ancestor. (For tests: GMP_TEST_CGROUP=DIR and GMP_TEST_NCPU=N take the place of what
/// the system says.)
///
/// @return  At least 1.
/// @context any thread or task  @blocks the thread, while files of the system are read  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_max_procs_default() -> c_int {
    guarded(global::max_procs_default)
}

/// Sets the most threads there may be. Below what is in use it takes effect as threads end; at the cap work queues.
///
/// @param n  At least 1.
/// @return   The number before the call, or a code.
/// @context any thread or task  @blocks the thread, shortly
/// @errors  GMP_EINVAL: `n` < 1. GMP_ESTOPPED: after gmp_shutdown. GMP_EAGAIN, GMP_ENOMEM: the runtime could not be
///          started for it.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_set_max_threads(n: c_int) -> c_int {
    guarded(|| number(global::set_max_threads(n)))
}

/// The CPUs that the process may run on (by affinity).
///
/// @return  At least 1.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_num_cpu() -> c_int {
    guarded(cpu::num_cpu)
}

/// The number of live tasks: started, and not ended. Exact when nothing changes it meanwhile.
///
/// @return  0 or more; 0 when no runtime runs.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_num_tasks() -> i64 {
    global::num_tasks()
}
