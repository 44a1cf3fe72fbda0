//! The depot: all stacks of a runtime that no task and no cache has.
//!
//! **Credits.** A task is promised a stack when it is made and takes it when it starts, maybe much later and on
//! another processor. So that this cannot fail, making it costs a *credit*: [`Depot::reserve`] hands credits
//! out, and sees to it that there are at least as many slots as credits. The rule for holders: *every slot
//! outside the depot, idle ones in caches too, is covered by a credit of whoever has it.* Then a slot is in the
//! depot for every credit whose holder has no slot yet. [`super::Cache`] keeps the rule for a processor.
//!
//! Owns: the chunks (address space) and the lists of slots; a lock for each class.
//!
//! Always true:
//!  - D1. Chunks are never given back before shutdown: an address that was a stack stays one.
//!  - D2. No lock is held while guards are made or pages dropped; slots in work are counted `busy`.
//!  - D3. A call that fails has changed nothing that its caller can see.
//!
//! Called by: caches, start and shutdown; `trim` by the monitor only. Locks: one class's, then the chunk
//! table's. Blocks a machine for a few system calls at most, never a task.
//!
//! Tried and dropped: faulting in the top pages of a fresh batch in one call (2.5 µs a slot, guard and page
//! together, either way; and it takes memory for slots that nobody may want).

use super::chunks::{Chunk, Chunks, Place};
use super::guard::{self, Guards};
use super::lists::Lists;
use super::{Class, Stack};
use crate::base::error::{Error, Result};
use crate::primitive::{yield_thread, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::sys::mem::{self, Range};
use std::ptr::NonNull;

/// Address space is taken by multiples of this, if the system gives so much.
const CHUNK: usize = 64 << 20;
/// No more than this is taken at once ahead of need.
const MOST_AHEAD: usize = 1 << 30;
/// Slots whose pages are dropped in one go, and so out of reach for that time.
const TRIM_BATCH: usize = 64;

/// All stacks of one runtime.
pub struct Depot {
    classes: [Mutex<Lists>; Class::ALL.len()],
    chunks: Chunks,
    guards: Guards,
    reserved: AtomicUsize,
    /// Chunk reservations tried, and the number of the first that is to fail.
    attempts: AtomicUsize,
    first_failure: usize,
}

/// What tests change: read once, when the depot is made.
pub(super) struct Switches {
    /// The number of the first chunk reservation that fails (`GMP_TEST_FAIL_MMAP`).
    pub first_failure: usize,
    /// Guards by mapping only (`GMP_TEST_GUARD=mprotect`).
    pub guard_mappings: bool,
}

impl Switches {
    fn from_environment() -> Switches {
        let first_failure = std::env::var("GMP_TEST_FAIL_MMAP").ok().and_then(|text| text.parse().ok());
        Switches {
            first_failure: first_failure.unwrap_or(usize::MAX),
            guard_mappings: std::env::var_os("GMP_TEST_GUARD").is_some_and(|way| way == "mprotect"),
        }
    }
}

impl Default for Depot {
    fn default() -> Depot {
        Depot::new()
    }
}

impl Depot {
    /// A depot without any memory.
    pub fn new() -> Depot {
        Depot::with(Switches::from_environment())
    }

    pub(super) fn with(switches: Switches) -> Depot {
        Depot {
            classes: Class::ALL.map(|class| Mutex::new(Lists::new(class))),
            chunks: Chunks::new(),
            guards: Guards::new(switches.guard_mappings),
            reserved: AtomicUsize::new(0),
            attempts: AtomicUsize::new(0),
            first_failure: switches.first_failure,
        }
    }

    fn lists(&self, class: Class) -> MutexGuard<'_, Lists> {
        self.classes[class as usize].lock()
    }

    /// Hands out `n` credits of `class`. NoMemory, and no credit, where there is not enough address space
    /// (`RLIMIT_AS`, strict overcommit) or, with old kernels, not enough mappings for so many guards.
    pub fn reserve(&self, class: Class, n: usize) -> Result<()> {
        self.guards.try_ways()?;
        let mut lists = self.lists(class);
        let credits = lists.credits.checked_add(n).ok_or(Error::NoMemory)?;
        let guards = lists.cut.max(credits) - lists.guards_needed();
        self.guards.need(guards)?;
        if credits > lists.slots {
            let missing = credits - lists.slots;
            self.grow(&mut lists, class, missing).inspect_err(|_| self.guards.need_less(guards))?;
        }
        lists.credits = credits;
        Ok(())
    }

    /// Takes `n` credits of `class` back.
    pub fn unreserve(&self, class: Class, n: usize) {
        let mut lists = self.lists(class);
        debug_assert!(n <= lists.credits);
        let before = lists.guards_needed();
        lists.credits = lists.credits.saturating_sub(n);
        self.guards.need_less(before - lists.guards_needed());
    }

    /// Moves up to `n` slots of `class` to the end of `out`, at least one, and says how many. `n` is at most
    /// the credits that the caller holds beyond the slots that it has: then this fails only if the kernel has
    /// no memory for a guard. Without a credit it may also fail for want of address space.
    pub fn take(&self, class: Class, out: &mut Vec<Stack>, n: usize) -> Result<usize> {
        let n = n.max(1);
        out.try_reserve(n).map_err(|_| Error::NoMemory)?;
        self.guards.try_ways()?;
        let mut lists = self.lists(class);
        loop {
            let got = lists.take(out, n);
            if got > 0 {
                return Ok(got);
            }
            let made;
            if lists.has_uncut() {
                let result;
                (lists, result) = self.cut(lists, class);
                made = result?;
            } else {
                made = self.grow(&mut lists, class, 1).is_ok();
            }
            if !made {
                if lists.busy == 0 {
                    return Err(Error::NoMemory);
                }
                // A cut or a trim elsewhere brings its slots back within a few system calls.
                drop(lists);
                yield_thread();
                lists = self.lists(class);
            }
        }
    }

    /// Gives a batch of uncut slots their guards. False if there may be no more guards.
    fn cut<'a>(&'a self, mut lists: MutexGuard<'a, Lists>, class: Class) -> (MutexGuard<'a, Lists>, Result<bool>) {
        let needed = lists.guards_needed();
        // With guards that are mappings a whole batch could pass their limit; the last ones go one by one.
        for batch in [guard::BATCH, 1] {
            let Some((low, count)) = lists.begin_cut(batch) else { break };
            let more = lists.guards_needed() - needed;
            if self.guards.need(more).is_err() {
                lists.abort_cut(low, count);
                continue;
            }
            drop(lists);
            // SAFETY: `begin_cut` took the slots out of the lists, so they are ours alone until they go back.
            let result = unsafe { self.guards.install(low, count, class) };
            lists = self.lists(class);
            if result.is_ok() {
                lists.finish_cut(low, count);
            } else {
                let before = lists.guards_needed();
                lists.abort_cut(low, count);
                self.guards.need_less(before - lists.guards_needed());
            }
            return (lists, result.map(|()| true));
        }
        (lists, Ok(false))
    }

    /// Reserves address space for at least `missing` more slots: as much again as there is, if possible.
    fn grow(&self, lists: &mut Lists, class: Class, missing: usize) -> Result<()> {
        let least = missing.checked_mul(class.slot()).ok_or(Error::NoMemory)?;
        let ahead = (lists.slots * class.slot()).clamp(CHUNK, MOST_AHEAD);
        let wanted = least.max(ahead).checked_next_multiple_of(CHUNK).ok_or(Error::NoMemory)?;
        let (base, len) = match self.map(wanted, class) {
            Ok(base) => (base, wanted),
            Err(_) => (self.map(least, class)?, least),
        };
        let start = base.as_ptr().expose_provenance();
        let added = lists.make_room(len / class.slot()).is_ok() && self.chunks.add(Chunk { base: start, len, class });
        if !added {
            // SAFETY: just reserved, and nobody has heard of it.
            unsafe { mem::release(base, len) };
            return Err(Error::NoMemory);
        }
        lists.add_chunk(start, len);
        self.reserved.fetch_add(len, Ordering::Relaxed);
        Ok(())
    }

    fn map(&self, len: usize, class: Class) -> Result<NonNull<u8>> {
        if self.attempts.fetch_add(1, Ordering::Relaxed) + 1 >= self.first_failure {
            return Err(Error::NoMemory);
        }
        // At multiples of the slot, so that an address tells its slot; slots of one page table stay together.
        let base = mem::reserve(len, class.slot()).map_err(|_| Error::NoMemory)?;
        mem::no_huge(base, len);
        Ok(base)
    }

    /// Takes all of `stacks` back (of any classes), the last one first; none is left.
    pub fn give(&self, stacks: &mut Vec<Stack>) {
        while let Some(class) = stacks.last().map(Stack::class) {
            let mut lists = self.lists(class);
            while let Some(stack) = stacks.pop_if(|stack| stack.class() == class) {
                lists.give(stack);
            }
        }
    }

    /// Takes slots of one class back, in their order.
    pub(super) fn give_each(&self, class: Class, stacks: impl Iterator<Item = Stack>) {
        let mut lists = self.lists(class);
        stacks.for_each(|stack| lists.give(stack));
    }

    /// Gives memory of up to `max` slots back to the system, and says of how many. Only slots that have lain in
    /// the depot since the call before: at the first such call they keep their top page, at the next they lose
    /// that too. For the monitor, every few seconds.
    pub fn trim(&self, max: usize) -> usize {
        let mut left = max;
        for class in Class::ALL {
            left -= self.trim_class(class, Step::WarmToCold, left);
            left -= self.trim_class(class, Step::HotToWarm, left);
            let mut lists = self.lists(class);
            lists.hot.start_period();
            lists.warm.start_period();
        }
        max - left
    }

    fn trim_class(&self, class: Class, step: Step, max: usize) -> usize {
        let page = mem::page_size();
        let mut done = 0;
        while done < max {
            let mut slots = [0; TRIM_BATCH];
            let mut ranges: [Range; TRIM_BATCH] = [(0, 0); TRIM_BATCH];
            let mut count = 0;
            let mut lists = self.lists(class);
            while count < TRIM_BATCH.min(max - done) {
                let from = if step == Step::HotToWarm { &mut lists.hot } else { &mut lists.warm };
                let Some(low) = from.pop_untouched() else { break };
                let (limit, top_page) = (low + class.guard(), low + class.slot() - page);
                slots[count] = low;
                ranges[count] = if step == Step::HotToWarm { (limit, top_page - limit) } else { (top_page, page) };
                count += 1;
            }
            if count == 0 {
                break;
            }
            lists.busy += count;
            drop(lists);
            // SAFETY: the slots are out of the lists, so ours alone, and a free slot's content means nothing.
            // An error (locked memory) leaves the pages where they are; trying again would not help.
            let _ = unsafe { mem::drop_pages(&ranges[..count]) };
            let mut lists = self.lists(class);
            lists.busy -= count;
            for &low in &slots[..count] {
                match step {
                    Step::HotToWarm => lists.warm.push(low),
                    Step::WarmToCold => lists.cold.push(low),
                }
            }
            done += count;
        }
        done
    }

    /// Bytes of address space.
    pub fn bytes_reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Bytes of memory at least: one page for each slot outside the depot and for each in it that has its top
    /// page or more. Deeper pages and page tables are not counted: nobody knows them without asking the kernel.
    pub fn bytes_resident(&self) -> usize {
        let slots = Class::ALL.into_iter().map(|class| {
            let lists = self.lists(class);
            lists.out + lists.hot.len() + lists.warm.len()
        });
        slots.sum::<usize>() * mem::page_size()
    }

    /// The slot that `address` lies in, if it is one of ours. Takes no lock: for fault handlers and dumps.
    pub fn contains(&self, address: usize) -> Option<Place> {
        self.chunks.find(address)
    }

    /// Unmaps every chunk. The depot is as new afterwards, but for its switches.
    ///
    /// # Safety
    /// No code runs on any slot or will, and no [`Stack`] of this depot is given to it later.
    pub unsafe fn release_all(&self) {
        let mut all = Class::ALL.map(|class| Some(self.lists(class)));
        for chunk in self.chunks.iter() {
            if let Some(base) = NonNull::new(std::ptr::with_exposed_provenance_mut(chunk.base)) {
                // SAFETY: a chunk of ours; the caller's promise.
                unsafe { mem::release(base, chunk.len) };
            }
        }
        self.chunks.clear();
        for (class, lists) in Class::ALL.into_iter().zip(all.iter_mut().flatten()) {
            self.guards.need_less(lists.guards_needed());
            **lists = Lists::new(class);
        }
        self.reserved.store(0, Ordering::Relaxed);
    }
}

/// The two steps in which a free slot loses its pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    HotToWarm,
    WarmToCold,
}

impl Drop for Depot {
    /// Unmaps everything if every slot is back. If not, somebody may still run there, and the address space
    /// is left to the process.
    fn drop(&mut self) {
        if Class::ALL.into_iter().all(|class| self.lists(class).out == 0) {
            // SAFETY: no slot is outside, and `&mut self` says that nobody is inside.
            unsafe { self.release_all() };
        }
    }
}

/// What tests look at and do from inside.
#[cfg(test)]
impl Depot {
    pub(super) fn check(&self) {
        Class::ALL.into_iter().for_each(|class| self.lists(class).check());
    }

    pub(super) fn guards_are_mappings(&self) -> bool {
        self.guards.are_mappings()
    }

    pub(super) fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Runs `during` while all hot slots are aside, as they are during the system call of a trim.
    pub(super) fn with_hot_slots_aside(&self, class: Class, during: impl FnOnce()) {
        let mut lists = self.lists(class);
        lists.hot.start_period();
        let slots: Vec<usize> = std::iter::from_fn(|| lists.hot.pop_untouched()).collect();
        lists.busy += slots.len();
        drop(lists);
        during();
        let mut lists = self.lists(class);
        lists.busy -= slots.len();
        slots.into_iter().for_each(|low| lists.warm.push(low));
    }
}
