//! The C ABI of the runtime, as far as this package calls it. `gmprt.h` is the truth; shim/class.c, which includes
//! it, asserts the sizes used here.
//!
//! Owns: nothing. Blocks: `gmp_wg_wait`, `gmp_yield`, `gmp_checkpoint`, `gmp_sleep` and what takes a deadline park a task
//! or block a thread.

use std::ffi::{c_char, c_int, c_void, CStr};

pub const EAGAIN: c_int = -11;
pub const ENOMEM: c_int = -12;
pub const EBUSY: c_int = -16;
pub const EINVAL: c_int = -22;
pub const ETIMEDOUT: c_int = -110;
pub const ECANCELED: c_int = -125;
/// Codes below this one are the runtime's own, the others are negated errno values.
pub const OWN_CODES: c_int = -4096;
pub const ESTOPPED: c_int = -4098;
pub const EMISUSE: c_int = -4100;

pub const FOREVER: i64 = i64::MAX;
pub const NOWAIT: i64 = 0;

/// The interface this package was written against: major << 16 | minor.
pub const ABI_VERSION: u32 = 1;

/// `gmp_wg_t`: all-zero is a counter at zero that nobody waits for.
#[repr(C)]
#[derive(Default)]
pub struct WaitGroup {
    opaque: [u64; 2],
}

/// `gmp_stats_t`, in the header's order.
#[repr(C)]
#[derive(Default)]
pub struct Stats {
    pub struct_size: usize,
    pub counters: [u64; 13],
    pub levels: [i64; 6],
    pub threads: [i32; 6],
    pub stack_bytes: [u64; 2],
}

impl Stats {
    /// Every number under the name it has in the header.
    pub fn named(&self) -> Vec<(&'static CStr, i128)> {
        let counters = COUNTERS.into_iter().zip(self.counters.map(i128::from));
        let levels = LEVELS.into_iter().zip(self.levels.map(i128::from));
        let threads = THREADS.into_iter().zip(self.threads.map(i128::from));
        let stack_bytes = STACK_BYTES.into_iter().zip(self.stack_bytes.map(i128::from));
        counters.chain(levels).chain(threads).chain(stack_bytes).collect()
    }
}

const COUNTERS: [&CStr; 13] = [
    c"tasks_created",
    c"tasks_ended",
    c"switches",
    c"steals",
    c"parks",
    c"wakes",
    c"handoffs",
    c"retakes_blocked",
    c"retakes_running",
    c"polls",
    c"timers_fired",
    c"thread_limit_hits",
    c"deadlocks",
];
const LEVELS: [&CStr; 6] =
    [c"tasks_runnable", c"tasks_running", c"tasks_blocked", c"tasks_parked", c"timers_pending", c"poll_waiters"];
const THREADS: [&CStr; 6] =
    [c"procs", c"procs_idle", c"threads", c"threads_idle", c"threads_searching", c"threads_peak"];
const STACK_BYTES: [&CStr; 2] = [c"stack_bytes_reserved", c"stack_bytes_resident"];

pub type TaskFn = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;
pub type DeferFn = unsafe extern "C" fn(*mut c_void);

extern "C" {
    pub fn gmp_now() -> i64;
    pub fn gmp_after_ns(ns: i64) -> i64;
    pub fn gmp_abi_version() -> u32;
    pub fn gmp_version_string() -> *const c_char;
    pub fn gmp_strerror(code: c_int) -> *const c_char;
    pub fn gmp_dump(fd: c_int) -> c_int;
    pub fn gmp_trace_start(path: *const c_char) -> c_int;
    pub fn gmp_trace_stop() -> c_int;
    pub fn gmp_max_procs(n: c_int) -> c_int;
    pub fn gmp_num_tasks() -> i64;
    pub fn gmp_stats(stats: *mut Stats, struct_size: usize) -> c_int;
    pub fn gmp_task_cancel(task: *mut c_void) -> c_int;
    pub fn gmp_task_free(task: *mut c_void) -> c_int;
    pub fn gmp_blocking_enter() -> c_int;
    pub fn gmp_blocking_exit() -> c_int;
    pub fn gmp_yield();
    pub fn gmp_checkpoint() -> c_int;
    pub fn gmp_sleep(ns: i64) -> c_int;
    pub fn gmp_defer(f: DeferFn, arg: *mut c_void) -> c_int;
    pub fn gmp_wg_add(wg: *mut WaitGroup, n: i64) -> c_int;
    pub fn gmp_wg_done(wg: *mut WaitGroup) -> c_int;
    pub fn gmp_wg_wait(wg: *mut WaitGroup, deadline: i64) -> c_int;
    pub fn gmp_recv(fd: c_int, buf: *mut c_void, n: usize, flags: c_int, deadline: i64) -> isize;
    pub fn gmp_send(fd: c_int, buf: *const c_void, n: usize, flags: c_int, deadline: i64) -> isize;
    pub fn gmp_sendfile(out: c_int, from: c_int, offset: *mut libc::off_t, n: usize, deadline: i64) -> isize;
    pub fn gmp_accept(fd: c_int, addr: *mut libc::sockaddr, len: *mut libc::socklen_t, deadline: i64) -> c_int;
    pub fn gmp_poll_fd(fd: c_int, events: c_int, deadline: i64) -> c_int;
    pub fn gmp_fd_set_deadline(fd: c_int, events: c_int, deadline: i64) -> c_int;
    pub fn gmp_close_fd(fd: c_int) -> c_int;
    pub fn gmp_dial(network: *const c_char, address: *const c_char, deadline: i64) -> c_int;
    pub fn gmp_listen(network: *const c_char, address: *const c_char) -> c_int;
}
