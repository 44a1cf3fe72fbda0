//! The numbers.
//!
//! Owns: the C shape of `gmp_core::inspect::stats::Stats`. Blocks: nothing but a short lock.

use crate::boundary::{code, guarded, init};
use gmp_core::global;
use std::ffi::c_int;

/// Counters since the runtime's start, and levels now. The levels are exact when the runtime is at rest. Later versions
/// add members at the end.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct gmp_stats {
    /// The size of the struct as the caller knows it.
    pub struct_size: usize,
    /// Tasks started.
    pub tasks_created: u64,
    /// Tasks ended.
    pub tasks_ended: u64,
    /// Times that a machine went on with another task.
    pub switches: u64,
    /// Times that a processor took tasks from another's queue.
    pub steals: u64,
    /// Times that a task parked ...
    pub parks: u64,
    /// ... and was made ready again.
    pub wakes: u64,
    /// Processors handed on because their task was in gmp_blocking_enter ... gmp_blocking_exit.
    pub handoffs: u64,
    /// Processors taken from code that blocked unannounced.
    pub retakes_blocked: u64,
    /// Processors taken from code that ran too long.
    pub retakes_running: u64,
    /// Times that the kernel was asked for ready descriptors.
    pub polls: u64,
    /// Timers that fired.
    pub timers_fired: u64,
    /// Times that work had to queue because max_threads was reached, or the system gave no thread.
    pub thread_limit_hits: u64,
    /// Deadlocks reported.
    pub deadlocks: u64,
    /// Tasks that wait for a processor.
    pub tasks_runnable: i64,
    /// Tasks that run.
    pub tasks_running: i64,
    /// Tasks in a declared blocking section, and those whose processor was taken while they blocked in other code.
    pub tasks_blocked: i64,
    /// Tasks that wait for something.
    pub tasks_parked: i64,
    /// Timers set.
    pub timers_pending: i64,
    /// Tasks that wait for a descriptor.
    pub poll_waiters: i64,
    /// Processors.
    pub procs: i32,
    /// Processors with nothing to run.
    pub procs_idle: i32,
    /// Threads that run tasks.
    pub threads: i32,
    /// Threads that sleep.
    pub threads_idle: i32,
    /// Threads that look for work.
    pub threads_searching: i32,
    /// The most threads there were.
    pub threads_peak: i32,
    /// Address space reserved for stacks, in bytes.
    pub stack_bytes_reserved: u64,
    /// Memory that stacks take up, in bytes.
    pub stack_bytes_resident: u64,
}

/// See struct gmp_stats.
pub type gmp_stats_t = gmp_stats;

/// The numbers now; all zero when no runtime runs. Always called with sizeof(gmp_stats_t); what a newer header knows and
/// the library does not is zero.
///
/// @param stats        The struct to fill, struct_size included.
/// @param struct_size  Its size in bytes.
/// @return             GMP_OK or a code.
/// @context any thread or task  @blocks the thread, for a short lock
/// @errors  GMP_EINVAL: `stats` is NULL, or the size is smaller than in version 0.1 or greater than 4096.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_stats(stats: *mut gmp_stats_t, struct_size: usize) -> c_int {
    guarded(|| {
        // SAFETY: the caller's struct.
        let result = unsafe { init(stats, struct_size) };
        if result.is_ok() {
            // SAFETY: checked by `init`.
            unsafe { *stats = convert(struct_size) };
        }
        code(result)
    })
}

/// What a sched_seed has drawn so far, as one number: a hash over which task was chosen to run, and which made a call and
/// yielded at it, in their order. Two runs with equal hashes had the same order of task switches. To be compared when the
/// tasks are at rest.
///
/// @return  The hash; 0 when no runtime runs, or one without a seed.
/// @context any thread or task  @blocks never  @errors none  @since 0.1
#[no_mangle]
pub extern "C" fn gmp_trace_hash() -> u64 {
    global::trace_hash()
}

fn convert(struct_size: usize) -> gmp_stats {
    let now = global::stats();
    gmp_stats {
        struct_size,
        tasks_created: now.tasks_created,
        tasks_ended: now.tasks_ended,
        switches: now.switches,
        steals: now.steals,
        parks: now.parks,
        wakes: now.wakes,
        handoffs: now.handoffs,
        retakes_blocked: now.retakes_blocked,
        retakes_running: now.retakes_running,
        polls: now.polls,
        timers_fired: now.timers_fired,
        thread_limit_hits: now.thread_limit_hits,
        deadlocks: now.deadlocks,
        tasks_runnable: now.tasks_runnable,
        tasks_running: now.tasks_running,
        tasks_blocked: now.tasks_blocked,
        tasks_parked: now.tasks_parked,
        timers_pending: now.timers_pending,
        poll_waiters: now.poll_waiters,
        procs: now.procs,
        procs_idle: now.procs_idle,
        threads: now.threads,
        threads_idle: now.threads_idle,
        threads_searching: now.threads_searching,
        threads_peak: now.threads_peak,
        stack_bytes_reserved: now.stack_bytes_reserved,
        stack_bytes_resident: now.stack_bytes_resident,
    }
}
