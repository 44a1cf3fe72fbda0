//! What Mutex, RLock and Condition are made of: a lock that one task or thread holds at a time.
//!
//! Owns: the lock's word and the order of those who wait for it.
//!
//! Always true:
//!  - L1. All of it is guarded by the GIL. `locked` is set by who takes the lock, cleared by who releases it.
//!  - L2. While the lock is free and nobody was woken for it (`woken`), nobody waits. A woken waiter takes the lock, or
//!    finds it taken by another, whose release wakes the next.
//!  - L3. A lock that is handed over stays `locked`; who got it owns it, also when its wait failed meanwhile: then it
//!    passes the lock on.
//!
//! A release wakes the first waiter and leaves the lock free: who comes by first has it, so a task that releases and
//! takes again at once is not switched out each time. A waiter that was woken in vain and has waited for a millisecond
//! makes the lock *starving*: from then on it is handed over in the order of waiting, until a waiter gets it that has
//! waited for less, or is the last. Go's mutex does the same.
//!
//! Called with the GIL held. `take` waits; `release` may let others have their turn once the lock is released.
//!
//! Tried and dropped: hand-over at every release (docs/DECISIONS.md has the numbers).

use crate::queue::{self, Node, Queue};
use crate::wait::{self, Wake};
use crate::{abi, exit};

/// How long a waiter lets others overtake it.
const PATIENCE_NS: i64 = 1_000_000;

/// What a granted node was given.
const WOKEN: u8 = 0;
const HANDED: u8 = 1;

/// All-zero is a free lock.
#[repr(C)]
pub struct Lock {
    queue: Queue,
    /// The fork generation of the queue and of the three marks below.
    epoch: u32,
    locked: bool,
    /// One waiter was woken and has not looked yet.
    woken: bool,
    starving: bool,
    /// The lock was handed over and its new owner has not run yet.
    handed: bool,
}

impl Lock {
    #[inline(always)]
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// Takes the lock if it is free.
    #[inline(always)]
    pub fn try_take(&mut self) -> bool {
        !std::mem::replace(&mut self.locked, true)
    }

    /// As made: for a fork's child.
    pub fn reset(&mut self) {
        self.queue.forget();
        self.epoch = exit::epoch();
        self.locked = false;
        self.woken = false;
        self.starving = false;
        self.handed = false;
    }

    /// Drops what a fork left behind of the parent's waiters.
    fn refresh(&mut self) {
        if self.epoch != exit::epoch() {
            let locked = self.locked && !self.handed;
            self.reset();
            self.locked = locked;
        }
    }

    /// Takes the lock, waiting for it until the deadline. `Signaled`: it is the caller's.
    ///
    /// # Safety
    /// The GIL is held; the lock lives until this returns.
    #[inline(always)]
    pub unsafe fn take(lock: *mut Lock, deadline: i64) -> Wake {
        // SAFETY: as the caller promises.
        unsafe {
            if (*lock).try_take() {
                return Wake::Signaled;
            }
            Lock::wait(lock, deadline)
        }
    }

    #[inline(never)]
    unsafe fn wait(lock: *mut Lock, deadline: i64) -> Wake {
        // SAFETY: as `take`. No reference to the lock lives across a call that enters the runtime.
        unsafe {
            (*lock).refresh();
            if (*lock).try_take() {
                return Wake::Signaled;
            }
            if deadline == abi::NOWAIT {
                return Wake::TimedOut;
            }
            if !wait::may_enter() {
                return Wake::Raised;
            }
            let since = abi::gmp_now();
            let mut overtaken = false;
            loop {
                let mut node = Node::new(WOKEN);
                node.arm();
                if (*lock).try_take() {
                    return Wake::Signaled; // released while the node was armed
                }
                if overtaken {
                    (*lock).queue.push_front(&mut node);
                } else {
                    (*lock).queue.push(&mut node);
                }
                let woke = Node::sleep(&mut node, deadline);
                if !node.granted {
                    if (*lock).queue.is_empty() {
                        (*lock).starving = false;
                    }
                    return woke;
                }
                if node.kind == HANDED {
                    (*lock).handed = false;
                    if (*lock).queue.is_empty() || abi::gmp_now() - since < PATIENCE_NS {
                        (*lock).starving = false;
                    }
                    if woke == Wake::Raised {
                        Lock::release(lock);
                        return woke;
                    }
                    return Wake::Signaled;
                }
                (*lock).woken = false;
                if woke == Wake::Raised {
                    Lock::pass_on(lock);
                    return woke;
                }
                if (*lock).try_take() {
                    return Wake::Signaled;
                }
                if woke == Wake::TimedOut {
                    return woke;
                }
                overtaken = true;
                if abi::gmp_now() - since >= PATIENCE_NS {
                    (*lock).starving = true;
                }
            }
        }
    }

    /// Releases the lock. Others may have their turn before this returns.
    ///
    /// # Safety
    /// The GIL is held; the lock is locked, and lives until this returns.
    #[inline(always)]
    pub unsafe fn release(lock: *mut Lock) {
        // SAFETY: as the caller promises.
        unsafe {
            if (*lock).queue.is_empty() {
                (*lock).locked = false;
            } else {
                Lock::release_to_waiter(lock);
            }
        }
    }

    #[inline(never)]
    unsafe fn release_to_waiter(lock: *mut Lock) {
        // SAFETY: as `release`; the node is signaled last.
        unsafe {
            (*lock).refresh();
            if !(*lock).starving {
                (*lock).locked = false;
                Lock::pass_on(lock);
                return;
            }
            let node = (*lock).queue.take();
            if node.is_null() {
                (*lock).starving = false;
                (*lock).locked = false;
                return;
            }
            (*node).kind = HANDED;
            (*lock).handed = true;
            Node::signal(node);
        }
    }

    /// Wakes the next waiter of a free lock, unless one is on its way.
    unsafe fn pass_on(lock: *mut Lock) {
        // SAFETY: as `release`; the node is signaled last.
        unsafe {
            if (*lock).locked || (*lock).woken {
                return;
            }
            let node = (*lock).queue.take();
            if !node.is_null() {
                (*lock).woken = true;
                Node::signal(node);
            }
        }
    }

    /// Whether the caller may release the lock now: false with an exception set, see `queue::may_signal`.
    ///
    /// # Safety
    /// The GIL is held.
    #[inline(always)]
    pub unsafe fn may_release(&self) -> bool {
        // SAFETY: the GIL is held.
        self.queue.is_empty() || unsafe { queue::may_signal() }
    }
}
