//! Deadlines of waiting tasks, and timers: one heap per processor.
//!
//! Owns: the heap (4-ary, as Go's: shallower, and one cache line of entries a level), and the earliest expiry.
//!
//! Always true:
//!  - T1. What is in a heap stays valid until it is taken out under that heap's lock: by [`Timers::expire`], or by its
//!        owner in [`Timers::remove`]. So a waiter, which lies on its task's stack, is not touched after its wait is over,
//!        and a timer holds a reference to itself while it is in (which passes to whoever takes it out).
//!  - T2. `earliest` is the first entry's time whenever the lock is free.
//!  - T3. There is room for every place that was reserved and not used.
//!
//! Called by: the commits of parking tasks and whoever starts a timer (insert), tasks that go on and whoever stops one
//! (remove), machines that look for work (expire).
//! Blocks: on the lock, briefly. A leaf: nothing else is locked under it, and it is never held across a switch.

use crate::base::error::{Error, Result};
use crate::primitive::{AtomicI64, Cell, Mutex, Ordering::*};
use crate::task::ready_list::ReadyList;
use crate::task::wait_word::Expiry;
use crate::task::waiter::Waiter;
use crate::task::Task;

/// No timer: later than every deadline.
pub const NEVER: i64 = i64::MAX;
const ARITY: usize = 4;
const NOWHERE: u32 = u32::MAX;

/// What can lie in a heap: the first field of a waiter or of a timer.
#[derive(Debug)]
pub struct Timed {
    /// Where it lies in its heap. Under that heap's lock.
    slot: Cell<u32>,
    /// Which way to go when it is due; None: it is a waiter's.
    fire: Option<Fire>,
}

/// Called, with the heap unlocked, for a timer that was due at `when`; the heap's reference passes to it. On a machine,
/// inside with a processor; or, with [`NEVER`], when the runtime ends: then it only gives the reference up.
pub type Fire = unsafe fn(timed: *const Timed, when: i64);

impl Timed {
    /// A waiter's.
    #[inline(always)]
    pub fn waiter() -> Timed {
        Timed { slot: Cell::new(NOWHERE), fire: None }
    }

    /// A timer's.
    pub fn timer(fire: Fire) -> Timed {
        Timed { slot: Cell::new(NOWHERE), fire: Some(fire) }
    }
}

impl Timed {
    /// What to call for a timer.
    pub fn fire(&self) -> Option<Fire> {
        self.fire
    }
}

#[derive(Clone, Copy)]
struct Entry {
    when: i64,
    timed: *const Timed,
}

#[derive(Default)]
struct Heap {
    entries: Vec<Entry>,
    reserved: usize,
}

/// See the module.
pub struct Timers {
    heap: Mutex<Heap>,
    earliest: AtomicI64,
}

// SAFETY: T1: what the heap's entries name stays, whichever thread looks.
unsafe impl Sync for Timers {}
// SAFETY: as above.
unsafe impl Send for Timers {}

impl Default for Timers {
    fn default() -> Self {
        Timers { heap: Mutex::default(), earliest: AtomicI64::new(NEVER) }
    }
}

impl Timers {
    /// When the first deadline expires; [`NEVER`] when there is none.
    #[inline(always)]
    pub fn earliest(&self) -> i64 {
        self.earliest.load(Relaxed)
    }

    fn locked<R>(&self, f: impl FnOnce(&mut Heap) -> R) -> R {
        let mut heap = self.heap.lock();
        let result = f(&mut heap);
        self.earliest.store(heap.entries.first().map_or(NEVER, |e| e.when), Relaxed);
        result
    }

    /// How many deadlines and timers are pending.
    pub fn len(&self) -> usize {
        self.locked(|heap| heap.entries.len())
    }

    /// True when none is pending.
    pub fn is_empty(&self) -> bool {
        self.earliest() == NEVER
    }

    /// Makes room for one more, to be used by [`Timers::insert`].
    pub fn reserve(&self) -> Result<()> {
        self.locked(|heap| {
            heap.entries.try_reserve(heap.reserved + 1).map_err(|_| Error::NoMemory)?;
            heap.reserved += 1;
            Ok(())
        })
    }

    /// Gives a reserved place back.
    pub fn unreserve(&self) {
        self.locked(|heap| heap.reserved -= 1);
    }

    /// Adds a deadline in a reserved place. True: it is the earliest now.
    ///
    /// # Safety
    /// `timed` is in no heap, and valid until it is taken out of this one (T1).
    pub unsafe fn insert(&self, when: i64, timed: *const Timed) -> bool {
        self.locked(|heap| {
            debug_assert!(heap.reserved > 0 && heap.entries.len() < heap.entries.capacity());
            heap.reserved -= 1;
            heap.entries.push(Entry { when, timed });
            let last = heap.entries.len() - 1;
            up(&mut heap.entries, last);
            // SAFETY: valid, by the caller's promise.
            unsafe { (*timed).slot.get() == 0 }
        })
    }

    /// Takes one out, if it is still in.
    pub fn remove(&self, timed: &Timed) -> bool {
        self.locked(|heap| {
            let at = timed.slot.get() as usize;
            let found = at < heap.entries.len();
            if found {
                take(&mut heap.entries, at);
            }
            found
        })
    }

    /// Takes one out whoever it is: for a runtime that ends. The reference passes to the caller.
    pub fn pop_any(&self) -> Option<*const Timed> {
        self.locked(|heap| (!heap.entries.is_empty()).then(|| take(&mut heap.entries, 0)))
    }

    /// Expires what is due at `now`: tasks whose wait that ended are handed back, to be made ready; timers are fired.
    /// Says how many were due.
    pub fn expire(&self, now: i64, out: &mut ReadyList) -> u64 {
        let mut due = 0;
        while self.earliest() <= now {
            let timer = self.locked(|heap| {
                while heap.entries.first().is_some_and(|e| e.when <= now) {
                    let when = heap.entries[0].when;
                    let timed = take(&mut heap.entries, 0);
                    due += 1;
                    // SAFETY: T1: valid while the lock is held. A claimed task stays parked until whoever gets `out`
                    // makes it ready, so it may be listed. A waiter begins with its `Timed`.
                    unsafe {
                        if let Some(fire) = (*timed).fire {
                            return Some((fire, timed, when));
                        }
                        let waiter = timed as *const Waiter;
                        if (*waiter).word().expire() == Expiry::Won {
                            out.push((*waiter).task() as *mut Task);
                        }
                    }
                }
                None
            });
            if let Some((fire, timed, when)) = timer {
                // SAFETY: taken out just now: the heap's reference is the call's.
                unsafe { fire(timed, when) };
            }
        }
        due
    }
}

fn set(heap: &mut [Entry], at: usize, e: Entry) {
    heap[at] = e;
    // SAFETY: T1: what an entry names is valid.
    unsafe { (*e.timed).slot.set(at as u32) };
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

fn take(heap: &mut Vec<Entry>, at: usize) -> *const Timed {
    let gone = heap.swap_remove(at).timed;
    if at < heap.len() {
        down(heap, at);
        up(heap, at);
    }
    // SAFETY: T1: valid while the lock is held.
    unsafe { (*gone).slot.set(NOWHERE) };
    gone
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn expires_in_order_and_removes_from_the_middle() {
        let timers = Timers::default();
        let mut rng = Rng::new(11);
        let tasks: Vec<Task> = (0..500).map(Task::new).collect();
        let waiters: Vec<Waiter> = tasks.iter().map(|t| Waiter::for_task(t, &t.wait, std::ptr::null())).collect();
        let when: Vec<i64> = waiters.iter().map(|_| rng.below(10_000) as i64 + 1).collect();
        for (w, &at) in waiters.iter().zip(&when) {
            w.begin(crate::task::wait_word::Enders::Several, true);
            timers.reserve().unwrap();
            // SAFETY: in no heap, and outlives this one.
            unsafe { timers.insert(at, &w.timed) };
            assert!(w.arm());
        }
        for w in waiters.iter().step_by(3) {
            assert!(timers.remove(&w.timed));
            assert!(!timers.remove(&w.timed));
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
