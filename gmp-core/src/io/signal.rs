//! Signals as values of channels.
//!
//! Owns: which channel wants which signal, and the one thread that hands signals on.
//!
//! The kernel calls a handler, which counts and wakes that thread (`sys/linux/signal.rs`); the thread puts the number into every channel that
//! wants it, as often as the signal came, and what finds no room is dropped. The thread is there while a channel is. It is no machine: a runtime
//! may stop and another start meanwhile. It does not block the signals that are wanted, so that they come even if the host's threads all do.
//!
//! Always true:
//!  - W1. A signal has our handler as long as a channel wants it. The channel leaves the list when its last reference is about to go
//!        (`Chan::release`), before its memory may: so what is in the list is there.
//!  - W2. The list belongs to one process. In a fork's child there is neither the thread nor what the list says: it is begun afresh at the
//!        first use, whoever held the lock.
//!  - W3. The thread is counted as one that called in and is up: while a signal may come, nobody is deadlocked.
//!
//! Called by: any task or thread. Blocks: briefly on the list's lock.

use super::Result;
use crate::base::error::Error;
use crate::chan::{Chan, Channel};
use crate::primitive::{forks::count_fork, yield_thread, AtomicBool, AtomicI32, Mutex, MutexGuard, Ordering::*};
use crate::sched::attach;
use crate::sys::{errand, process, signal};
use std::ffi::c_void;
use std::ptr::null_mut;

/// Values that a channel keeps while nobody receives.
pub const ROOM: usize = 64;

struct Entry {
    signal: i32,
    chan: *const Chan,
}

// SAFETY: W1, and the list's lock.
unsafe impl Send for Entry {}

struct List {
    entries: Vec<Entry>,
    has_thread: bool,
}

impl List {
    const fn new() -> List {
        List { entries: Vec::new(), has_thread: false }
    }

    fn wants(&self, signal: i32) -> bool {
        self.entries.iter().any(|entry| entry.signal == signal)
    }
}

struct Signals {
    /// Somebody has asked for the fork handler.
    at_fork: AtomicBool,
    /// Whose list it is (W2); negated while it is made theirs.
    process: AtomicI32,
    list: Mutex<List>,
}

static SIGNALS: Signals =
    Signals { at_fork: AtomicBool::new(false), process: AtomicI32::new(0), list: Mutex::new(List::new()) };

/// The list, made this process's if it was not.
fn list() -> MutexGuard<'static, List> {
    let me = process::id();
    loop {
        let seen = SIGNALS.process.load(Acquire);
        if seen == me {
            return SIGNALS.list.lock();
        }
        if seen == -me {
            yield_thread();
        } else if SIGNALS.process.compare_exchange(seen, -me, AcqRel, Relaxed).is_ok() {
            // SAFETY: W2: whoever held it is not here, and those of this process wait for the number above.
            unsafe { SIGNALS.list.force_unlock() };
            std::mem::forget(std::mem::replace(&mut *SIGNALS.list.lock(), List::new()));
            signal::begin_afresh();
            SIGNALS.process.store(me, Release);
        }
    }
}

/// A channel of `i32` that gets the number of the signal each time that it comes. `Invalid`: no such signal, or one that cannot be caught or is a
/// fault's.
pub fn channel(number: i32) -> Result<Channel> {
    if !signal::is_catchable(number) {
        return Err(Error::Invalid);
    }
    if !SIGNALS.at_fork.swap(true, Relaxed) {
        // A child's channels are told from its parent's also where no runtime was started.
        process::at_fork(nothing, nothing, forked);
    }
    let made = Chan::for_signals(ROOM)?;
    // SAFETY: the reference just made.
    let chan = unsafe { Channel::from_raw(made) };
    {
        let mut list = list();
        list.entries.try_reserve(1).map_err(|_| Error::NoMemory)?;
        if !list.has_thread {
            errand::start(hand_on, null_mut())?;
            list.has_thread = true;
        }
        if !list.wants(number) {
            // Of before: nobody's.
            let _stale = signal::take(number);
        }
        // Without it the thread finds nothing to do, and ends.
        signal::catch(number).inspect_err(|_| signal::ring())?;
        list.entries.push(Entry { signal: number, chan: chan.as_ptr() });
    }
    signal::ring();
    Ok(chan)
}

/// The channel is about to go (W1). Nothing the second time.
pub fn forget(chan: *const Chan) {
    if SIGNALS.process.load(Acquire) != process::id() {
        return;
    }
    {
        let mut list = SIGNALS.list.lock();
        let Some(at) = list.entries.iter().position(|entry| std::ptr::eq(entry.chan, chan)) else { return };
        let gone = list.entries.swap_remove(at);
        if !list.wants(gone.signal) {
            signal::release(gone.signal);
        }
    }
    signal::ring();
}

extern "C" fn nothing() {}

extern "C" fn forked() {
    count_fork();
}

/// The thread.
extern "C" fn hand_on(_: *mut c_void) -> *mut c_void {
    errand::name(c"gmp-signals");
    attach::note();
    loop {
        let bell = signal::bell();
        {
            let mut list = SIGNALS.list.lock();
            if list.entries.is_empty() {
                list.has_thread = false;
                return null_mut();
            }
            let wanted = list.entries.iter().fold(0, |set, entry| set | 1 << (entry.signal - 1));
            signal::accept_only(wanted);
            for number in (1..signal::MOST as i32).filter(|number| wanted & 1 << (number - 1) != 0) {
                let times = signal::take(number).min(ROOM as u32);
                for entry in list.entries.iter().filter(|entry| entry.signal == number) {
                    // SAFETY: W1.
                    (0..times).for_each(|_| unsafe { (*entry.chan).put_signal(number) });
                }
            }
        }
        signal::wait(bell);
    }
}
