//! The one runtime's life: start, stop, and what a fork leaves.
//!
//! Owns: every change of the runtime's state, and what it does at a fork.
//!
//! Always true:
//!  - A `shutdown` that answers `Ok` found the threads of every runtime that was stopped before it ended, whoever ended them.
//!  - The runtime's threads exist in the process that started it only. A fork's child gives the record up as it is (its locks may
//!    be held by threads that are not there), gets a number of its own (`primitive/forks.rs`), and starts afresh at first use.
//!  - Nobody is in the middle of starting or stopping when a child is made, unless the child is made while the very first start
//!    is about to ask for that, or by other means than the C library's `fork`. A start there finds that the process is another one.
//!
//! Called by: threads that are no tasks, and the C library's `fork` on any thread. Blocks: `shutdown`; `start` while two threads
//! are made; a fork while somebody starts.

use super::{peek, GLOBAL, NEVER, REFUSING, RUNNING, STOPPED};
use crate::base::clock as task_clock;
use crate::base::error::{Error, Result};
use crate::primitive::{forks, tls, yield_thread, AtomicI32, Ordering::*};
use crate::runtime::{Config, Runtime};
use crate::sched::{attach, overflow, Shared};
use crate::source::poller;
use crate::sys::{clock, fault, futex, process, thread};
use crate::task::handle::EPOCHS;
use crate::time::{FOREVER, NOWAIT};

/// What the fork handlers know.
pub struct Forks {
    /// The process that has asked for them; negated while it is about to. 0: nobody has.
    process: AtomicI32,
    /// The thread that holds `change` for a fork. (A child of the very first start may have the handlers twice.)
    thread: AtomicI32,
}

impl Forks {
    pub const fn new() -> Forks {
        Forks { process: AtomicI32::new(0), thread: AtomicI32::new(0) }
    }

    /// Asks for the handlers, once a process; finds out that this is a child which they have not told.
    fn watch(&self) {
        let me = process::id();
        loop {
            let seen = self.process.load(Acquire);
            if seen == me {
                return;
            }
            if seen == -me {
                yield_thread();
                continue;
            }
            if self.process.compare_exchange(seen, -me, AcqRel, Relaxed).is_err() {
                continue;
            }
            if seen != 0 {
                begin_afresh();
            }
            if seen <= 0 {
                process::at_fork(fork_prepare, fork_parent, fork_child);
            }
            self.process.store(me, Release);
            return;
        }
    }
}

/// Starts the runtime. `Busy` when it runs already.
pub fn start(config: &Config) -> Result<()> {
    GLOBAL.forks.watch();
    let mut running = GLOBAL.change.lock();
    if running.is_some() {
        return Err(Error::Busy);
    }
    let epoch = (GLOBAL.starts.load(Relaxed) % EPOCHS as u32) as u8;
    let runtime = Runtime::start(config, &GLOBAL.keys, epoch)?;
    if config.overflow_handler {
        fault::install(overflow::report)?;
    }
    let settings = &runtime.shared().settings;
    if settings.seeded {
        task_clock::begin(settings.virtual_time);
    }
    GLOBAL.starts.fetch_add(1, Relaxed);
    GLOBAL.forked.fetch_and(!(1 << epoch), Relaxed);
    GLOBAL.shared.store(runtime.shared() as *const Shared as *mut Shared, SeqCst);
    *running = Some(runtime);
    GLOBAL.state.store(RUNNING, Release);
    attach::when_nobody_is_up(nobody_is_up);
    Ok(())
}

/// Every attached thread waits.
fn nobody_is_up() {
    if let Some(s) = peek() {
        s.came_to_rest();
    }
}

/// Refuses new tasks, waits until none is left, and ends every thread. `TimedOut` leaves it refusing; calling again goes
/// on waiting. `Deadlock` from a task and from a machine. Fine when nothing runs.
pub fn shutdown(deadline: i64) -> Result<()> {
    if !tls::get().is_null() {
        return Err(Error::Deadlock);
    }
    let deadline = task_clock::real(deadline);
    let starts = loop {
        if let Some(s) = peek() {
            // Counted, so it is still this one.
            let starts = GLOBAL.starts.load(Relaxed);
            s.refusing.store(true, SeqCst);
            GLOBAL.state.store(REFUSING, Release);
            s.wait_quiet(deadline)?;
            break starts;
        }
        let change = GLOBAL.change.lock();
        if GLOBAL.shared.load(Relaxed).is_null() {
            // Never started, or stopped already: from now on it is stopped.
            GLOBAL.state.store(STOPPED, Release);
            drop(change);
            return wait_ended(deadline);
        }
    };
    let mut running = GLOBAL.change.lock();
    // Somebody else may have stopped it meanwhile, and started another one.
    let same = GLOBAL.starts.load(Relaxed) == starts;
    let Some(runtime) = running.take_if(|_| same) else {
        drop(running);
        return wait_ended(deadline);
    };
    GLOBAL.shared.store(std::ptr::null_mut(), SeqCst);
    GLOBAL.state.store(STOPPED, SeqCst);
    GLOBAL.ending.fetch_add(1, Relaxed);
    // No task is left, so nobody who is counted waits for one: the calls under way end soon.
    while GLOBAL.users.load(SeqCst) != 0 {
        yield_thread();
    }
    // Under the lock: the next start has a clock of its own.
    task_clock::end();
    // Not under the lock: the machines' last hooks may wait for what a forking thread holds.
    drop(running);
    let told = runtime.shared().settings.overflow_handler;
    drop(runtime);
    if told {
        end_telling();
    }
    GLOBAL.ending.fetch_sub(1, Release);
    futex::wake(&GLOBAL.ending, i32::MAX);
    // Of another one that was stopped before this one was started.
    wait_ended(FOREVER)
}

/// Nobody tells of stack overflows any more, unless somebody has started another runtime meanwhile that does.
fn end_telling() {
    let running = GLOBAL.change.lock();
    if !running.as_ref().is_some_and(|runtime| runtime.shared().settings.overflow_handler) {
        fault::remove();
    }
}

/// Waits until the threads of all that was stopped have ended.
fn wait_ended(deadline: i64) -> Result<()> {
    loop {
        let ending = GLOBAL.ending.load(Acquire);
        if ending == 0 {
            return Ok(());
        }
        if deadline == NOWAIT {
            return Err(Error::Again);
        }
        if deadline <= clock::now() {
            return Err(Error::TimedOut);
        }
        futex::wait(&GLOBAL.ending, ending, (deadline != FOREVER).then_some(deadline));
    }
}

extern "C" fn fork_prepare() {
    let me = thread::current_tid();
    if GLOBAL.forks.thread.load(Relaxed) != me {
        std::mem::forget(GLOBAL.change.lock());
        GLOBAL.forks.thread.store(me, Relaxed);
    }
}

extern "C" fn fork_parent() {
    if GLOBAL.forks.thread.load(Relaxed) == thread::current_tid() {
        GLOBAL.forks.thread.store(0, Relaxed);
        // SAFETY: locked by `fork_prepare` on this thread.
        unsafe { GLOBAL.change.force_unlock() };
    }
}

extern "C" fn fork_child() {
    if GLOBAL.forks.thread.load(Relaxed) != 0 {
        begin_afresh();
        GLOBAL.forks.process.store(process::id(), Relaxed);
    }
}

/// In a child: what is left of the parent's is given up. The calling thread is the only one, or the first to start here.
fn begin_afresh() {
    forks::count_fork();
    poller::begin_afresh();
    task_clock::end();
    tls::set(std::ptr::null_mut());
    GLOBAL.forks.thread.store(0, Relaxed);
    // SAFETY: who holds it, if anybody, is this thread (`fork_prepare`) or not here.
    unsafe { GLOBAL.change.force_unlock() };
    // Nothing of it is touched.
    std::mem::forget(GLOBAL.change.lock().take());
    let starts = GLOBAL.starts.load(Relaxed);
    GLOBAL.forked.store(if starts < EPOCHS as u32 { (1 << starts) - 1 } else { u64::MAX }, Relaxed);
    GLOBAL.shared.store(std::ptr::null_mut(), Relaxed);
    GLOBAL.users.store(0, Relaxed);
    GLOBAL.ending.store(0, Relaxed);
    GLOBAL.state.store(NEVER, Release);
}
