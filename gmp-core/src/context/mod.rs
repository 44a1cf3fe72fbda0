//! Contexts (§26): a tree of scopes that end, with what belongs to them: tasks, other contexts, functions to call.
//!
//! Owns: the record of a context and its life. How one ends is in `end.rs`, its tasks are in `member.rs`, the functions in
//! `hook.rs`.
//!
//! Always true:
//!  - K1. `error` is set once, under the lock, after `done` was closed: who sees the error finds `done` closed. Who sees `done`
//!        closed asks for the error under the lock, so it finds it set.
//!  - K2. A context refers to its parent for its whole life; the parent's list of children does not count as a reference, and a
//!        child leaves it before its memory goes (under the parent's lock).
//!  - K3. A context that has not ended, below a parent that has not, is in the parent's list; so a context whose parent
//!        ended before is born ended.
//!  - K4. A pending deadline lies in a timer heap, which has no reference: who drops the last one takes it out, under the
//!        lock, or if it is just firing leaves the memory to `fire`.
//!  - K5. Locks: a parent's before its child's never together; a context's before a channel's and a heap's.
//!  - K6. In a fork's child a context of the parent's is a copy whose lock may be held by nobody: it has ended with `Forked`, keeps
//!        its values, and its memory stays.
//!
//! Called by: any task or thread. Blocks: nothing; the lock for a few steps.
//! Tried and dropped: a lock for the whole tree (each spawn into a context would take it).

mod end;
pub mod hook;
pub mod member;

use crate::base::alloc::try_box;
use crate::base::clock;
use crate::base::error::{Error, Result};
use crate::base::lock::Lock;
use crate::chan::{Chan, Channel};
use crate::primitive::{forks, AtomicBool, AtomicI32, AtomicPtr, AtomicUsize, Cell, Ordering::*};
use crate::sched::{timing, Inside, Shared};
use crate::source::timer::{Timed, Timers};
use crate::task::extra::Member;
use crate::time::FOREVER;
use hook::Hook;
use std::ffi::c_void;
use std::ptr::{null, null_mut, NonNull};

pub use end::Ended;

/// See the module.
#[repr(C)]
#[derive(Debug)]
pub struct Context {
    /// First: the heap finds the context by it.
    timed: Timed,
    refs: AtomicUsize,
    lock: Lock,
    /// 0, or the code it ended with.
    error: AtomicI32,
    /// The process that made it (`forks`).
    process: u32,
    cause: Cell<i32>,
    parent: *const Context,
    /// Not ended by its parent.
    detached: bool,
    /// The earliest on the way up.
    deadline: i64,
    key: *const c_void,
    value: *mut c_void,
    /// Made when it is asked for. A reference.
    done: AtomicPtr<Chan>,
    /// The heap that the deadline lies in; null: none.
    heap: Cell<*const Timers>,
    /// Under the lock: nobody refers to it, and the timer that is just firing shall free it (K4).
    abandoned: Cell<bool>,
    /// Links of the parent's list, under the parent's lock; `next` also belongs to who took it out of there to end it.
    next: Cell<*const Context>,
    prev: Cell<*const Context>,
    linked: Cell<bool>,
    children: Cell<*const Context>,
    members: Cell<*const Member>,
    hooks: Cell<*const Hook>,
    /// The next in the list of who has ended it.
    next_ended: Cell<*const Context>,
    /// It has ended with all that is below, and with the waits of its tasks: who else would end it need not wait.
    complete: AtomicBool,
}

// SAFETY: what is not atomic is under the lock, or under the parent's, or never changes.
unsafe impl Sync for Context {}
// SAFETY: as above.
unsafe impl Send for Context {}

/// A reference to a context.
#[derive(Debug)]
pub struct ContextRef(NonNull<Context>);

// SAFETY: a context is made for all threads.
unsafe impl Send for ContextRef {}
// SAFETY: as above.
unsafe impl Sync for ContextRef {}

/// What a new context shall be, beside a child of its parent.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub deadline: i64,
    pub detached: bool,
    pub key: *const c_void,
    pub value: *mut c_void,
}

impl Default for Kind {
    fn default() -> Kind {
        Kind { deadline: FOREVER, detached: false, key: null(), value: null_mut() }
    }
}

/// The deadline that comes from above.
fn inherited(parent: Option<&Context>, detached: bool) -> i64 {
    parent.filter(|_| !detached).map_or(FOREVER, |p| p.deadline)
}

impl Context {
    /// A new one, with one reference. If it [needs a timer](Context::needs_timer), start that before anybody else sees it.
    pub fn make(parent: Option<&Context>, kind: Kind) -> Result<ContextRef> {
        parent.map_or(Ok(()), Context::is_here)?;
        let deadline = kind.deadline.min(inherited(parent, kind.detached));
        let made = try_box(Context {
            timed: Timed::timer(end::fire),
            refs: AtomicUsize::new(1),
            lock: Lock::new(),
            error: AtomicI32::new(0),
            process: forks(),
            cause: Cell::new(0),
            parent: parent.map_or(null(), |p| p as *const Context),
            detached: kind.detached,
            deadline,
            key: kind.key,
            value: kind.value,
            done: AtomicPtr::new(null_mut()),
            heap: Cell::new(null()),
            abandoned: Cell::new(false),
            next: Cell::new(null()),
            prev: Cell::new(null()),
            linked: Cell::new(false),
            children: Cell::new(null()),
            members: Cell::new(null()),
            hooks: Cell::new(null()),
            next_ended: Cell::new(null()),
            complete: AtomicBool::new(false),
        })?;
        let made = ContextRef(NonNull::from(Box::leak(made)));
        let Some(parent) = parent else { return Ok(made) };
        parent.retain();
        if !kind.detached {
            parent.lock.lock();
            let error = parent.error.load(Relaxed);
            if error == 0 {
                parent.link(&made);
            } else {
                made.cause.set(parent.cause.get());
                made.error.store(error, Release);
                made.complete.store(true, Release);
            }
            parent.lock.unlock();
        }
        Ok(made)
    }

    /// `Forked`: K6.
    pub fn is_here(&self) -> Result<()> {
        if self.process == forks() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    /// True when it has a deadline of its own, before its parent's, and goes on.
    pub fn needs_timer(&self) -> bool {
        // SAFETY: K2.
        let parent = unsafe { self.parent.as_ref() };
        self.deadline < inherited(parent, self.detached) && self.error.load(Relaxed) == 0
    }

    /// Starts the timer of its deadline. `NoMemory`.
    pub fn start_timer(&self, i: Option<Inside>, s: &Shared) -> Result<()> {
        self.lock.lock();
        let started = match self.error.load(Relaxed) {
            // SAFETY: in no heap; taken out before its memory goes (K4). `fire` waits for the lock.
            0 => unsafe { timing::start(s, i, self.deadline, &self.timed) },
            _ => Ok(null()),
        };
        let result = started.map(|heap| self.heap.set(heap));
        self.lock.unlock();
        result
    }

    /// One more reference.
    pub fn retain(&self) {
        self.refs.fetch_add(1, Relaxed);
    }

    /// One more, unless it is being freed.
    fn try_retain(&self) -> bool {
        let mut refs = self.refs.load(Relaxed);
        while refs != 0 {
            match self.refs.compare_exchange_weak(refs, refs + 1, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => refs = now,
            }
        }
        false
    }

    /// Drops a reference, and with the last one those to the parents above that were the last of theirs.
    ///
    /// # Safety
    /// The reference is the caller's, and not used after.
    pub unsafe fn release(this: *const Context) {
        let mut at = this;
        // SAFETY: the caller's reference; then the freed context's own to its parent.
        unsafe {
            while let Some(c) = at.as_ref().filter(|c| c.is_here().is_ok()) {
                if c.refs.fetch_sub(1, AcqRel) != 1 {
                    return;
                }
                let parent = c.parent;
                if let Some(parent) = parent.as_ref() {
                    parent.lock.lock();
                    parent.unlink(c);
                    parent.lock.unlock();
                }
                c.lock.lock();
                let firing = c.heap.get().as_ref().is_some_and(|heap| !heap.remove(&c.timed));
                c.abandoned.set(firing);
                c.lock.unlock();
                if firing {
                    return;
                }
                Context::free(at);
                at = parent;
            }
        }
    }

    /// Gives the memory back, but not the reference to the parent.
    unsafe fn free(this: *const Context) {
        // SAFETY: made by `new`; nobody refers to it any more.
        unsafe {
            let c = Box::from_raw(this as *mut Context);
            if let Some(done) = NonNull::new(c.done.load(Acquire)) {
                drop(Channel::from_raw(done));
            }
            debug_assert!(c.members.get().is_null() && c.hooks.get().is_null() && c.children.get().is_null());
        }
    }

    /// Under the lock: `child` is in the list.
    fn link(&self, child: &Context) {
        let first = self.children.replace(child);
        child.next.set(first);
        child.prev.set(null());
        // SAFETY: K2: in the list, so it is there.
        if let Some(first) = unsafe { first.as_ref() } {
            first.prev.set(child);
        }
        child.linked.set(true);
    }

    /// Under the lock: it is not.
    fn unlink(&self, child: &Context) {
        if !child.linked.replace(false) {
            return;
        }
        let (next, prev) = (child.next.replace(null()), child.prev.replace(null()));
        // SAFETY: K2, as above.
        unsafe {
            match prev.as_ref() {
                Some(prev) => prev.next.set(next),
                None => self.children.set(next),
            }
            if let Some(next) = next.as_ref() {
                next.prev.set(prev);
            }
        }
    }

    /// 0 while it goes on, else the code it ended with: [`Error::Canceled`]'s, [`Error::TimedOut`]'s or [`Error::Forked`]'s.
    pub fn error(&self) -> i32 {
        if let Err(e) = self.is_here() {
            return e.code();
        }
        let error = self.error.load(Acquire);
        if error != 0 {
            return error;
        }
        // K1: whoever ends it right now is waited for.
        self.lock.lock();
        let error = self.error.load(Relaxed);
        self.lock.unlock();
        error
    }

    /// Why it ended: the cause that was given where the end began, else the error; 0 while it goes on.
    pub fn cause(&self) -> i32 {
        match self.error() {
            0 => 0,
            _ if self.is_here().is_err() => Error::Forked.code(),
            error => match self.cause.get() {
                0 => error,
                cause => cause,
            },
        }
    }

    /// The earliest deadline on the way up.
    pub fn deadline(&self) -> i64 {
        self.deadline
    }

    /// If the deadline has passed, although nobody may have ended it yet: the context above (or this one) whose own it is.
    pub fn overdue(&self) -> Option<&Context> {
        let over = self.deadline == FOREVER || self.error.load(Relaxed) != 0 || self.is_here().is_err();
        if over || self.deadline > clock::now() {
            return None;
        }
        let mut at = self;
        // SAFETY: K2: each refers to the next.
        while let Some(parent) = unsafe { at.parent.as_ref() }.filter(|p| !at.detached && p.deadline == self.deadline) {
            at = parent;
        }
        Some(at)
    }

    /// The value that the nearest context on the way up has for `key`; null: none has.
    pub fn value(&self, key: *const c_void) -> *mut c_void {
        let mut at = self as *const Context;
        // SAFETY: K2: each refers to the next.
        while let Some(c) = unsafe { at.as_ref() } {
            if c.key == key && !key.is_null() {
                return c.value;
            }
            at = c.parent;
        }
        null_mut()
    }

    /// The channel that is closed when the context ends; the same each time. `NoMemory`.
    pub fn done(&self) -> Result<NonNull<Chan>> {
        if let Some(done) = NonNull::new(self.done.load(Acquire)) {
            return Ok(done);
        }
        let made = Chan::for_context(self.process)?;
        if self.is_here().is_err() {
            // K6. A copy of the context gives a copy of a channel.
            let first = self.done.compare_exchange(null_mut(), made.as_ptr(), AcqRel, Acquire).err();
            return Ok(first.and_then(NonNull::new).unwrap_or(made));
        }
        self.lock.lock();
        let first = NonNull::new(self.done.load(Relaxed));
        if first.is_none() {
            if self.error.load(Relaxed) != 0 {
                // SAFETY: just made, and nobody waits.
                let _none = unsafe { made.as_ref() }.close_claiming();
            }
            self.done.store(made.as_ptr(), Release);
        }
        self.lock.unlock();
        Ok(first
            .inspect(|_| {
                // SAFETY: ours, and not used.
                drop(unsafe { Channel::from_raw(made) });
            })
            .unwrap_or(made))
    }
}

impl ContextRef {
    /// Its address; the reference passes to the caller.
    pub fn into_raw(self) -> *const Context {
        let raw = self.0.as_ptr();
        std::mem::forget(self);
        raw
    }
}

impl Drop for ContextRef {
    fn drop(&mut self) {
        // SAFETY: our own reference.
        unsafe { Context::release(self.0.as_ptr()) };
    }
}

impl std::ops::Deref for ContextRef {
    type Target = Context;
    fn deref(&self) -> &Context {
        // SAFETY: our reference keeps it.
        unsafe { self.0.as_ref() }
    }
}
