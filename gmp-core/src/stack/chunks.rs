//! The chunks of a depot: which address lies in which slot.
//!
//! Owns: the table of chunks.
//!
//! Always true: an entry is written before the length that covers it is published, and never changes until the
//! table is emptied at shutdown. So look-up takes no lock, and a fault handler may do it.
//! Called by: `depot` adds and empties; anybody looks up.

use super::Class;
use crate::primitive::{sanitizer, AtomicPtr, AtomicUsize, Mutex, Ordering};
use std::alloc::{alloc, dealloc, Layout};

/// Entries of one segment, and segments: 131,072 chunks, more than the address space holds of grown ones.
const SEGMENT: usize = 256;
const SEGMENTS: usize = 512;

#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub base: usize,
    pub len: usize,
    pub class: Class,
}

impl Chunk {
    /// Each slot is a stack, to tools that watch.
    #[cold]
    fn tell(&self) {
        for low in (self.base..self.base + self.len).step_by(self.class.slot()) {
            sanitizer::register_stack(low + self.class.guard(), low + self.class.slot());
        }
    }
}

/// The slot that an address lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The low end of the slot, where its guard begins.
    pub low: usize,
    /// The lowest usable byte. An address below it is in the guard: an overflow.
    pub limit: usize,
    /// The exclusive end.
    pub top: usize,
    /// The size class.
    pub class: Class,
}

pub(super) struct Chunks {
    segments: [AtomicPtr<Chunk>; SEGMENTS],
    len: AtomicUsize,
    append: Mutex<()>,
}

impl Chunks {
    pub fn new() -> Chunks {
        Chunks {
            segments: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
            len: AtomicUsize::new(0),
            append: Mutex::new(()),
        }
    }

    /// Adds a chunk; false if there is no memory or no room for its entry.
    #[must_use]
    pub fn add(&self, chunk: Chunk) -> bool {
        let _one_at_a_time = self.append.lock();
        let index = self.len.load(Ordering::Relaxed);
        let Some(segment) = self.segments.get(index / SEGMENT) else { return false };
        let mut entries = segment.load(Ordering::Relaxed);
        if entries.is_null() {
            // SAFETY: the layout is not empty.
            entries = unsafe { alloc(Layout::new::<[Chunk; SEGMENT]>()) as *mut Chunk };
            if entries.is_null() {
                return false;
            }
            segment.store(entries, Ordering::Release);
        }
        // SAFETY: inside the segment; nobody reads an entry at or above `len`.
        unsafe { entries.add(index % SEGMENT).write(chunk) };
        // Pairs with the load in `get`: who sees the length sees the entry and its segment.
        self.len.store(index + 1, Ordering::Release);
        if sanitizer::watches() {
            chunk.tell();
        }
        true
    }

    fn get(&self, index: usize) -> Chunk {
        let entries = self.segments[index / SEGMENT].load(Ordering::Acquire);
        // SAFETY: `index` is below a length that was loaded with Acquire, so the entry is written (see `add`).
        unsafe { *entries.add(index % SEGMENT) }
    }

    pub fn iter(&self) -> impl Iterator<Item = Chunk> + '_ {
        (0..self.len.load(Ordering::Acquire)).map(|index| self.get(index))
    }

    /// The slot that `address` lies in. No lock, no memory: safe in a signal handler.
    pub fn find(&self, address: usize) -> Option<Place> {
        let chunk = self.iter().find(|chunk| address.wrapping_sub(chunk.base) < chunk.len)?;
        let low = address & !(chunk.class.slot() - 1);
        let (limit, top) = (low + chunk.class.guard(), low + chunk.class.slot());
        Some(Place { low, limit, top, class: chunk.class })
    }

    /// Forgets every chunk, for shutdown.
    pub fn clear(&self) {
        let _alone = self.append.lock();
        self.len.store(0, Ordering::Release);
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        for segment in &self.segments {
            let entries = segment.load(Ordering::Relaxed);
            if !entries.is_null() {
                // SAFETY: allocated by `add` with this layout; `&mut self` says that nobody reads any more.
                unsafe { dealloc(entries as *mut u8, Layout::new::<[Chunk; SEGMENT]>()) };
            }
        }
    }
}
