//! Spawning: a record is filled in and queued.
//!
//! Owns: the order of a spawn and what is taken for it: a record, a credit for a stack, an id.
//! Always true: on failure nothing is taken; on success the task will run, whatever happens to memory.
//! Called by: tasks (inside, from their processor's caches) and foreign threads (from caches under a lock).
//! Blocks: nothing; now and then a leaf lock, and once in a while a system call for more memory.

use super::{ready, record, stacks, Inside, Shared};
use crate::base::counters::Counters;
use crate::base::error::{Error, Result};
use crate::primitive::{fence, sanitizer, Ordering::*};
use crate::processor::runq::Entry;
use crate::stack::{self, Class};
use crate::task::extra::Extra;
use crate::task::handle::Handle;
use crate::task::slab::Cache;
use crate::task::state::Status;
use crate::task::{EndFn, Kind, Reason, Task, TaskFn};
use std::ffi::c_void;
use std::ptr::null_mut;

/// Ids that a processor takes at a time (§1.9).
const IDS: u64 = 16;

/// What to spawn.
pub struct Spawn {
    pub entry: TaskFn,
    pub arg: *mut c_void,
    /// An address in the spawner's code, 0 when unknown.
    pub site: usize,
    pub stack: Class,
    pub flags: u8,
    /// Owned: the task's, or freed here on failure.
    pub extra: *mut Extra,
    /// Nobody gets a handle.
    pub detached: bool,
    /// Called inside the runtime when the task ends.
    pub at_end: Option<(EndFn, *mut c_void)>,
}

impl Spawn {
    /// A plain detached task.
    #[inline(always)]
    pub fn plain(s: &Shared, entry: TaskFn, arg: *mut c_void, site: usize) -> Spawn {
        Spawn {
            entry,
            arg,
            site,
            stack: s.settings.stack_class,
            flags: if s.settings.exact_stack { crate::task::FLAG_EXACT_STACK } else { 0 },
            extra: null_mut(),
            detached: true,
            at_end: None,
        }
    }
}

/// The caches of all foreign threads together.
#[derive(Default)]
pub struct Foreign {
    pub tasks: Cache,
    pub stacks: stack::Cache,
    pub counters: Counters,
    ids: (u64, u64),
}

/// Spawns from a task. The handle, packed, names it (and is stale at once if it is detached). Packed here, in registers: as
/// a struct it went through memory in pieces of another size, a store-forwarding stall of 5 ns.
#[inline(always)]
pub fn spawn(i: Inside, what: &Spawn) -> Result<u64> {
    // The spawner is a task itself: the runtime does not end under the new one.
    if i.s().refusing.load(Relaxed) {
        return Err(refused(what, Error::Stopped));
    }
    make(i, what)
}

/// Spawns from what a machine does between tasks (timers): nobody else may be counted as a task then.
pub fn spawn_fired(i: Inside, what: &Spawn) -> Result<u64> {
    let counters = &i.p().counters;
    // Counts as a task for as long as this lasts, from before the look: see `Shared::wait_quiet`.
    counters.spawns_begun.inc();
    fence(SeqCst);
    let result = if i.s().refusing.load(Relaxed) { Err(refused(what, Error::Stopped)) } else { make(i, what) };
    counters.spawns_over.inc();
    result
}

#[inline(always)]
fn make(i: Inside, what: &Spawn) -> Result<u64> {
    let (p, s) = (i.p(), i.s());
    if let Err(e) = stacks::promise(i, what.stack) {
        return Err(refused(what, e));
    }
    // SAFETY: the cache belongs to the processor, which is ours.
    let task = match unsafe { (*p.tasks.get()).take(&s.slab) } {
        Ok(task) => task,
        Err(e) => {
            stacks::unpromise(i, what.stack);
            return Err(refused(what, e));
        }
    };
    let (id, end) = p.ids.get();
    let id = if id == end { more_ids(i) } else { id };
    p.ids.set((id + 1, p.ids.get().1));
    // SAFETY: the record is free and ours.
    let t = unsafe { &*task };
    fill(t, what, id);
    let handle = Handle { index: t.index, generation: t.generation(), epoch: s.settings.epoch }.pack();
    p.counters.tasks_created.inc();
    record::created(i, t);
    if t.bonds() != 0 {
        t.status.publish_new(Status::NewGlobal);
        // SAFETY: filled in and ours to queue.
        unsafe { super::bound::route(s, Some(i), task) };
        return Ok(handle);
    }
    t.queue.store(p.index as u16, Relaxed);
    let ticket = t.status.publish_new(Status::NewPrivate);
    ready::push_next(i, Entry::new(task, ticket));
    ready::told(i);
    Ok(handle)
}

#[cold]
fn more_ids(i: Inside) -> u64 {
    let first = i.s().take_ids(IDS);
    i.p().ids.set((first, first + IDS));
    first
}

#[cold]
fn refused(what: &Spawn, e: Error) -> Error {
    refuse(what);
    e
}

/// Nothing will be spawned: gives back what was made for it.
pub fn refuse(what: &Spawn) {
    if !what.extra.is_null() {
        // SAFETY: ours, and not used by any task.
        unsafe { Extra::free(what.extra) };
    }
}

/// Spawns from a thread that is no task.
pub fn spawn_foreign(s: &Shared, what: &Spawn) -> Result<u64> {
    let mut foreign = s.foreign.lock();
    // Under the lock that the tasks are counted with: who refuses and then counts finds this one, or is seen here.
    if s.refusing.load(Relaxed) {
        return Err(refused(what, Error::Stopped));
    }
    let f = &mut *foreign;
    let task = match f
        .stacks
        .promise(&s.depot, what.stack)
        .and_then(|()| f.tasks.take(&s.slab).inspect_err(|_| f.stacks.unpromise(&s.depot, what.stack)))
    {
        Ok(task) => task,
        Err(e) => return Err(refused(what, e)),
    };
    if f.ids.0 == f.ids.1 {
        let first = s.take_ids(IDS);
        f.ids = (first, first + IDS);
    }
    // SAFETY: the record is free and ours.
    let t = unsafe { &*task };
    fill(t, what, f.ids.0);
    f.ids.0 += 1;
    f.counters.tasks_created.inc();
    record::created_outside(s, t);
    drop(foreign);
    let handle = Handle { index: t.index, generation: t.generation(), epoch: s.settings.epoch }.pack();
    t.status.publish_new(Status::NewGlobal);
    // SAFETY: filled in and ours to queue.
    unsafe { ready::inject(s, task) };
    Ok(handle)
}

#[inline(always)]
fn fill(t: &Task, what: &Spawn, id: u64) {
    t.entry.set(Some(what.entry));
    t.arg.set(what.arg);
    t.id.set(id);
    t.extra.set(what.extra);
    t.join.reset(what.detached);
    t.site.set(what.site);
    t.host.set(0);
    t.reason.set(Reason::None);
    t.kind.set(Kind::Task);
    t.stack_class.set(what.stack);
    t.flags.set(what.flags);
    match what.at_end {
        None => t.end_arg.set(null_mut()),
        Some((f, arg)) => {
            t.frame.set(f as usize);
            t.end_arg.set(arg);
        }
    }
    sanitizer::released(&t.sp);
    debug_assert!(t.sp.get() == 0 && t.stack.get() == 0);
    // SAFETY: the task's own box.
    if let Some(hooks) = unsafe { what.extra.as_ref() }.and_then(|extra| extra.member.hooks.get()) {
        // SAFETY: the record is filled in, and nobody else sees it yet.
        unsafe { (hooks.enter)(&(*what.extra).member, t) };
    }
}

/// Recycles the record of a task that has ended and was joined or given up. From a task.
///
/// # Safety
/// The join cell said so to the caller, and to nobody else.
#[inline(always)]
pub unsafe fn recycle(i: Inside, task: *mut Task) {
    // SAFETY: the caller's promise; the cache belongs to the processor, which is ours.
    unsafe { (*i.p().tasks.get()).give(&i.s().slab, task) };
}

/// The same from a thread that is no task.
///
/// # Safety
/// As for [`recycle`].
pub unsafe fn recycle_foreign(s: &Shared, task: *mut Task) {
    // SAFETY: the caller's promise.
    unsafe { s.foreign.lock().tasks.give(&s.slab, task) };
}

/// The destructors of an ending task's locals. Outside.
///
/// # Safety
/// `t` is the current task, or one that has died.
pub unsafe fn destroy_locals(s: &Shared, t: &Task) {
    let extra = t.extra.get();
    // SAFETY: the task's own box; a destructor may change it, so it is looked at anew each time.
    unsafe {
        if extra.is_null() || (*extra).locals.is_empty() {
            return;
        }
        s.settings.keys.destroy_all(|key| {
            let values = &mut (*extra).locals;
            values.get_mut(key).map(|v| std::mem::replace(v, null_mut()))
        });
    }
}
