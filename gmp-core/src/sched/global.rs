//! The global queue: an intrusive first-in first-out list under a lock of its own, moved in batches.
//!
//! Owns: the list and its length. Always true: `len` is the list's length whenever the lock is free; pushing
//! allocates nothing. Tried and dropped: crossbeam's `Injector` (19–24 ns a task against 3, and it allocates).
//! Blocks: on its lock, briefly (a leaf: no other lock is taken under it).

use crate::primitive::{AtomicUsize, Mutex, Ordering::*};
use crate::task::ready_list::ReadyList;
use crate::task::Task;

/// Most tasks that one processor takes at a time (§4.7).
pub const BATCH: usize = 128;

/// See the module.
#[derive(Default)]
pub struct Global {
    list: Mutex<ReadyList>,
    len: AtomicUsize,
}

impl Global {
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one task at the end.
    ///
    /// # Safety
    /// `task` is the caller's to queue and in no list.
    pub unsafe fn push(&self, task: *mut Task) {
        let mut list = self.list.lock();
        // SAFETY: the caller's promise.
        unsafe { list.push(task) };
        self.len.store(list.len(), Relaxed);
    }

    /// Adds a list at the end.
    pub fn append(&self, tasks: &mut ReadyList) {
        let mut list = self.list.lock();
        list.append(tasks);
        self.len.store(list.len(), Relaxed);
    }

    /// Adds a list in front, keeping its order (§12.4).
    pub fn prepend(&self, mut tasks: ReadyList) {
        let mut list = self.list.lock();
        tasks.prepend_to(&mut list);
        self.len.store(list.len(), Relaxed);
    }

    /// Takes one task.
    pub fn pop(&self) -> Option<*mut Task> {
        if self.is_empty() {
            return None;
        }
        let mut list = self.list.lock();
        let task = list.pop();
        self.len.store(list.len(), Relaxed);
        task
    }

    /// Takes a processor's share of the queue: min(128, n, n/procs + 1).
    pub fn take(&self, procs: usize) -> ReadyList {
        let mut out = ReadyList::new();
        if self.is_empty() {
            return out;
        }
        let mut list = self.list.lock();
        for _ in 0..BATCH.min(list.len()).min(list.len() / procs.max(1) + 1) {
            let Some(task) = list.pop() else { break };
            // SAFETY: just taken from the list: ours.
            unsafe { out.push(task) };
        }
        self.len.store(list.len(), Relaxed);
        out
    }
}
