//! A task of a model: the protocols of a task, and a record with what they and the waits ask of it.
//!
//! Always true: the names and meanings are those of `task/mod.rs`; what nothing that is modelled asks for is left out.

#[path = "../../task/class.rs"]
pub mod class;
#[path = "../../task/extra.rs"]
pub mod extra;
#[path = "../../task/handle.rs"]
pub mod handle;
#[path = "../../task/join.rs"]
pub mod join;
#[path = "../../task/ready_list.rs"]
pub mod ready_list;
#[path = "../../task/state.rs"]
pub mod state;
#[path = "../../task/wait_queue.rs"]
pub mod wait_queue;
#[path = "../../task/wait_word.rs"]
pub mod wait_word;
#[path = "../../task/waiter.rs"]
pub mod waiter;

use crate::base::note::Note;
use crate::primitive::{AtomicU16, AtomicU32, Cell, Ordering::*};
use extra::ExtraCell;
use join::JoinCell;
use std::ffi::c_void;
use std::ptr::null_mut;
use wait_word::WaitWord;

pub type TaskFn = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

/// Nobody looks at it.
#[derive(Clone, Copy, Debug)]
pub enum Reason {
    Join,
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
}

/// See the module.
pub struct Task {
    pub generation: AtomicU32,
    pub join: JoinCell,
    pub arg: Cell<*mut c_void>,
    pub link: Cell<*mut Task>,
    pub extra: ExtraCell,
    pub cancelled: AtomicU16,
    pub index: u32,
    pub wait: WaitWord,
    pub host: Cell<u32>,
    pub end_code: Cell<i32>,
    pub flags: Cell<u8>,
    /// Woken when it is made ready.
    pub resumed: Note,
    /// How often its record was recycled.
    pub recycled: AtomicU32,
}

pub const FLAG_SHIELDED: u8 = 4;

// SAFETY: loom runs the threads of a model in turn, and its cells and atomics check every access.
unsafe impl Sync for Task {}
// SAFETY: as above.
unsafe impl Send for Task {}

impl Task {
    pub fn new(index: u32) -> Task {
        Task {
            generation: AtomicU32::new(1),
            join: JoinCell::default(),
            arg: Cell::new(null_mut()),
            link: Cell::new(null_mut()),
            extra: ExtraCell::default(),
            cancelled: AtomicU16::new(0),
            index,
            wait: WaitWord::new(),
            host: Cell::new(0),
            end_code: Cell::new(0),
            flags: Cell::new(0),
            resumed: Note::new(),
            recycled: AtomicU32::new(0),
        }
    }

    pub fn cancel_mark(&self) -> u16 {
        (self.generation() as u16) << 1 | 1
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed) == self.cancel_mark()
    }

    pub fn is_shielded(&self) -> bool {
        self.flags.get() & FLAG_SHIELDED != 0
    }

    pub fn generation(&self) -> u32 {
        self.generation.load(Relaxed)
    }
}
