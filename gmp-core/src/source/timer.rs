//! Deadlines of waiting tasks: one heap per processor.
//!
//! Owns: the heap (4-ary, as Go's: shallower, and one cache line of entries a level), and the earliest expiry.
//!
//! Always true:
//!  - T1. A waiter with a deadline is in exactly one heap from its park's commit until it is taken out
//!        under that heap's lock: by [`Timers::expire`] or by its own task in [`Timers::remove`]. So the waiter,
//!        which lies on the task's stack, is never touched after its wait is over.
//!  - T2. `earliest` is the first entry's time whenever the lock is free.
//!
//! Called by: the commits of parking tasks (insert), tasks that go on (remove), machines that look for work and the monitor (expire).
//! Blocks: on the lock, briefly. It is never held across a switch.

use crate::base::error::{Error, Result};
use crate::primitive::{AtomicI64, Ordering::*, UnsafeCell};
use crate::task::ready_list::ReadyList;
use crate::task::waiter::Waiter;
use crate::task::Task;
use parking_lot::lock_api::RawMutex as _;
use parking_lot::RawMutex;

/// No timer: later than every deadline.
pub const NEVER: i64 = i64::MAX;
const ARITY: usize = 4;

#[derive(Clone, Copy)]
struct Entry {
    when: i64,
    waiter: *const Waiter,
}

/// See the module.
pub struct Timers {
    lock: RawMutex,
    heap: UnsafeCell<Vec<Entry>>,
    earliest: AtomicI64,
}

// SAFETY: the heap is touched only under the lock.
unsafe impl Sync for Timers {}
// SAFETY: as above.
unsafe impl Send for Timers {}

impl Default for Timers {
    fn default() -> Self {
        Timers { lock: RawMutex::INIT, heap: UnsafeCell::new(Vec::new()), earliest: AtomicI64::new(NEVER) }
    }
}

impl Timers {
    /// When the first deadline expires; [`NEVER`] when there is none.
    #[inline(always)]
    pub fn earliest(&self) -> i64 {
        self.earliest.load(Relaxed)
    }

    /// How many deadlines are pending.
    pub fn len(&self) -> usize {
        self.lock.lock();
        // SAFETY: locked.
        let n = unsafe { (*self.heap.get()).len() };
        self.unlock();
        n
    }

    /// True when none is pending.
    pub fn is_empty(&self) -> bool {
        self.earliest() == NEVER
    }

    /// Makes room for one more deadline. The heap's processor inserts it before anything else is inserted here: a
    /// park reserves, and its commit inserts, on the same machine.
    pub fn reserve(&self) -> Result<()> {
        self.lock.lock();
        // SAFETY: locked.
        let result = unsafe { (*self.heap.get()).try_reserve(1) };
        self.unlock();
        result.map_err(|_| Error::NoMemory)
    }

    /// Adds a deadline, in the place that [`Timers::reserve`] made, and leaves the heap locked: the deadline cannot
    /// expire before the commit has published the rest of the wait and unlocks.
    pub fn insert_locked(&self, when: i64, waiter: &Waiter) {
        self.lock.lock();
        // SAFETY: locked, and until the caller unlocks.
        let heap = unsafe { &mut *self.heap.get() };
        debug_assert!(heap.len() < heap.capacity());
        heap.push(Entry { when, waiter });
        let last = heap.len() - 1;
        up(heap, last);
        self.publish(heap);
    }

    /// Ends what [`Timers::insert_locked`] began.
    pub fn unlock(&self) {
        // SAFETY: the callers hold the lock.
        unsafe { self.lock.unlock() };
    }

    /// With the heap locked: takes out what was just inserted.
    pub fn remove_locked(&self, waiter: &Waiter) {
        // SAFETY: locked by the caller.
        let heap = unsafe { &mut *self.heap.get() };
        let at = waiter.slot.get() as usize;
        if at < heap.len() {
            take(heap, at);
            self.publish(heap);
        }
    }

    /// Takes a waiter's deadline out, if it is still in.
    pub fn remove(&self, waiter: &Waiter) {
        self.lock.lock();
        self.remove_locked(waiter);
        self.unlock();
    }

    /// Expires what is due at `now`: the tasks that won are handed back, to be made ready.
    pub fn expire(&self, now: i64, out: &mut ReadyList) -> u64 {
        if self.earliest() > now {
            return 0;
        }
        self.lock.lock();
        // SAFETY: locked.
        let heap = unsafe { &mut *self.heap.get() };
        let mut fired = 0;
        while heap.first().is_some_and(|e| e.when <= now) {
            let waiter = take(heap, 0);
            fired += 1;
            // SAFETY: T1: a waiter in the heap is valid while the lock is held. A claimed task stays parked until
            // whoever gets `out` makes it ready, so it may be listed.
            unsafe {
                if (*waiter).expire() {
                    out.push((*waiter).task() as *mut Task);
                }
            }
        }
        self.publish(heap);
        self.unlock();
        fired
    }

    fn publish(&self, heap: &[Entry]) {
        self.earliest.store(heap.first().map_or(NEVER, |e| e.when), Relaxed);
    }
}

fn set(heap: &mut [Entry], at: usize, e: Entry) {
    heap[at] = e;
    // SAFETY: T1: an entry's waiter is valid.
    unsafe { (*e.waiter).slot.set(at as u32) };
}

fn up(heap: &mut [Entry], mut at: usize) {
    let e = heap[at];
    while at > 0 {
        let parent = (at - 1) / ARITY;
        if heap[parent].when <= e.when {
            break;
        }
        set(heap, at, heap[parent]);
        at = parent;
    }
    set(heap, at, e);
}

fn down(heap: &mut [Entry], mut at: usize) {
    let e = heap[at];
    loop {
        let first = at * ARITY + 1;
        let last = (first + ARITY).min(heap.len());
        let Some(least) = (first..last).min_by_key(|&c| heap[c].when) else { break };
        if heap[least].when >= e.when {
            break;
        }
        set(heap, at, heap[least]);
        at = least;
    }
    set(heap, at, e);
}

fn take(heap: &mut Vec<Entry>, at: usize) -> *const Waiter {
    let gone = heap.swap_remove(at).waiter;
    if at < heap.len() {
        down(heap, at);
        up(heap, at);
    }
    // SAFETY: T1: the waiter is valid while the lock is held.
    unsafe { (*gone).slot.set(u32::MAX) };
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn expires_in_order_and_removes_from_the_middle() {
        let timers = Timers::default();
        let mut rng = Rng::new(11);
        let tasks: Vec<Task> = (0..500).map(Task::new).collect();
        let waiters: Vec<Waiter> = tasks.iter().map(|t| Waiter::new(t)).collect();
        let when: Vec<i64> = waiters.iter().map(|_| rng.below(10_000) as i64 + 1).collect();
        for (w, &at) in waiters.iter().zip(&when) {
            timers.reserve().unwrap();
            timers.insert_locked(at, w);
            timers.unlock();
        }
        for w in waiters.iter().step_by(3) {
            timers.remove(w);
            timers.remove(w);
        }
        let mut now = 0;
        let mut seen = 0;
        while !timers.is_empty() {
            assert!(timers.earliest() > now);
            now = timers.earliest();
            let mut out = ReadyList::new();
            timers.expire(now, &mut out);
            while let Some(t) = out.pop() {
                // SAFETY: one of `tasks`.
                let i = unsafe { (*t).index } as usize;
                assert!(when[i] == now && !i.is_multiple_of(3));
                seen += 1;
            }
        }
        assert_eq!(seen, waiters.len() - waiters.len().div_ceil(3));
        assert_eq!(timers.len(), 0);
    }
}
