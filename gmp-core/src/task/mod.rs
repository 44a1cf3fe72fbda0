//! The task record (G) and what belongs to one task.
//!
//! Owns: the layout of a record: two cache lines, the first for what spawn, start and end touch.
//! Records lie in type-stable slabs and are recycled, never freed while the runtime lives.
//!
//! Who may touch which field when:
//!  - `status`, `generation`, `join`, `wait`, `cancelled` are atomics with rules of their own (`state.rs`, `slab.rs`,
//!    `join.rs`, `wait_word.rs`, `sched/cancel.rs`).
//!  - every other field belongs to the record's owner of the moment: the table in `state.rs`. It passes with the
//!    status word or with the queue entry, both Release/Acquire, so plain cells are enough.
//!  - `link` belongs to whichever list the record is in; it is in one at most. While the task is parked in a wait, and nobody has
//!    claimed it, it holds the address of what it waits for (`sched/wait.rs`), for reports.
//!  - dumps read the plain fields of tasks that are not theirs, and check that nothing moved meanwhile (`look.rs`).

pub mod class;
pub mod extra;
pub mod handle;
pub mod join;
pub mod local;
pub mod look;
pub mod ready_list;
pub mod slab;
pub mod state;
pub mod wait_queue;
pub mod wait_word;
pub mod waiter;

use crate::primitive::{AtomicU16, AtomicU32, Ordering::*};
use crate::stack::Class;
use extra::ExtraCell;
use join::JoinCell;
use state::StatusWord;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null_mut;
use wait_word::WaitWord;

/// A task's entry. The result of a `gmp_go` function is ignored: it has none, and what the register holds is
/// nobody's.
pub type TaskFn = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;
/// Called with the record's `end_arg` when the task ends.
pub type EndFn = unsafe fn(*mut c_void);

/// Why a task is parked. Shown in dumps; do not reuse one, add one.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    None = 0,
    Sleep,
    Join,
    JoinInPlace,
    WaitGroup,
    ChanSend,
    ChanRecv,
    Select,
    Mutex,
    RwLockRead,
    RwLockWrite,
    Cond,
    Once,
    Semaphore,
    Group,
    FdRead,
    FdWrite,
    Fd,
}

/// What dumps call the reasons, by their numbers.
const REASONS: [&str; 18] = [
    "none",
    "sleep",
    "join",
    "join-in-place",
    "wait-group",
    "chan-send",
    "chan-recv",
    "select",
    "mutex",
    "rwlock-read",
    "rwlock-write",
    "cond",
    "once",
    "semaphore",
    "group",
    "fd-read",
    "fd-write",
    "fd",
];

const _: () = assert!(REASONS.len() == Reason::Fd as usize + 1);

/// The name of a reason that is known by its number only.
pub fn reason_name(reason: u8) -> &'static str {
    REASONS.get(reason as usize).unwrap_or(&"unknown")
}

/// Why the record stands in a run queue.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A task.
    Task = 0,
    /// Not a task: an exclusive class has work (`sched/token.rs`); `arg` is its token.
    ClassTicket,
    /// Not a task: a machine has work in its inbox (`sched/inbox.rs`); `arg` is the machine.
    MachineTicket,
}

/// A task record. See the module for who may touch what.
#[repr(C, align(128))]
pub struct Task {
    pub status: StatusWord,
    /// Which life of the record this is; grows when the record is recycled.
    pub generation: AtomicU32,
    pub join: JoinCell,
    /// The entry function.
    pub entry: Cell<Option<TaskFn>>,
    /// Its argument; after the end, the result.
    pub arg: Cell<*mut c_void>,
    pub id: Cell<u64>,
    pub link: Cell<*mut Task>,
    /// What few tasks have: name, class, locals, deferred calls. Null for most.
    pub extra: ExtraCell,
    /// While `NewPrivate`: the index of the processor whose private queue holds it.
    pub queue: AtomicU16,
    /// The life of the record that was cancelled (`Task::cancel_mark`); 0: none.
    pub cancelled: AtomicU16,
    /// Where the record lies; fixed.
    pub index: u32,

    /// The saved stack pointer while it does not run.
    pub sp: Cell<usize>,
    /// Its own stack (`Stack::into_raw`), 0 while it has none or runs on its joiner's.
    pub stack: Cell<usize>,
    /// The lowest usable address of the stack it runs on.
    pub limit: Cell<usize>,
    /// The frame of its entry call, for `exit`.
    pub frame: Cell<usize>,
    /// Where it was spawned: an address in the spawner's code, 0 when unknown.
    pub site: Cell<usize>,
    /// Called at the end with `frame`'s value before the start; null when there is nothing to call.
    pub end_arg: Cell<*mut c_void>,
    /// Where its present wait is decided.
    pub wait: WaitWord,
    /// One more than the index of the joiner on whose stack it runs in place; 0 otherwise.
    pub host: Cell<u32>,
    /// After the end: 0, or the code that a join answers. Before it, about when it parked last (`Task::parked_at`).
    pub end_code: Cell<i32>,
    pub reason: Cell<Reason>,
    pub kind: Cell<Kind>,
    /// The size class of the stack it needs.
    pub stack_class: Cell<Class>,
    pub flags: Cell<u8>,
}

/// The spawner said that the task will block in the kernel.
pub const FLAG_BLOCKING: u8 = 1;
/// The stack size was asked for by number: running in place must offer as much.
pub const FLAG_EXACT_STACK: u8 = 2;
/// Its waits ignore cancellation (`shield`). The task's own.
pub const FLAG_SHIELDED: u8 = 4;

// SAFETY: see the module: every field has one owner at a time, and ownership passes through Release/Acquire.
unsafe impl Sync for Task {}
// SAFETY: as above.
unsafe impl Send for Task {}

const _: () = assert!(std::mem::size_of::<Task>() == 128);

impl Task {
    /// An unused record.
    pub fn new(index: u32) -> Task {
        Task {
            status: StatusWord::new(),
            generation: AtomicU32::new(1),
            join: JoinCell::default(),
            entry: Cell::new(None),
            arg: Cell::new(null_mut()),
            id: Cell::new(0),
            link: Cell::new(null_mut()),
            extra: ExtraCell::default(),
            queue: AtomicU16::new(u16::MAX),
            cancelled: AtomicU16::new(0),
            index,
            sp: Cell::new(0),
            stack: Cell::new(0),
            limit: Cell::new(0),
            frame: Cell::new(0),
            site: Cell::new(0),
            end_arg: Cell::new(null_mut()),
            wait: WaitWord::new(),
            host: Cell::new(0),
            end_code: Cell::new(0),
            reason: Cell::new(Reason::None),
            kind: Cell::new(Kind::Task),
            stack_class: Cell::new(Class::DEFAULT),
            flags: Cell::new(0),
        }
    }

    /// The class of the task, null for plain ones.
    #[inline(always)]
    pub fn class(&self) -> *const class::Class {
        let extra = self.extra.get();
        if extra.is_null() {
            return std::ptr::null();
        }
        // SAFETY: a non-null `extra` is this task's own box, valid until the task is recycled.
        unsafe { (*extra).class }
    }

    /// What keeps it from the ordinary way between queues: `extra::BOND_*`, 0 for most.
    #[inline(always)]
    pub fn bonds(&self) -> u8 {
        let extra = self.extra.get();
        if extra.is_null() {
            return 0;
        }
        // SAFETY: as above. Changed by the task itself, and read by it or by who has the right to make it ready.
        unsafe { (*extra).bonds }
    }

    /// What `cancelled` holds when this life of the record is cancelled. Of 15 bits: a mark that comes too late, for an
    /// earlier life, does not match.
    #[inline(always)]
    pub fn cancel_mark(&self) -> u16 {
        (self.generation() as u16) << 1 | 1
    }

    /// True once the task was cancelled; a shield is not asked.
    #[inline(always)]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed) == self.cancel_mark()
    }

    /// True while its waits ignore cancellation.
    #[inline(always)]
    pub fn is_shielded(&self) -> bool {
        self.flags.get() & FLAG_SHIELDED != 0
    }

    /// About when it parked last (`base/coarse.rs`). Means nothing once it has ended.
    #[inline(always)]
    pub fn set_parked_at(&self, stamp: u32) {
        self.end_code.set(stamp as i32);
    }

    /// This life's generation.
    #[inline(always)]
    pub fn generation(&self) -> u32 {
        self.generation.load(Relaxed)
    }
}
