//! The slots of one class that are in the depot, and the numbers of the class.
//!
//! Owns: four lists. *Hot* slots were used and may have many pages; *warm* ones have their top page only;
//! *cold* ones have no page; *uncut* ranges have no guards yet.
//!
//! Always true (under the class's lock):
//!  - L1. `cut = out + busy + hot + warm + cold`, and `slots = cut + uncut`.
//!  - L2. `credits <= slots`.
//!  - L3. Each list has room for every slot of the class, so giving back needs no memory.
//!
//! Called by: `depot` only, which holds the lock. Plain data: no system call, no waiting.

use super::{Class, Stack};
use crate::base::error::{Error, Result};
use std::collections::VecDeque;

pub(super) struct Lists {
    class: Class,
    pub hot: Aged,
    pub warm: Aged,
    pub cold: Vec<usize>,
    /// Ranges from first to last slot, exclusive; the newest chunk last.
    uncut: Vec<(usize, usize)>,
    /// Cuts under way, each of which may bring its range back.
    cutting: usize,
    /// Slots that exist as address space.
    pub slots: usize,
    /// Slots that have, or are just getting, a guard.
    pub cut: usize,
    /// Slots outside the depot.
    pub out: usize,
    /// Slots that a cut or a trim has taken aside for the length of a system call.
    pub busy: usize,
    /// Slots promised: those outside the depot, and those for tasks that have not started.
    pub credits: usize,
}

/// Slots in the order of their return, which remembers how many have lain untouched since the last trim.
#[derive(Default)]
pub(super) struct Aged {
    slots: VecDeque<usize>,
    untouched: usize,
}

impl Aged {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn push(&mut self, slot: usize) {
        debug_assert!(self.slots.len() < self.slots.capacity());
        self.slots.push_back(slot);
    }

    /// The one that came last.
    fn pop(&mut self) -> Option<usize> {
        let slot = self.slots.pop_back()?;
        self.untouched = self.untouched.min(self.slots.len());
        Some(slot)
    }

    /// The one that came first, if it has not been touched since [`Aged::start_period`].
    pub fn pop_untouched(&mut self) -> Option<usize> {
        self.untouched = self.untouched.checked_sub(1)?;
        self.slots.pop_front()
    }

    pub fn start_period(&mut self) {
        self.untouched = self.slots.len();
    }
}

impl Lists {
    pub fn new(class: Class) -> Lists {
        Lists {
            class,
            hot: Aged::default(),
            warm: Aged::default(),
            cold: Vec::new(),
            uncut: Vec::new(),
            cutting: 0,
            slots: 0,
            cut: 0,
            out: 0,
            busy: 0,
            credits: 0,
        }
    }

    /// Makes room for `more` slots in every list (L3). Changes no list.
    pub fn make_room(&mut self, more: usize) -> Result<()> {
        let total = self.slots + more;
        self.hot.slots.try_reserve(total - self.hot.len()).map_err(|_| Error::NoMemory)?;
        self.warm.slots.try_reserve(total - self.warm.len()).map_err(|_| Error::NoMemory)?;
        self.cold.try_reserve(total - self.cold.len()).map_err(|_| Error::NoMemory)?;
        self.uncut.try_reserve(self.cutting + 1).map_err(|_| Error::NoMemory)
    }

    /// Adds a chunk, for which there is room.
    pub fn add_chunk(&mut self, base: usize, len: usize) {
        self.slots += len / self.class.slot();
        self.uncut.push((base, base + len));
    }

    /// Takes up to `n` guarded slots, the most recently used first.
    pub fn take(&mut self, to: &mut Vec<Stack>, n: usize) -> usize {
        let mut got = 0;
        while got < n {
            let Some(low) = self.hot.pop().or_else(|| self.warm.pop()).or_else(|| self.cold.pop()) else { break };
            to.push(Stack::new(low, self.class));
            got += 1;
        }
        self.out += got;
        got
    }

    pub fn give(&mut self, stack: Stack) {
        let low = stack.into_raw() & !super::CLASS_MASK;
        self.hot.push(low);
        self.out -= 1;
    }

    pub fn has_uncut(&self) -> bool {
        !self.uncut.is_empty()
    }

    /// Takes aside up to `n` slots that need guards: the first's low end, and how many. None if there is none,
    /// or no memory to bring them back.
    pub fn begin_cut(&mut self, n: usize) -> Option<(usize, usize)> {
        self.uncut.try_reserve(self.cutting + 2).ok()?;
        let range = self.uncut.last_mut()?;
        let (low, count) = (range.0, n.min((range.1 - range.0) / self.class.slot()));
        range.0 += count * self.class.slot();
        if range.0 == range.1 {
            self.uncut.pop();
        }
        self.cutting += 1;
        self.cut += count;
        self.busy += count;
        Some((low, count))
    }

    /// The slots have their guards: they are cold.
    pub fn finish_cut(&mut self, low: usize, count: usize) {
        self.cutting -= 1;
        self.busy -= count;
        // Backwards, so that they go out in the order of their addresses.
        self.cold.extend((0..count).rev().map(|index| low + index * self.class.slot()));
    }

    /// The slots could not get their guards.
    pub fn abort_cut(&mut self, low: usize, count: usize) {
        self.cutting -= 1;
        self.busy -= count;
        self.cut -= count;
        self.uncut.push((low, low + count * self.class.slot()));
    }

    /// The guards that the class needs, now or as a promise.
    pub fn guards_needed(&self) -> usize {
        self.cut.max(self.credits)
    }

    #[cfg(test)]
    pub fn check(&self) {
        let uncut: usize = self.uncut.iter().map(|range| (range.1 - range.0) / self.class.slot()).sum();
        assert_eq!(self.cut, self.out + self.busy + self.hot.len() + self.warm.len() + self.cold.len());
        assert_eq!(self.slots, self.cut + uncut);
        assert!(self.credits <= self.slots);
        assert!(self.hot.slots.capacity() >= self.slots && self.warm.slots.capacity() >= self.slots);
        assert!(self.cold.capacity() >= self.slots);
    }
}
