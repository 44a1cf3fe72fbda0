//! Things that come at their time to who may be running, blocked or waiting: a plain thread that takes the GIL then.
//!
//! Owns: the thread, made when it is first needed, and the list of what is due when.
//!
//! Always true:
//!  - K1. The list changes only with the GIL held, under the lock besides: who forgets an entry knows that its function
//!    neither runs nor will run. Nobody asks for the GIL, or runs Python code, with the lock held.
//!  - K2. The thread is no machine and no task: its functions may call into the runtime with the GIL held.
//!
//! Called with the GIL held, by target.rs, scope.rs and later.rs. Blocks nobody but its own thread.
//!
//! Tried and dropped: timers of the runtime, which run their function as a native task: one that holds the GIL may not
//! wake a task.

use crate::{abi, errors, shim};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is called at its time: with the GIL held, on the clock's thread.
pub type Due = unsafe fn(*mut c_void);

/// An entry's place: when, and a number that is never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    when: i64,
    number: u64,
}

impl Key {
    /// No entry's; all-zero.
    pub const NONE: Key = Key { when: 0, number: 0 };
}

struct Clock {
    list: Mutex<List>,
    changed: Condvar,
}

struct List {
    entries: BTreeMap<Key, (Due, usize)>,
    last: u64,
}

/// Null until needed, and again in the child of a fork, where the thread and whoever held the lock are gone.
static CLOCK: AtomicPtr<Clock> = AtomicPtr::new(ptr::null_mut());

const STACK: usize = 256 * 1024;
const LONGEST_NS: i64 = 3_600_000_000_000;

impl Clock {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until something is due; without the GIL.
    fn wait_for_due(&self) {
        let mut list = self.list();
        loop {
            // SAFETY: reads the clock.
            let now = unsafe { abi::gmp_now() };
            let left = list.entries.first_key_value().map_or(LONGEST_NS, |(key, _)| key.when.saturating_sub(now));
            if left <= 0 {
                return;
            }
            let time = Duration::from_nanos(left.min(LONGEST_NS) as u64);
            list = self.changed.wait_timeout(list, time).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes out one entry that is due; with the GIL.
    fn take_due(&self) -> Option<(Due, usize)> {
        let mut list = self.list();
        let first = list.entries.first_entry()?;
        // SAFETY: reads the clock.
        (first.key().when <= unsafe { abi::gmp_now() }).then(|| first.remove())
    }
}

fn run(clock: &'static Clock) {
    let mut state: *mut pyo3::ffi::PyThreadState = ptr::null_mut();
    loop {
        clock.wait_for_due();
        // SAFETY: a thread of its own, which keeps the state that it is given. When the interpreter is gone, neither
        // call returns.
        unsafe {
            match state.is_null() {
                true => shim::shim_thread_enter(),
                false => shim::shim_thread_attach(state),
            }
            while let Some((due, arg)) = clock.take_due() {
                due(arg as *mut c_void);
            }
            state = shim::shim_detach();
        }
    }
}

/// Starts the thread, with all signals left to the others.
fn start() -> Option<&'static Clock> {
    let list = Mutex::new(List { entries: BTreeMap::new(), last: 0 });
    let clock: &'static Clock = Box::leak(Box::new(Clock { list, changed: Condvar::new() }));
    // SAFETY: the sets are initialised by the calls; the mask is put back.
    let made = unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
        let made = std::thread::Builder::new().name("gmp-clock".into()).stack_size(STACK).spawn(move || run(clock));
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut());
        made
    };
    made.ok().map(|_| clock)
}

/// Has `due(arg)` called at the time `when` of gmp_now; None with an exception set when there is no thread for it.
///
/// # Safety
/// The GIL is held; the entry is forgotten before `arg` ends.
pub unsafe fn at(when: i64, due: Due, arg: *mut c_void) -> Option<Key> {
    // SAFETY: a clock is never freed.
    let clock = match unsafe { CLOCK.load(Ordering::Relaxed).as_ref() } {
        Some(clock) => clock,
        None => {
            let Some(clock) = start() else {
                // SAFETY: the GIL is held.
                unsafe { errors::GMP_ERROR.raise(c"there is no thread for the clock") };
                return None;
            };
            CLOCK.store(ptr::from_ref(clock).cast_mut(), Ordering::Relaxed);
            clock
        }
    };
    let mut list = clock.list();
    list.last += 1;
    let key = Key { when, number: list.last };
    list.entries.insert(key, (due, arg as usize));
    if list.entries.first_key_value().is_some_and(|(first, _)| *first == key) {
        clock.changed.notify_one();
    }
    Some(key)
}

/// Takes an entry out: true when it was there, false when it has been called or `key` is `NONE`.
///
/// # Safety
/// The GIL is held.
pub unsafe fn forget(key: Key) -> bool {
    if key == Key::NONE {
        return false;
    }
    // SAFETY: a clock is never freed.
    let clock = unsafe { CLOCK.load(Ordering::Relaxed).as_ref() };
    clock.is_some_and(|clock| clock.list().entries.remove(&key).is_some())
}

/// The child of a fork has no such thread.
pub fn after_fork() {
    CLOCK.store(ptr::null_mut(), Ordering::Relaxed);
}
