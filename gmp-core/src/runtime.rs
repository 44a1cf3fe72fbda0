//! A runtime: settings checked, machines started, and everything taken down again.
//!
//! Owns: the life of one `Shared`. A value: only `global.rs` makes one of them the process's own.

use crate::base::error::{Error, Result};
use crate::inspect::recording;
use crate::processor::runq;
use crate::sched::deadlock::SETTLE;
use crate::sched::monitor::monitor_thread;
use crate::sched::{Settings, Shared, MAX_PROCS};
use crate::stack::Class;
use crate::sys::{cpu, output, thread};
use crate::task::local::Keys;
use std::ffi::c_void;

/// What a program may choose. Zeros mean the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// 0: `GMP_MAXPROCS`, else the CPUs allowed by affinity and cgroup quota (§13), followed while running.
    pub max_procs: i32,
    /// 0: 10,000. At the cap work queues.
    pub max_threads: i32,
    /// Bytes of stack a task may use; 0: the default class.
    pub stack_size: usize,
    /// 0: normal. Else one processor and seeded choices.
    pub sched_seed: u64,
    /// Say which task has run past its stack, before the host's own handlers of SIGSEGV have their turn.
    pub overflow_handler: bool,
    /// Only with a seed: time goes on when every task is parked, by as much as is needed.
    pub virtual_time: bool,
    /// A deadlock aborts the process with its report, instead of being told of only.
    pub deadlock_abort: bool,
}

/// The monitor runs no foreign code.
const MONITOR_STACKS: thread::Stacks = thread::Stacks { size: 128 << 10, alternate: 0 };

const MAX_THREADS: i32 = 10_000;
const IDLE_THREAD_MS: i64 = 30_000;

impl Config {
    /// Checks and fills in. `epoch` numbers the start.
    fn settings(&self, keys: &'static Keys, epoch: u8) -> Result<Settings> {
        if self.max_procs < 0 || self.max_threads < 0 || self.virtual_time && self.sched_seed == 0 {
            return Err(Error::Invalid);
        }
        let stack_class = Class::for_size(self.stack_size).ok_or(Error::Invalid)?;
        check_poller()?;
        let named = named_procs();
        let chosen = if self.sched_seed != 0 { Some(1) } else { Some(self.max_procs).filter(|&n| n > 0).or(named) };
        Ok(Settings {
            max_procs: chosen.unwrap_or_else(cpu::default_procs).clamp(1, MAX_PROCS as i32),
            follow_procs: chosen.is_none(),
            max_threads: if self.max_threads == 0 { MAX_THREADS } else { self.max_threads },
            stack_class,
            exact_stack: self.stack_size != 0,
            seed: if self.sched_seed != 0 { self.sched_seed } else { crate::sys::clock::now() as u64 },
            idle_thread: idle_thread(),
            overflow_handler: self.overflow_handler,
            seeded: self.sched_seed != 0,
            virtual_time: self.virtual_time,
            deadlock_abort: self.deadlock_abort,
            deadlock_ns: deadlock_ns(),
            on_deadlock: crate::inspect::deadlock::report,
            keys,
            epoch,
        })
    }
}

/// What `GMP_MAXPROCS` asks for, if it is a number (§13.3).
pub fn named_procs() -> Option<i32> {
    std::env::var("GMP_MAXPROCS").ok().and_then(|text| cpu::parse_maxprocs(&text))
}

/// `GMP_POLLER` may name the one poller there is. One that was measured and not kept is refused in words, and so is what is not known.
fn check_poller() -> Result<()> {
    let Some(name) = std::env::var_os("GMP_POLLER") else { return Ok(()) };
    let (why, error): (&[u8], Error) = match name.as_encoded_bytes() {
        b"" | b"epoll" => return Ok(()),
        b"io_uring" => (b"gmp: GMP_POLLER=io_uring: not in this build, which has epoll only\n", Error::NotSupported),
        _ => (b"gmp: GMP_POLLER: only epoll is known\n", Error::Invalid),
    };
    // Who has no standard error has the code.
    let _told = output::write_all(2, why);
    Err(error)
}

/// For tests: `GMP_TEST_DEADLOCK_NS` says for how long a state must last before it is called a deadlock.
fn deadlock_ns() -> i64 {
    let named = std::env::var("GMP_TEST_DEADLOCK_NS").ok().and_then(|text| text.parse::<u32>().ok());
    named.map_or(SETTLE, i64::from)
}

/// What `GMP_IDLE_THREAD_MS` asks for, if it is a number: how long a surplus machine sleeps before it ends, in nanoseconds.
fn idle_thread() -> i64 {
    let named = std::env::var("GMP_IDLE_THREAD_MS").ok().and_then(|text| text.parse::<u32>().ok());
    named.map_or(IDLE_THREAD_MS, i64::from) * 1_000_000
}

/// See the module.
#[derive(Debug)]
pub struct Runtime {
    shared: *mut Shared,
}

// SAFETY: `Shared` is made for all threads.
unsafe impl Send for Runtime {}

impl Runtime {
    /// Starts one machine (asleep) and the monitor. `Again` when the system gives no thread, `NoMemory`.
    pub fn start(config: &Config, keys: &'static Keys, epoch: u8) -> Result<Runtime> {
        let settings = config.settings(keys, epoch)?;
        thread::cxx_probe();
        runq::prepare();
        let runtime = Runtime { shared: Box::into_raw(Shared::new(settings)) };
        let s = runtime.shared();
        s.make_procs();
        s.make_machine(s.lock.lock(), None, false)?;
        let arg = runtime.shared as *mut c_void;
        let monitor = thread::spawn(c"gmp-monitor", MONITOR_STACKS, s.mask, monitor_thread, arg)?;
        let mut locked = s.lock.lock();
        locked.threads.try_reserve(1).map_err(|_| Error::NoMemory)?;
        locked.threads.push((0, monitor));
        drop(locked);
        Ok(runtime)
    }

    /// What the machines see.
    pub fn shared<'a>(&self) -> &'a Shared {
        // SAFETY: freed in `drop` only; the holders of the reference are gone by then (`global.rs`).
        unsafe { &*self.shared }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shared().stop_machines();
        // Whoever began a trace has been told that this stops it.
        let _stopped = recording::stop(self.shared());
        // SAFETY: the machines have ended.
        unsafe { self.shared().end_timers() };
        // SAFETY: made by `start`; no machine, no task and no caller is left.
        drop(unsafe { Box::from_raw(self.shared) });
    }
}
