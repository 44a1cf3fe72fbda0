//! The machine record (M): an OS thread of ours.
//!
//! Owns: what one machine holds. No policy.
//!
//! Who may touch which field: cells by the machine's own thread only, except those marked *lock* (under the
//! scheduler's lock). `owner` and `processor` have the rules of `owner.rs`: `processor` changes only under the
//! lock, and its machine reads it only while inside.
//! Records are never freed while the runtime lives, so the monitor may read a machine that has gone to sleep.

#[cfg_attr(bench_bare_owner, path = "owner_bare.rs")]
pub mod owner;
#[cfg(test)]
mod owner_stress;
pub mod reading;

use crate::base::note::Note;
use crate::base::ring::Ring;
use crate::primitive::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Mutex, Ordering::*};
use crate::processor::Processor;
use crate::task::ready_list::ReadyList;
use crate::task::Task;
use owner::Owner;
use reading::Reading;
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::ptr::null_mut;

/// What the destination of a switch does first, on behalf of the task that left: makes it visible to others, now
/// that its registers are saved.
#[derive(Clone, Copy)]
pub enum Commit {
    None,
    /// To the tail of the global queue.
    Global(*mut Task),
    /// It parked: publish it with this function.
    Park(*mut Task, unsafe fn(*mut c_void), *mut c_void),
    /// It ended: this stack (`Stack::into_raw`) is free.
    Ended(usize),
}

/// How far a class's per-machine start has come.
#[derive(Clone, Copy, Debug)]
pub struct ClassSlot {
    /// What `machine_start` stored.
    pub data: *mut c_void,
    /// `None` before `machine_start`; then its result.
    pub started: Option<i32>,
}

/// What a machine's loop does when it comes to it.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Looks for work.
    Any,
    /// Runs one task only, which locked itself to the thread (`sched/bound.rs`).
    Locked,
    /// Ends its thread.
    End,
}

/// See the module.
#[repr(C, align(128))]
pub struct Machine {
    pub owner: Owner,
    pub processor: AtomicPtr<Processor>,
    /// The task that runs; null while the machine is on its own stack.
    pub current: Cell<*mut Task>,
    /// The scheduler this machine belongs to (`sched::Shared`).
    pub shared: *const (),
    /// The next tick of `owner`.
    pub tick: Cell<u32>,
    /// This thread's `errno`.
    pub errno: Cell<*mut i32>,
    /// This thread's C++ exception globals; null while the process has no C++.
    pub cxx: Cell<*mut [usize; 2]>,
    pub commit: Cell<Commit>,
    /// The most frequent commit by itself, so that it costs one predicted branch: this task yielded, to the tail of the
    /// private queue. Null: see `commit`.
    pub yielded: Cell<*mut Task>,
    /// Where a trace's events go; null while there is none (`sched/record.rs`). Set under the *lock*.
    pub events: AtomicPtr<Ring>,
    /// The machine's own context while a task runs.
    pub home: Cell<usize>,
    /// Low end and top of its own stack, for tools that watch (`sched/watched.rs`); set only if one does.
    pub own_stack: Cell<(usize, usize)>,
    /// What the machine shall run first when it is back on its own stack.
    pub next: Cell<*mut Task>,
    /// A class task that has ended: its `finish` is due.
    pub ended: Cell<*mut Task>,

    /// A task whose frames were unwound by force: its thread ends (`sched/death.rs`).
    pub died: Cell<*mut Task>,

    /// In a declared blocking section. The monitor reads it.
    pub blocking: AtomicBool,
    /// Runs a task that was spawned as blocking: any stretch outside counts as declared. The monitor reads it.
    pub hinted: AtomicBool,
    /// It was retaken while it computed, and has not been back since. Set by the monitor, cleared by the machine's next
    /// enter.
    pub burning: AtomicBool,
    pub reading: Reading,
    /// In a section that was handed over at once: how often the thread had slept before, plus one; 0: not in one.
    pub slept: Cell<i64>,
    /// Counted in `searching`.
    pub searching: Cell<bool>,
    /// Runs an exclusive class's tasks: its token (`sched/token.rs`).
    pub token: Cell<*const c_void>,
    /// A class's `switch_in` is running for its current task: what was left behind on the thread may still be the previous task's. Set
    /// inside, cleared outside; others look while it is seized.
    pub entering: AtomicBool,
    /// Class tasks run since the token was taken or last weighed.
    pub token_runs: Cell<u32>,
    pub classes: UnsafeCell<Vec<ClassSlot>>,
    pub note: Note,
    /// *lock*: asleep without a processor, in the idle list.
    pub asleep: Cell<bool>,
    /// Tasks and tickets that only this machine may run.
    pub inbox: Mutex<ReadyList>,
    /// Their number, to look without the lock.
    pub inbox_len: AtomicU32,
    /// Changed by its own thread, or before it has one, or under the *lock* while it is asleep; others look only then.
    pub duty: Cell<Duty>,
    /// The task that is locked to this thread, when it is ready to go on.
    pub ready: AtomicPtr<Task>,
    /// It sleeps in the middle of something and needs a processor to go on (`token.rs`).
    pub wants_processor: AtomicBool,
    /// Stands in the run queues for "this machine's inbox has work".
    pub inbox_ticket: Cell<*mut Task>,
    /// `inbox_ticket` is in a queue.
    pub inbox_queued: AtomicBool,
    /// What needs this very thread: started tasks that are pinned to it. Written by the machine's own thread, and by one that takes a
    /// task over; not 0 while anything may still be delivered here.
    pub pins: AtomicU32,
    /// *lock*: which of the threads ever made runs it.
    pub thread: Cell<u64>,
    /// The kernel's id of the thread, 0 before it runs.
    pub tid: AtomicI32,
    pub index: u32,
}

// SAFETY: see the module.
unsafe impl Sync for Machine {}
// SAFETY: as above.
unsafe impl Send for Machine {}

impl Machine {
    /// A machine whose thread has yet to be started.
    pub fn new(index: u32, owner: Owner, shared: *const ()) -> Machine {
        Machine {
            owner,
            processor: AtomicPtr::new(null_mut()),
            current: Cell::new(null_mut()),
            shared,
            tick: Cell::new(2),
            errno: Cell::new(null_mut()),
            cxx: Cell::new(null_mut()),
            commit: Cell::new(Commit::None),
            yielded: Cell::new(null_mut()),
            events: AtomicPtr::new(null_mut()),
            home: Cell::new(0),
            own_stack: Cell::new((0, 0)),
            next: Cell::new(null_mut()),
            ended: Cell::new(null_mut()),
            died: Cell::new(null_mut()),
            blocking: AtomicBool::new(false),
            hinted: AtomicBool::new(false),
            burning: AtomicBool::new(false),
            reading: Reading::default(),
            slept: Cell::new(0),
            searching: Cell::new(false),
            token: Cell::new(std::ptr::null()),
            entering: AtomicBool::new(false),
            token_runs: Cell::new(0),
            classes: UnsafeCell::new(Vec::new()),
            note: Note::new(),
            asleep: Cell::new(false),
            inbox: Mutex::new(ReadyList::new()),
            duty: Cell::new(Duty::Any),
            ready: AtomicPtr::new(null_mut()),
            inbox_len: AtomicU32::new(0),
            wants_processor: AtomicBool::new(false),
            inbox_ticket: Cell::new(null_mut()),
            inbox_queued: AtomicBool::new(false),
            pins: AtomicU32::new(0),
            thread: Cell::new(0),
            tid: AtomicI32::new(0),
            index,
        }
    }

    /// The task that is current, for others' eyes: only a hint, and to be followed as a record only.
    pub fn seen_task(&self) -> *const Task {
        // SAFETY: a word-sized read of a cell that only its own thread writes.
        unsafe { self.current.as_ptr().read_volatile() }
    }

    /// True when a task is current, for statistics: read from other threads, so only a hint.
    pub fn runs_task(&self) -> bool {
        !self.seen_task().is_null()
    }

    /// The same of `duty`: true when it is `Locked`.
    pub fn is_seen_locked(&self) -> bool {
        // SAFETY: one byte, as a number, of a cell that is always initialised.
        unsafe { (self.duty.as_ptr() as *const u8).read_volatile() == Duty::Locked as u8 }
    }

    /// The same of `searching`.
    pub fn is_seen_searching(&self) -> bool {
        // SAFETY: one byte of a cell that only its own thread writes; every value it holds is a valid one.
        unsafe { self.searching.as_ptr().read_volatile() }
    }

    /// The same of `token`.
    pub fn seen_token(&self) -> *const c_void {
        // SAFETY: a word-sized read of a cell that only its own thread writes.
        unsafe { self.token.as_ptr().read_volatile() }
    }

    /// Something more needs this thread.
    pub fn pin(&self) {
        self.pins.fetch_add(1, Relaxed);
    }

    /// Something needs it no more. What it had delivered here is seen by who sees the new number.
    pub fn unpin(&self) {
        let before = self.pins.fetch_sub(1, Release);
        debug_assert!(before > 0);
    }

    /// True when this very thread is needed for something that is not running: the machine must not be retired. Under the
    /// scheduler's lock, of a machine without a processor.
    pub fn is_needed(&self) -> bool {
        self.pins.load(Acquire) != 0 || self.inbox_len.load(Relaxed) != 0 || self.wants_processor.load(Relaxed)
    }

    /// The machine has come in after it lost its processor: what was known of its stay outside is over. Under the lock.
    pub fn is_back(&self) {
        self.burning.store(false, Relaxed);
        self.reading.clear();
    }

    /// Something waits that this machine alone may do, and that it would do now. Under the scheduler's lock, of a machine that sleeps
    /// or is about to.
    pub fn is_wanted(&self) -> bool {
        if self.wants_processor.load(Relaxed) {
            return true;
        }
        match self.duty.get() {
            Duty::Any => self.inbox_len.load(Relaxed) != 0,
            Duty::Locked | Duty::End => !self.ready.load(Relaxed).is_null(),
        }
    }

    /// Makes the record of a thread that has ended as good as new. What stays: the ticket, which may stand in a queue, and the
    /// ticks, which the monitor compares.
    pub fn renew(&self) {
        self.duty.set(Duty::Any);
        self.tid.store(0, Relaxed);
        self.owner.enter_for();
        self.owner.take_requests();
        self.blocking.store(false, Relaxed);
        self.hinted.store(false, Relaxed);
        self.slept.set(0);
        self.searching.set(false);
    }

    /// Leaves the runtime: after this no pointer into the processor may be used.
    #[inline(always)]
    pub fn exit(&self) {
        let tick = self.tick.get();
        self.tick.set(tick.wrapping_add(2));
        self.owner.exit(tick);
    }
}
