//! The wait group: a count, and those who wait for it to become zero (§22.11–22.15).
//!
//! Owns: 16 bytes: the count with two flag bits, and the list of waiters.
//!
//! Always true:
//!  - G1. The list is touched with the `LOCK` bit set only. Whoever brings the count to zero while somebody waits takes
//!        the lock in the same step, so a count of zero without the lock means that the group's memory is not touched
//!        any more by anyone whose call is still returning: it may be freed.
//!  - G2. A waiter is in the list, or was taken out by the party that will wake it.
//!  - G3. A waiting task enters the list in its park's commit, when its registers are saved; `LOCK` is never held across
//!        a switch.
//!
//! Model: `model/wait_group.rs`, breaking switch [`Break::WaitGroupUnlockFirst`].

use crate::base::error::{Error, Result};
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{spin_hint, AtomicPtr, AtomicU64, Ordering::*};
use crate::task::waiter::Waiter;
use std::ptr::null_mut;

const LOCK: u64 = 1;
const WAITERS: u64 = 2;
const SHIFT: u32 = 2;
/// The largest count.
pub const MAX: i64 = i64::MAX >> SHIFT;

/// See the module.
#[repr(C)]
#[derive(Debug)]
pub struct WaitGroup {
    state: AtomicU64,
    /// The newest waiter of a ring: its `next` is the oldest, so that waking in order needs one pass.
    list: AtomicPtr<Waiter>,
}

impl Default for WaitGroup {
    fn default() -> Self {
        WaitGroup { state: AtomicU64::new(0), list: AtomicPtr::new(null_mut()) }
    }
}

/// What a wait finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The count is zero.
    Zero,
    /// It is not, and the group is locked now: add the waiter, then unlock.
    Locked,
}

impl WaitGroup {
    /// Changes the count by `n`. `Ok(list)`: it became zero, wake these (oldest first; null when nobody waits).
    /// `Misuse`, and no change, below zero or above [`MAX`].
    #[must_use = "the waiters must be woken"]
    pub fn add(&self, n: i64) -> Result<*const Waiter> {
        let mut state = self.state.load(Relaxed);
        loop {
            if state & LOCK != 0 {
                state = self.reload();
                continue;
            }
            let count = (state >> SHIFT) as i64;
            let new = count.checked_add(n).filter(|new| (0..=MAX).contains(new)).ok_or(Error::Misuse)?;
            let last = new == 0 && state & WAITERS != 0;
            let next = if last { LOCK } else { (new as u64) << SHIFT | state & WAITERS };
            // Release: what was done before `done` is visible to who waits; Acquire: the list, and the other dones.
            match self.state.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) if last => return Ok(self.take_list()),
                Ok(_) => return Ok(std::ptr::null()),
                Err(now) => state = now,
            }
        }
    }

    #[cold]
    fn reload(&self) -> u64 {
        spin_hint();
        self.state.load(Relaxed)
    }

    /// With the lock held and the count zero: the waiters, oldest first; unlocks. The last touch of the group's memory.
    fn take_list(&self) -> *const Waiter {
        #[cfg(loom)]
        if Break::WaitGroupUnlockFirst.is_on() {
            self.state.store(0, Release);
            return open(self.list.swap(null_mut(), Relaxed));
        }
        let newest = self.list.load(Relaxed);
        self.list.store(null_mut(), Relaxed);
        self.state.store(0, Release);
        open(newest)
    }

    /// True when the count is zero.
    pub fn is_zero(&self) -> bool {
        let mut state = self.state.load(Acquire);
        while state & LOCK != 0 && state >> SHIFT == 0 {
            spin_hint();
            state = self.state.load(Acquire);
        }
        state >> SHIFT == 0
    }

    /// Looks, and locks the group if the count is not zero.
    pub fn lock_unless_zero(&self) -> Found {
        let mut state = self.state.load(Acquire);
        loop {
            if state & LOCK == 0 {
                if state >> SHIFT == 0 {
                    return Found::Zero;
                }
                match self.state.compare_exchange_weak(state, state | LOCK | WAITERS, Acquire, Acquire) {
                    Ok(_) => return Found::Locked,
                    Err(now) => state = now,
                }
            } else {
                spin_hint();
                state = self.state.load(Acquire);
            }
        }
    }

    /// With the lock held: adds a waiter.
    pub fn push(&self, waiter: &Waiter) {
        let newest = self.list.load(Relaxed);
        if newest.is_null() {
            waiter.next.set(waiter);
        } else {
            // SAFETY: a waiter in the list is valid while the lock is held (G2).
            waiter.next.set(unsafe { (*newest).next.replace(waiter) });
        }
        self.list.store(waiter as *const Waiter as *mut Waiter, Relaxed);
    }

    /// Ends [`WaitGroup::lock_unless_zero`].
    pub fn unlock(&self) {
        let waiting = !self.list.load(Relaxed).is_null();
        let state = self.state.load(Relaxed);
        let keep = if waiting { state & !LOCK } else { state & !(LOCK | WAITERS) };
        self.state.store(keep, Release);
    }

    /// Takes a waiter out whose deadline has passed. False: it was taken out by a waker meanwhile.
    pub fn leave(&self, waiter: &Waiter) -> bool {
        if self.lock_unless_zero() == Found::Zero {
            return false;
        }
        let found = self.unlink(waiter);
        self.unlock();
        found
    }

    /// With the lock held: takes a waiter out.
    pub fn unlink(&self, waiter: &Waiter) -> bool {
        let newest = self.list.load(Relaxed) as *const Waiter;
        let mut at = newest;
        while !at.is_null() {
            // SAFETY: a waiter in the list is valid while the lock is held (G2).
            let w = unsafe { &*at };
            if std::ptr::eq(w.next.get(), waiter) {
                w.next.set(waiter.next.get());
                if std::ptr::eq(newest, waiter) {
                    let left = if std::ptr::eq(at, waiter) { std::ptr::null() } else { at };
                    self.list.store(left as *mut Waiter, Relaxed);
                }
                return true;
            }
            at = w.next.get();
            if std::ptr::eq(at, newest) {
                return false;
            }
        }
        false
    }
}

/// Opens a ring at its newest waiter: the oldest, with null after the newest.
fn open(newest: *const Waiter) -> *const Waiter {
    if newest.is_null() {
        return newest;
    }
    // SAFETY: the ring was taken out of the group by the caller: its waiters are valid until woken.
    unsafe { (*newest).next.replace(std::ptr::null()) }
}

#[cfg(loom)]
impl WaitGroup {
    /// Its memory is given back: an access that is not over by now is an error of the protocol, which loom reports.
    ///
    /// # Safety
    /// `this` stays valid; no reference to it is used during the call.
    pub unsafe fn free(this: *mut WaitGroup) {
        // SAFETY: the caller's promise.
        unsafe {
            (*this).state.with_mut(|_| ());
            (*this).list.with_mut(|_| ());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn counts_and_refuses_to_go_below_zero() {
        let g = WaitGroup::default();
        assert!(g.is_zero());
        assert!(g.add(2).unwrap().is_null());
        assert!(!g.is_zero());
        assert_eq!(g.add(-3), Err(Error::Misuse));
        assert_eq!(g.add(i64::MAX), Err(Error::Misuse));
        assert!(g.add(-2).unwrap().is_null());
        assert!(g.is_zero());
        assert_eq!(g.add(-1), Err(Error::Misuse));
        assert_eq!(std::mem::size_of::<WaitGroup>(), 16);
    }

    #[test]
    fn a_waiter_that_leaves_is_not_handed_out() {
        let g = WaitGroup::default();
        let (a, b) = (Waiter::new(std::ptr::null()), Waiter::new(std::ptr::null()));
        assert_eq!(g.lock_unless_zero(), Found::Zero);
        assert!(g.add(1).unwrap().is_null());
        for w in [&a, &b] {
            assert_eq!(g.lock_unless_zero(), Found::Locked);
            g.push(w);
            g.unlock();
        }
        assert!(g.leave(&a));
        assert!(!g.leave(&a));
        assert_eq!(g.add(-1).unwrap(), &b as *const Waiter);
        assert!(g.is_zero());
    }
}
