//! The process's one runtime.
//!
//! Owns: the one static of the library: which runtime there is, whether it may be used, and who is using it. How it starts and
//! stops, and what a fork does, is in `global/life.rs`.
//!
//! | state | a call finds |
//! |---|---|
//! | Never | none: the call starts one with defaults |
//! | Running | the runtime |
//! | Refusing | the runtime, which refuses new tasks (a shutdown is waiting, or has timed out) |
//! | Stopped | `Stopped`, until `start` |
//!
//! Always true:
//!  - A task needs no count: the runtime stays while a task lives. Any other thread counts itself in `users` around
//!    each call, and the runtime is taken down only when nobody is counted.
//!  - In a fork's child the state is Never again, nobody is counted, and handles from before answer `Forked`.

mod life;

use crate::base::error::{Error, Result};
use crate::blocking;
use crate::context::member;
use crate::inspect::stats::{self, Stats};
use crate::inspect::{dump, leaks, recording};
use crate::local::ThreadLocals;
use crate::primitive::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering::*};
use crate::runtime::{Config, Runtime};
use crate::sched::spawn::Spawn;
use crate::sched::{enter, park, spawn, Inside, Shared};
use crate::sync::wait_group::WaitGroup;
use crate::sys::{cpu, output};
use crate::task::handle::Handle;
use crate::task::local::Keys;
use crate::task::{EndFn, TaskFn};
use std::ffi::{c_void, CStr};

pub use life::{shutdown, start};

const NEVER: u32 = 0;
const RUNNING: u32 = 1;
const REFUSING: u32 = 2;
const STOPPED: u32 = 3;

struct Global {
    state: AtomicU32,
    shared: AtomicPtr<Shared>,
    users: AtomicUsize,
    /// Starts so far.
    starts: AtomicU32,
    /// A bit for each epoch that ended in a fork.
    forked: AtomicU64,
    /// Starting and stopping, one at a time.
    change: Mutex<Option<Runtime>>,
    /// Runtimes that were stopped, and whose threads have yet to end.
    ending: AtomicU32,
    /// See `life.rs`.
    forks: life::Forks,
    keys: Keys,
    threads: ThreadLocals,
}

static GLOBAL: Global = Global {
    state: AtomicU32::new(NEVER),
    shared: AtomicPtr::new(std::ptr::null_mut()),
    users: AtomicUsize::new(0),
    starts: AtomicU32::new(0),
    forked: AtomicU64::new(0),
    change: Mutex::new(None),
    ending: AtomicU32::new(0),
    forks: life::Forks::new(),
    keys: Keys::new(),
    threads: ThreadLocals::new(),
};

/// The runtime, for a thread that is no task; it stays while this lives.
pub struct Use(&'static Shared);

impl std::fmt::Debug for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Use")
    }
}

impl std::ops::Deref for Use {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        self.0
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        GLOBAL.users.fetch_sub(1, Release);
    }
}

/// The runtime for a thread that is no task, started with defaults if there never was one.
pub fn get() -> Result<Use> {
    if GLOBAL.state.load(Acquire) == NEVER {
        match start(&Config::default()) {
            Ok(()) | Err(Error::Busy) => {}
            Err(e) => return Err(e),
        }
    }
    peek().ok_or(Error::Stopped)
}

/// The runtime for a thread that is no task, if there is one.
pub fn peek() -> Option<Use> {
    // SeqCst: of this count and the taking down in `shutdown`, one sees the other.
    GLOBAL.users.fetch_add(1, SeqCst);
    let shared = GLOBAL.shared.load(SeqCst);
    if shared.is_null() {
        GLOBAL.users.fetch_sub(1, Release);
        return None;
    }
    // SAFETY: counted before it was read, so it is not taken down before the count is given back.
    Some(Use(unsafe { &*shared }))
}

/// Calls `f` with the runtime: the task's own, or the process's.
pub fn with<R>(f: impl FnOnce(Option<Inside>, &Shared) -> Result<R>) -> Result<R> {
    match enter::enter() {
        Some(i) => {
            let result = f(Some(i), i.s());
            crate::join::exit_current();
            result
        }
        None => {
            let s = get()?;
            f(None, &s)
        }
    }
}

/// The same with a runtime that runs already; `Invalid` when none does.
pub fn with_running<R>(f: impl FnOnce(Option<Inside>, &Shared) -> Result<R>) -> Result<R> {
    match enter::enter() {
        Some(i) => {
            let result = f(Some(i), i.s());
            crate::join::exit_current();
            result
        }
        None => {
            let s = peek().ok_or(Error::Invalid)?;
            f(None, &s)
        }
    }
}

/// Blocks until no task is left. `Deadlock` from a task.
pub fn wait_idle(deadline: i64) -> Result<()> {
    if !enter::task_machine().is_null() {
        return Err(Error::Deadlock);
    }
    match peek() {
        Some(s) => s.wait_quiet(crate::base::clock::real(deadline)),
        None => Ok(()),
    }
}

/// Spawns a task from anywhere.
#[inline(always)]
pub fn spawn(what: impl FnOnce(&Shared, Option<Inside>) -> Result<Spawn>) -> Result<u64> {
    match enter::enter() {
        Some(i) => {
            let result = what(i.s(), Some(i)).and_then(|what| match park::me(i).extra.get().is_null() {
                true => spawn::spawn(i, &what),
                false => spawn_inheriting(i, what),
            });
            i.exit();
            result
        }
        None => {
            let s = get()?;
            let what = what(&s, None)?;
            spawn::spawn_foreign(&s, &what)
        }
    }
}

/// Spawns from a task that may have a context, which the new task is in too unless it was given another.
#[cold]
fn spawn_inheriting(i: Inside, mut what: Spawn) -> Result<u64> {
    // SAFETY: nobody else's yet.
    let given = unsafe { what.extra.as_ref() }.is_some_and(|extra| !extra.member.given.get().is_null());
    if let Some(context) = member::inherited(park::me(i)).filter(|_| !given) {
        member::give(i.s(), &mut what, context).inspect_err(|_| spawn::refuse(&what))?;
    }
    spawn::spawn(i, &what)
}

/// Joins a task from anywhere.
#[inline(always)]
pub fn join(handle: u64, deadline: i64) -> Result<*mut c_void> {
    if let Some(i) = enter::enter() {
        let result = crate::join::join_task(i, Handle::unpack(handle), deadline);
        crate::join::exit_current();
        return result.map_err(|e| stale(handle, e));
    }
    let s = peek().ok_or_else(|| stale(handle, Error::Invalid))?;
    crate::join::join_thread(&s, Handle::unpack(handle), deadline).map_err(|e| stale(handle, e))
}

/// Gives a handle up.
pub fn detach(handle: u64) -> Result<()> {
    if let Some(i) = enter::enter() {
        let result = crate::join::detach(i.s(), Some(i), Handle::unpack(handle));
        i.exit();
        return result.map_err(|e| stale(handle, e));
    }
    let s = peek().ok_or_else(|| stale(handle, Error::Invalid))?;
    crate::join::detach(&s, None, Handle::unpack(handle)).map_err(|e| stale(handle, e))
}

/// Looks at the runtime without entering it: the task's own, or the process's; None when there is none.
pub fn look<R>(f: impl FnOnce(&Shared) -> R) -> Option<R> {
    let m = enter::task_machine();
    if m.is_null() {
        return peek().map(|s| f(&s));
    }
    // SAFETY: a task's runtime stays while the task lives.
    Some(f(unsafe { &*((*m).shared as *const Shared) }))
}

/// The id of the task that a handle names; 0 for a stale one. Does not enter the runtime.
pub fn task_id(handle: u64) -> u64 {
    look(|s| crate::join::find(s, Handle::unpack(handle)).map_or(0, |t| t.id.get())).unwrap_or(0)
}

/// Changes a wait group's count from anywhere.
///
/// # Safety
/// `group` names a group, which lives until its count is zero.
#[inline(always)]
pub unsafe fn wg_change(group: *const WaitGroup, n: i64) -> Result<()> {
    // SAFETY: the caller's promise.
    let group = unsafe { &*group };
    group.change(n)
}

/// Spawns a detached task that counts in `group` from now to its end.
///
/// # Safety
/// `group` names a group, which lives until its count is zero.
#[inline(always)]
pub unsafe fn wg_go(group: *const WaitGroup, entry: TaskFn, arg: *mut c_void, site: usize) -> Result<()> {
    // SAFETY: the caller's promise. Counting up makes no count zero, so nobody is to be woken.
    let _none = unsafe { (*group).add(1) }?;
    let at_end = Some((wg_done as EndFn, group as *mut c_void));
    match spawn(|s, _| Ok(Spawn { at_end, ..Spawn::plain(s, entry, arg, site) })) {
        Ok(_) => Ok(()),
        Err(e) => {
            // SAFETY: as above.
            unsafe { wg_change(group, -1) }?;
            Err(e)
        }
    }
}

/// The end of a task that `wg_go` spawned.
unsafe fn wg_done(group: *mut c_void) {
    // SAFETY: called inside; the group lives, as the task counts in it. A count that somebody else has made too small
    // has been told to them.
    let _misuse = unsafe { (*(group as *const WaitGroup)).change_inside(Some(Inside::current()), -1) };
}

/// The numbers now; all zero when nothing runs. Does not enter the runtime.
pub fn stats() -> Stats {
    look(stats::stats).unwrap_or_default()
}

/// Every task, machine and processor, as text (`gmp_dump`). Does not enter the runtime, nor start one. `NoMemory`.
pub fn dump() -> Result<Vec<u8>> {
    look(dump::text).unwrap_or_else(|| copy(dump::NOT_RUNNING.as_bytes()))
}

/// The same, written to a descriptor. A task does that in a blocking section.
pub fn dump_to(fd: i32) -> Result<()> {
    write_out(fd, dump()?)
}

/// Tasks that have been parked for at least so many nanoseconds, grouped by spawn site and reason, as text
/// (`gmp_dump_leaks`). `Invalid` for less than 0; `NoMemory`.
pub fn leaks(older_than: i64) -> Result<Vec<u8>> {
    if older_than < 0 {
        return Err(Error::Invalid);
    }
    look(|s| leaks::text(s, older_than)).unwrap_or_else(|| copy(dump::NOT_RUNNING.as_bytes()))
}

/// The same, written to a descriptor as [`dump_to`] does.
pub fn leaks_to(fd: i32, older_than: i64) -> Result<()> {
    write_out(fd, leaks(older_than)?)
}

fn write_out(fd: i32, text: Vec<u8>) -> Result<()> {
    blocking::block(|| output::write_all(fd, &text)).map_err(Error::from)
}

fn copy(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| Error::NoMemory)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Begins a trace into a new file (`gmp_trace_start`), of the task's own runtime or the process's, which is started if there never was
/// one. `Busy` when one is under way, `Stopped`, what opening the file fails with.
pub fn trace_start(path: &CStr) -> Result<()> {
    blocking::block(|| match enter::task_machine().is_null() {
        true => recording::begin(&*get()?, path),
        false => look(|s| recording::begin(s, path)).unwrap_or(Err(Error::Stopped)),
    })
}

/// Ends it, and tells what went wrong with its file. `Misuse` when none is under way.
pub fn trace_stop() -> Result<()> {
    blocking::block(|| look(recording::stop).unwrap_or(Err(Error::Misuse)))
}

/// What a seed has drawn so far, as one number: equal for equal orders of task switches. 0 without a seed. Does not enter the
/// runtime.
pub fn trace_hash() -> u64 {
    look(|s| if s.settings.seeded { s.seeded.trace() } else { 0 }).unwrap_or(0)
}

/// A stale handle of a runtime that a fork left behind says so.
pub fn stale(handle: u64, e: Error) -> Error {
    let epoch = Handle::unpack(handle).epoch;
    if e == Error::Invalid && handle != 0 && GLOBAL.forked.load(Relaxed) & 1 << epoch != 0 {
        return Error::Forked;
    }
    e
}

/// The number of processors; sets it when `n` > 0. Gives the previous one; after a stop, what a start would give.
pub fn max_procs(n: i32) -> Result<i32> {
    let change = |s: &Shared| {
        if n <= 0 {
            return s.procs_wanted() as i32;
        }
        // Set by hand, even to the present value: not followed any more (§13.5).
        s.procs_fixed.store(true, Relaxed);
        s.set_procs(n)
    };
    let m = enter::task_machine();
    if m.is_null() {
        return match get() {
            Ok(s) => Ok(change(&s)),
            Err(Error::Stopped) if n <= 0 => Ok(max_procs_default()),
            Err(e) => Err(e),
        };
    }
    // Outside: the caller's own processor may be one of those removed.
    // SAFETY: a task's runtime stays while the task lives.
    Ok(change(unsafe { &*((*m).shared as *const Shared) }))
}

/// What 0 would give now for the number of processors (§13).
pub fn max_procs_default() -> i32 {
    crate::runtime::named_procs().unwrap_or_else(cpu::default_procs)
}

/// The cap on threads; gives the previous one. Below what is in use it takes effect as threads end.
pub fn set_max_threads(n: i32) -> Result<i32> {
    if n < 1 {
        return Err(Error::Invalid);
    }
    with(|_, s| {
        let mut locked = s.lock.lock();
        let before = std::mem::replace(&mut locked.max_threads, n);
        drop(locked);
        // Work may have waited for this.
        s.monitor.attend();
        Ok(before)
    })
}

/// Live tasks; 0 when nothing runs.
pub fn num_tasks() -> i64 {
    look(Shared::tasks).unwrap_or(0)
}

/// The process's keys of task-local values.
pub fn keys() -> &'static Keys {
    &GLOBAL.keys
}

/// Sets the calling task's or thread's value.
pub fn local_set(key: u32, value: *mut c_void) -> Result<()> {
    crate::local::set(&GLOBAL.keys, &GLOBAL.threads, key, value)
}

/// The calling task's or thread's value.
#[inline]
pub fn local_get(key: u32) -> *mut c_void {
    crate::local::get(&GLOBAL.threads, key)
}
