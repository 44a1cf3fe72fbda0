//! Guards: how they are made, and how many there may be.
//!
//! Two ways. `Marks` (Linux 6.13): marks in the page table, no mapping of their own, as many as one likes.
//! `Mappings`: `mprotect`, which splits the chunk's mapping in two for each guard, and a process has only
//! `vm.max_map_count` of them. The first is tried before anything is promised; where the kernel refuses (too old,
//! or, maybe later, because memory is locked) the second is used from then on.
//!
//! Owns: which way is used, and how many guards are needed: for each class the larger of the slots that have
//! one and the slots that are promised.
//!
//! Always true: with `Mappings`, the guards needed are never more than three eighths of `vm.max_map_count`
//! (three quarters of the mappings; the rest is the host's), unless the way changed after they were promised.
//! Called by: `depot`. `install` makes system calls and is called without a lock.

use super::Class;
use crate::base::error::{Error, Result};
use crate::primitive::{AtomicU8, AtomicUsize, Ordering};
use crate::sys::mem::{self, Range};
use std::ptr::NonNull;

/// How many slots get their guards in one system call.
pub(super) const BATCH: usize = 32;

const UNKNOWN: u8 = 0;
const MARKS: u8 = 1;
const MAPPINGS: u8 = 2;

pub(super) struct Guards {
    way: AtomicU8,
    needed: AtomicUsize,
    most: AtomicUsize,
}

impl Guards {
    /// `mappings`: do not even try the first way.
    pub fn new(mappings: bool) -> Guards {
        let guards =
            Guards { way: AtomicU8::new(UNKNOWN), needed: AtomicUsize::new(0), most: AtomicUsize::new(usize::MAX) };
        if mappings {
            guards.use_mappings();
        }
        guards
    }

    fn use_mappings(&self) {
        self.most.store(mem::max_map_count() / 8 * 3, Ordering::Relaxed);
        self.way.store(MAPPINGS, Ordering::Release);
    }

    /// Finds out which way works here, once, on a page of its own.
    pub fn try_ways(&self) -> Result<()> {
        if self.way.load(Ordering::Acquire) != UNKNOWN {
            return Ok(());
        }
        let page = mem::page_size();
        let trial = mem::reserve(page, page).map_err(|_| Error::NoMemory)?;
        // SAFETY: the page was just reserved and holds nothing.
        let result = unsafe { mem::guard_install(&[(trial.as_ptr().expose_provenance(), page)]) };
        // SAFETY: as above, and nobody has heard of it.
        unsafe { mem::release(trial, page) };
        match result {
            Ok(()) => self.way.store(MARKS, Ordering::Release),
            Err(errno) if errno.0 == libc::ENOMEM => return Err(Error::NoMemory),
            Err(_) => self.use_mappings(),
        }
        Ok(())
    }

    #[cfg(test)]
    pub fn are_mappings(&self) -> bool {
        self.way.load(Ordering::Acquire) == MAPPINGS
    }

    /// Counts guards that will be needed; NoMemory, and nothing counted, where that is too many.
    pub fn need(&self, more: usize) -> Result<()> {
        let most = self.most.load(Ordering::Relaxed);
        // Relaxed: a count of its own; the slots themselves are handed over under their class's lock.
        self.needed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |needed| {
                needed.checked_add(more).filter(|&sum| sum <= most || more == 0)
            })
            .map(|_| ())
            .map_err(|_| Error::NoMemory)
    }

    pub fn need_less(&self, fewer: usize) {
        self.needed.fetch_sub(fewer, Ordering::Relaxed);
    }

    /// Makes the guards of up to [`BATCH`] adjacent slots. After an error they may have guards or not, and are
    /// not to be used.
    ///
    /// # Safety
    /// The slots are in a chunk of the caller's depot, and nobody else has them.
    pub unsafe fn install(&self, low: usize, count: usize, class: Class) -> Result<()> {
        let mut ranges: [Range; BATCH] = [(0, 0); BATCH];
        let ranges = &mut ranges[..count];
        for (index, range) in ranges.iter_mut().enumerate() {
            *range = (low + index * class.slot(), class.guard());
        }
        if self.way.load(Ordering::Acquire) != MAPPINGS {
            // SAFETY: the caller's promise; fresh slots hold nothing.
            match unsafe { mem::guard_install(ranges) } {
                Ok(()) => return Ok(()),
                Err(errno) if errno.0 == libc::EINVAL => self.use_mappings(),
                // Short of memory for the page table: another way would not help.
                Err(errno) => return Err(errno.into()),
            }
        }
        for &mut (start, len) in ranges {
            let start = NonNull::new(std::ptr::with_exposed_provenance_mut(start)).ok_or(Error::Invalid)?;
            // SAFETY: the caller's promise.
            unsafe { mem::guard_protect(start, len)? };
        }
        Ok(())
    }
}
