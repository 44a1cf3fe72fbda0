//! Where task records lie: slabs of 2 MiB, carved into magazines of 64 for the processors' caches.
//!
//! Owns: all records of one runtime, and the free ones that no cache holds.
//! Always true:
//!  - a record's address never changes and is never unmapped while the runtime lives;
//!  - a record is in use, in one cache, or in the depot here;
//!  - running out of memory is an error, never an abort: slabs are mapped, the table is fixed, lists are intrusive.
//!
//! Called by: spawn and end, through [`Cache`], once in 64 times. Blocks: on the depot's lock, briefly.

use super::handle::{Handle, MAX_INDEX};
use super::Task;
use crate::base::error::{Error, Result};
use crate::primitive::{AtomicPtr, AtomicU32, Mutex, Ordering::*};
use crate::sys::mem;
use std::ptr::{null_mut, NonNull};

const SLAB_BYTES: usize = 2 << 20;
const SLAB_TASKS: usize = SLAB_BYTES / std::mem::size_of::<Task>();
const SLABS: usize = 8192;
/// Records that pass between a cache and the depot at a time.
pub const MAGAZINE: u32 = 64;

const _: () = assert!(SLABS * SLAB_TASKS <= MAX_INDEX as usize + 1);

/// All records of a runtime.
pub struct Slab {
    table: Box<[AtomicPtr<Task>]>,
    /// Records that exist: indices below this are valid.
    carved: AtomicU32,
    depot: Mutex<Depot>,
}

struct Depot {
    /// Free magazines, linked through their first record's `end_arg`; the count lies in its `queue`.
    magazines: *mut Task,
}

// SAFETY: the depot's list is only followed under its lock, and holds records that nobody else uses.
unsafe impl Send for Depot {}

impl Default for Slab {
    fn default() -> Self {
        Self::new()
    }
}

impl Slab {
    /// Maps nothing yet.
    pub fn new() -> Slab {
        Slab {
            table: (0..SLABS).map(|_| AtomicPtr::new(null_mut())).collect(),
            carved: AtomicU32::new(0),
            depot: Mutex::new(Depot { magazines: null_mut() }),
        }
    }

    /// The record of an index that is in use.
    pub fn at(&self, index: u32) -> *mut Task {
        let slab = self.table[index as usize / SLAB_TASKS].load(Acquire);
        // SAFETY: the callers pass an index below `carved`, so the slab is mapped.
        unsafe { slab.add(index as usize % SLAB_TASKS) }
    }

    /// How many records exist: every index below is valid from now on.
    pub fn count(&self) -> u32 {
        self.carved.load(Acquire)
    }

    /// The record of an index, if there is one.
    pub fn get(&self, index: u32) -> Option<*mut Task> {
        (index < self.count()).then(|| self.at(index))
    }

    /// The record that `handle` names, if it still does.
    #[inline]
    pub fn find(&self, handle: Handle) -> Option<NonNull<Task>> {
        if handle.index >= self.carved.load(Acquire) {
            return None;
        }
        let task = NonNull::new(self.at(handle.index))?;
        // SAFETY: a carved record stays valid.
        (unsafe { task.as_ref() }.generation.load(Acquire) == handle.generation).then_some(task)
    }

    /// A list of up to [`MAGAZINE`] free records and its length.
    fn take(&self) -> Result<(*mut Task, u32)> {
        let mut depot = self.depot.lock();
        let head = depot.magazines;
        if !head.is_null() {
            // SAFETY: a magazine's first record is free and ours, under the lock.
            unsafe {
                depot.magazines = (*head).end_arg.get() as *mut Task;
                return Ok((head, (*head).queue.load(Relaxed) as u32));
            }
        }
        let first = self.carved.load(Relaxed);
        let number = first as usize / SLAB_TASKS;
        if number >= SLABS {
            return Err(Error::NoMemory);
        }
        let mut slab = self.table[number].load(Relaxed);
        if slab.is_null() {
            let map = mem::reserve(SLAB_BYTES, SLAB_BYTES)?;
            // One fault instead of 512 once a program has shown that it makes many tasks.
            if number > 0 {
                mem::want_huge(map, SLAB_BYTES);
            }
            slab = map.as_ptr() as *mut Task;
            self.table[number].store(slab, Release);
        }
        let mut list = null_mut();
        for index in (first..first + MAGAZINE).rev() {
            // SAFETY: inside the slab (its size is a multiple of the magazine's), and used by nobody yet.
            unsafe {
                let task = slab.add(index as usize % SLAB_TASKS);
                task.write(Task::new(index));
                (*task).link.set(list);
                list = task;
            }
        }
        // Release: whoever reads the new count sees the records initialised.
        self.carved.store(first + MAGAZINE, Release);
        Ok((list, MAGAZINE))
    }

    fn give(&self, list: *mut Task, len: u32) {
        let mut depot = self.depot.lock();
        // SAFETY: a non-empty list of free records that the caller gives up.
        unsafe {
            (*list).queue.store(len as u16, Relaxed);
            (*list).end_arg.set(depot.magazines as *mut _);
        }
        depot.magazines = list;
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        for slab in self.table.iter() {
            if let Some(slab) = NonNull::new(slab.load(Relaxed) as *mut u8) {
                // SAFETY: mapped by `take` with this size; no record is in use any more.
                unsafe { mem::release(slab, SLAB_BYTES) };
            }
        }
    }
}

/// Free records at hand: two magazines, so that alternating spawns and ends never go to the depot.
#[derive(Debug)]
pub struct Cache {
    list: *mut Task,
    len: u32,
    full: *mut Task,
}

// SAFETY: the records in it are owned by the cache; moving it moves them.
unsafe impl Send for Cache {}

impl Default for Cache {
    fn default() -> Self {
        Cache { list: null_mut(), len: 0, full: null_mut() }
    }
}

impl Cache {
    /// A free record. Its fields hold what its last life left there.
    #[inline(always)]
    pub fn take(&mut self, slab: &Slab) -> Result<*mut Task> {
        if self.list.is_null() {
            self.refill(slab)?;
        }
        let task = self.list;
        // SAFETY: the list is not empty, and its records are ours.
        self.list = unsafe { (*task).link.get() };
        self.len -= 1;
        Ok(task)
    }

    #[cold]
    fn refill(&mut self, slab: &Slab) -> Result<()> {
        if self.full.is_null() {
            (self.list, self.len) = slab.take()?;
        } else {
            self.list = std::mem::replace(&mut self.full, null_mut());
            self.len = MAGAZINE;
        }
        Ok(())
    }

    /// Takes a record back. Its handles, if any are left, are stale from now on.
    ///
    /// # Safety
    /// The task has ended, and nobody uses the record.
    #[inline(always)]
    pub unsafe fn give(&mut self, slab: &Slab, task: *mut Task) {
        if self.len == MAGAZINE {
            self.spill(slab);
        }
        // SAFETY: the caller's promise.
        let t = unsafe { &*task };
        t.generation.store(Handle::next_generation(t.generation()), Release);
        t.status.recycle();
        t.link.set(self.list);
        self.list = task;
        self.len += 1;
    }

    #[cold]
    fn spill(&mut self, slab: &Slab) {
        if !self.full.is_null() {
            slab.give(self.full, MAGAZINE);
        }
        self.full = std::mem::replace(&mut self.list, null_mut());
        self.len = 0;
    }

    /// Gives everything to the depot.
    pub fn flush(&mut self, slab: &Slab) {
        if !self.full.is_null() {
            slab.give(std::mem::replace(&mut self.full, null_mut()), MAGAZINE);
        }
        if !self.list.is_null() {
            slab.give(std::mem::replace(&mut self.list, null_mut()), self.len);
            self.len = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recycled_record_makes_its_old_handle_stale() {
        let slab = Slab::new();
        let mut cache = Cache::default();
        let t = cache.take(&slab).unwrap();
        // SAFETY: a record of ours.
        let task = unsafe { &*t };
        let h = Handle { index: task.index, generation: task.generation(), epoch: 0 };
        assert_eq!(slab.find(h).unwrap().as_ptr(), t);
        // SAFETY: the record was never used.
        unsafe { cache.give(&slab, t) };
        assert!(slab.find(h).is_none());
        assert!(slab.find(Handle { index: MAX_INDEX, generation: 1, epoch: 0 }).is_none());
    }

    #[test]
    fn records_go_round_between_caches_without_growing() {
        let slab = Slab::new();
        let (mut a, mut b) = (Cache::default(), Cache::default());
        for _ in 0..50 {
            let taken: Vec<_> = (0..1000).map(|_| a.take(&slab).unwrap()).collect();
            for t in taken {
                // SAFETY: taken above, never used.
                unsafe { b.give(&slab, t) };
            }
            b.flush(&slab);
        }
        assert!(slab.carved.load(Relaxed) < 2000);
    }
}
