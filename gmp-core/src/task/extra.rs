//! What few tasks have: a name, a class, task-local values, deferred calls.
//!
//! Owns: the box behind `Task::extra`. Always true: it is made before the task is visible or by the task itself,
//! used by the task itself (dumps read the name), and freed when the record is recycled. No allocation here
//! aborts: each answers `NoMemory`.

use super::class::Class;
use super::Task;
use crate::base::error::{Error, Result};
use crate::primitive::{AtomicPtr, AtomicU32, Cell, Ordering::*};
use std::alloc::{alloc, dealloc, Layout};
use std::ffi::c_void;
use std::ptr::null_mut;

/// A deferred call.
pub type DeferFn = unsafe extern "C-unwind" fn(*mut c_void);

/// It has a class.
pub const BOND_CLASS: u8 = 1;
/// Once started it stays on its thread.
pub const BOND_STICKY: u8 = 2;
/// Its thread is its own.
pub const BOND_LOCKED: u8 = 4;

/// A task's membership in contexts (`context/member.rs`).
#[derive(Debug, Default)]
pub struct Member {
    /// The context that the task was given; null: none. A reference.
    pub given: Cell<*const c_void>,
    /// The one made for the task alone; null: none. A reference; set once, by the task.
    pub own: AtomicPtr<c_void>,
    /// The context in whose list it is: the given one, or from when it is made the own one. Set by the task.
    pub listed: Cell<*const c_void>,
    /// Links of that list, under its context's lock.
    pub next: Cell<*const Member>,
    pub prev: Cell<*const Member>,
    pub task: Cell<*const Task>,
    /// The task's runtime (`sched::Shared`).
    pub shared: Cell<*const ()>,
    /// What to do at the task's start and end; None: it is in no context.
    pub hooks: Cell<Option<&'static MemberHooks>>,
}

impl Member {
    /// True when some context's end cancels the task.
    #[inline]
    pub fn is_in_a_context(&self) -> bool {
        !self.given.get().is_null() || !self.own.load(Relaxed).is_null()
    }
}

/// How a task comes into its contexts and leaves them.
#[derive(Debug)]
pub struct MemberHooks {
    /// Called when the record is filled in, before anybody else can see the task.
    pub enter: unsafe fn(&Member, &Task),
    /// Called when the task has ended, or was not started after all.
    pub leave: unsafe fn(&Member),
}

/// Where a task's [`Extra`] hangs. Set by the task itself, or before it is visible; others look with [`ExtraCell::shown`].
#[derive(Debug, Default)]
pub struct ExtraCell(AtomicPtr<Extra>);

impl ExtraCell {
    /// For the task itself.
    #[inline(always)]
    pub fn get(&self) -> *mut Extra {
        self.0.load(Relaxed)
    }

    /// For others: sees what was written before it was set. It stays only as long as they keep the task from ending.
    pub fn shown(&self) -> *mut Extra {
        self.0.load(Acquire)
    }

    /// By the task, or by who fills its record in.
    #[inline(always)]
    pub fn set(&self, extra: *mut Extra) {
        self.0.store(extra, Release);
    }

    /// The same; what was there.
    #[inline(always)]
    pub fn replace(&self, extra: *mut Extra) -> *mut Extra {
        let old = self.get();
        self.set(extra);
        old
    }
}

/// See the module.
#[derive(Debug)]
pub struct Extra {
    /// Bytes of the name, without a terminator.
    pub name: Vec<u8>,
    pub class: *const Class,
    pub class_data: *mut c_void,
    /// The machine that alone may continue the task; null: any.
    pub pin: *const c_void,
    /// Why it does not go the ordinary way between queues: `BOND_*`.
    pub bonds: u8,
    /// How often it has locked itself to its thread.
    pub locks: u32,
    pub member: Member,
    /// Parties that look at this from outside: it is not freed before they are through (`sched/cancel.rs`).
    pub pins: AtomicU32,
    pub locals: Vec<*mut c_void>,
    pub defers: Vec<(DeferFn, *mut c_void)>,
}

impl Extra {
    /// An empty one.
    pub fn new() -> Result<*mut Extra> {
        // SAFETY: `Extra` is not zero-sized.
        let p = unsafe { alloc(Layout::new::<Extra>()) } as *mut Extra;
        if p.is_null() {
            return Err(Error::NoMemory);
        }
        // SAFETY: freshly allocated with `Extra`'s layout.
        unsafe {
            p.write(Extra {
                name: Vec::new(),
                class: std::ptr::null(),
                class_data: null_mut(),
                pin: std::ptr::null(),
                bonds: 0,
                locks: 0,
                member: Member::default(),
                pins: AtomicU32::new(0),
                locals: Vec::new(),
                defers: Vec::new(),
            })
        };
        Ok(p)
    }

    /// # Safety
    /// `p` came from [`Extra::new`] and is not used any more.
    pub unsafe fn free(p: *mut Extra) {
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(hooks) = (*p).member.hooks.get() {
                (hooks.leave)(&(*p).member);
            }
            p.drop_in_place();
            dealloc(p as *mut u8, Layout::new::<Extra>());
        }
    }

    /// Copies a name.
    pub fn set_name(&mut self, name: &[u8]) -> Result<()> {
        self.name.try_reserve_exact(name.len()).map_err(|_| Error::NoMemory)?;
        self.name.extend_from_slice(name);
        Ok(())
    }

    /// Remembers a call for the task's end.
    pub fn defer(&mut self, f: DeferFn, arg: *mut c_void) -> Result<()> {
        self.defers.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.defers.push((f, arg));
        Ok(())
    }

    /// Sets the task-local value in place `key`.
    pub fn set_local(&mut self, key: usize, value: *mut c_void) -> Result<()> {
        if self.locals.len() <= key {
            if value.is_null() {
                return Ok(());
            }
            self.locals.try_reserve(key + 1 - self.locals.len()).map_err(|_| Error::NoMemory)?;
            self.locals.resize(key + 1, null_mut());
        }
        self.locals[key] = value;
        Ok(())
    }
}
