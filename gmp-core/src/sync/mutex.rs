//! The mutex: who holds it, who waits, and whether somebody is awake to take it next (§22.1–22.6).
//!
//! Owns: 16 bytes: a word of flag bits, who took it last, and the wait queue. `locking.rs` is how tasks and threads use it.
//!
//! | bit | means |
//! |---|---|
//! | `HELD` | somebody holds it, or it is on its way to a waiter (`STARVING`) |
//! | `LOCK` | somebody changes the queue |
//! | `WAITERS` | somebody is queued |
//! | `WOKEN` | somebody who is awake will take it, or queue again: an unlock need wake nobody |
//! | `STARVING` | an unlock gives it to the oldest waiter, who has waited for long |
//! | `ASKED` | the unlock shall let others on the processor, who have waited for long: set by the holder |
//!
//! Always true:
//!  - M1. Setting `HELD` where it was clear takes the mutex, whatever the other bits: newcomers may go before those who wait
//!        (`STARVING` is only ever set while `HELD` is, and a starving unlock leaves `HELD` set).
//!  - M2. `LOCK` is only ever set together with `WAITERS`. While it is set, `HELD` is cleared only by its holder, or by an
//!        unlock that finds `WOKEN`.
//!  - M3. No wake is lost. A waiter queues with one step that finds `HELD` and sets `LOCK` and `WAITERS`; from then on an
//!        unlock either takes the lock after it, and wakes the oldest; or finds `WOKEN`, whose owner looks at `HELD` in the
//!        very step that clears the bit: it takes the mutex, or queues itself, or (giving up) wakes another.
//!  - M4. An unlock's last touch is the step that gives `HELD` up, or away; who is woken by it was claimed before. So the
//!        memory may be freed by whoever locks and unlocks it next.
//!
//! Model: `model/mutex.rs`, breaking switches `MutexGivenUp`, `MutexWakeForgotten`.
//!
//! Tried and dropped: Go's unlock (subtract, then look who waits), whose look comes after others may have freed the memory.

use crate::base::error::{Error, Result};
use crate::base::lock::Pause;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{sanitizer, AtomicU32, Ordering::*};
use crate::task::wait_queue::{Claimed, Node, WaitQueue};

const HELD: u32 = 1;
const LOCK: u32 = 2;
const WAITERS: u32 = 4;
const WOKEN: u32 = 8;
const STARVING: u32 = 16;
const ASKED: u32 = 32;
/// Others wait, and one of them is awake: what most unlocks of a busy mutex find.
const BUSY: u32 = HELD | WAITERS | WOKEN;

/// In a claimed node: the mutex is its waiter's.
pub const GIVEN: u32 = 1;

/// See the module.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Mutex {
    state: AtomicU32,
    /// Who took it last (`sema::caller`). For reports: written by the holder when it has it, never looked at here.
    taker: AtomicU32,
    queue: WaitQueue,
}

/// What a waiter tells when it queues.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// It has waited and been woken: `WOKEN` is its own, and the queue's oldest place.
    pub woken: bool,
    /// It has waited for long.
    pub starving: bool,
}

impl Mutex {
    /// Takes it if nobody holds it.
    #[inline(always)]
    #[must_use]
    pub fn try_lock(&self) -> bool {
        // Acquire: what was done under the mutex before.
        self.state.fetch_or(HELD, Acquire) & HELD == 0
    }

    /// True while somebody holds it.
    #[inline(always)]
    pub fn is_held(&self) -> bool {
        self.state.load(Relaxed) & HELD != 0
    }

    /// By who has taken it, before it does anything else.
    #[inline(always)]
    pub fn set_taker(&self, who: u32) {
        // A model need not look at what nobody reads.
        if !cfg!(loom) {
            self.taker.store(who, Relaxed);
        }
    }

    /// Who holds it, as [`Mutex::set_taker`] was told; None while nobody does.
    pub fn holder(&self) -> Option<u32> {
        self.is_held().then(|| self.taker.load(Relaxed))
    }

    /// True while a newcomer can only queue.
    pub fn is_starving(&self) -> bool {
        self.state.load(Relaxed) & STARVING != 0
    }

    /// By the holder: its unlock takes the long way. (The short way of an unlock has no room for the question who waits for
    /// the processor, that of a lock has: its answer comes while the step that takes the mutex is under way.)
    #[cold]
    #[inline(never)]
    pub fn ask(&self) {
        self.state.fetch_or(ASKED, Relaxed);
    }

    /// Gives it up if it is held and nothing else is to be done.
    #[inline(always)]
    #[must_use]
    pub fn try_release(&self) -> bool {
        // Release: what was done under the mutex is visible to who takes it next.
        match self.state.compare_exchange(HELD, 0, Release, Relaxed) {
            Ok(_) => true,
            Err(state) => self.try_release_busy(state),
        }
    }

    /// Inlined, but out of the short way.
    #[cold]
    #[inline(always)]
    fn try_release_busy(&self, state: u32) -> bool {
        match state {
            BUSY => self.state.compare_exchange(BUSY, BUSY & !HELD, Release, Relaxed).is_ok(),
            _ => false,
        }
    }

    /// Gives it up. `Ok(claimed)`: this one is to be woken. `Misuse`, and no change, when nobody holds it.
    pub fn release(&self) -> Result<Claimed> {
        sanitizer::released(self);
        let mut state = self.state.load(Relaxed);
        let mut pause = Pause::new();
        loop {
            if state & HELD == 0 {
                return Err(Error::Misuse);
            }
            let nobody_to_wake = state & STARVING == 0 && (state & WOKEN != 0 || state & WAITERS == 0);
            let next = match state {
                _ if nobody_to_wake => state & !(HELD | ASKED),
                _ if state & LOCK == 0 => state | LOCK,
                _ => {
                    pause.once();
                    state = self.state.load(Relaxed);
                    continue;
                }
            };
            match self.state.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) if nobody_to_wake => return Ok(Claimed::none()),
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        Ok(self.pass_on(state & STARVING != 0))
    }

    /// With the lock held, and the mutex: gives the mutex to the oldest waiter, or up and has that one woken.
    fn pass_on(&self, starving: bool) -> Claimed {
        let mut claimed = Claimed::none();
        let node = self.queue.claim();
        if let Some(node) = node {
            node.tag.set(if starving { GIVEN } else { 0 });
            claimed.push(node);
        }
        match (node.is_some(), starving) {
            #[cfg(loom)]
            (true, true) if Break::MutexGivenUp.is_on() => self.unlock_queue(HELD | ASKED, 0),
            (true, true) => self.unlock_queue(ASKED, 0),
            (true, false) => self.unlock_queue(HELD | ASKED, WOKEN),
            // Those in the queue have stopped waiting.
            (false, _) => self.unlock_queue(HELD | STARVING | ASKED, 0),
        }
        claimed
    }

    /// Gives the queue's lock up, with other changes in the same step.
    fn unlock_queue(&self, clear: u32, set: u32) {
        let empty = if self.queue.is_empty() { WAITERS | STARVING } else { 0 };
        let clear = !(clear | LOCK | empty);
        let mut state = self.state.load(Relaxed);
        // In a loop: an owner of `WOKEN` may clear that without the lock, and who finds `HELD` clear may set it.
        while let Err(now) = self.state.compare_exchange_weak(state, state & clear | set, AcqRel, Relaxed) {
            state = now;
        }
    }

    fn lock_queue(&self) {
        let mut pause = Pause::new();
        while self.state.load(Relaxed) & LOCK != 0 || self.state.fetch_or(LOCK, Acquire) & LOCK != 0 {
            pause.once();
        }
    }

    /// Takes the mutex if nobody holds it, with `WOKEN` given back in the same step.
    #[must_use]
    pub fn try_lock_woken(&self) -> bool {
        let mut state = self.state.load(Relaxed);
        while state & HELD == 0 {
            match self.state.compare_exchange_weak(state, (state | HELD) & !WOKEN, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// For one who spins: tells unlocks that somebody is awake. True: `WOKEN` is the caller's to clear.
    #[must_use]
    pub fn tell_awake(&self) -> bool {
        let state = self.state.load(Relaxed);
        // Not under the lock, where an unlock may be about to wake somebody.
        state & (HELD | LOCK | WAITERS | WOKEN | STARVING) == HELD | WAITERS
            && self.state.compare_exchange(state, state | WOKEN, Relaxed, Relaxed).is_ok()
    }

    /// Takes the mutex if nobody holds it (None), else puts `node` in; `arm` is the last step. `WOKEN` is given back if it
    /// was the waiter's own.
    pub fn enlist(&self, node: &Node, turn: Turn, arm: impl FnOnce() -> bool) -> Option<bool> {
        let mine = if turn.woken { WOKEN } else { 0 };
        let starving = if turn.starving { STARVING } else { 0 };
        let mut pause = Pause::new();
        let mut state = self.state.load(Relaxed);
        loop {
            let next = match state {
                _ if state & HELD == 0 => (state | HELD) & !mine,
                _ if state & LOCK == 0 => state & !mine | LOCK | WAITERS | starving,
                _ => {
                    pause.once();
                    state = self.state.load(Relaxed);
                    continue;
                }
            };
            match self.state.compare_exchange_weak(state, next, Acquire, Relaxed) {
                Ok(_) if state & HELD == 0 => return None,
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        if turn.woken {
            self.queue.push_front(node);
        } else {
            self.queue.push(node);
        }
        let armed = arm();
        if !armed {
            self.queue.remove(node);
        }
        self.unlock_queue(0, 0);
        Some(armed)
    }

    /// Takes a waiter out that has stopped waiting.
    pub fn leave(&self, node: &Node) {
        self.lock_queue();
        self.queue.remove(node);
        self.unlock_queue(0, 0);
    }

    /// The owner of `WOKEN` does not want the mutex any more: gives the bit back, or to this one, who is to be woken.
    pub fn give_wake_back(&self) -> Claimed {
        #[cfg(loom)]
        if Break::MutexWakeForgotten.is_on() {
            self.state.fetch_and(!WOKEN, AcqRel);
            return Claimed::none();
        }
        let mut pause = Pause::new();
        let mut state = self.state.load(Relaxed);
        loop {
            let next = match state {
                // The holder's unlock will see to those who wait, if any.
                _ if state & HELD != 0 || state & WAITERS == 0 => state & !WOKEN,
                _ if state & LOCK == 0 => state | LOCK,
                _ => {
                    pause.once();
                    state = self.state.load(Relaxed);
                    continue;
                }
            };
            match self.state.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) if next & WOKEN == 0 => return Claimed::none(),
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        let mut claimed = Claimed::none();
        match self.queue.claim() {
            Some(node) => {
                node.tag.set(0);
                claimed.push(node);
                self.unlock_queue(0, 0);
            }
            None => self.unlock_queue(WOKEN, 0),
        }
        claimed
    }

    /// The holder, who was given it, has not waited for long: unlocks wake again instead of giving.
    pub fn end_starving(&self) {
        self.state.fetch_and(!STARVING, Relaxed);
    }
}

#[cfg(loom)]
impl Drop for Mutex {
    /// Its memory is given back: an access that is not over by now is an error of the protocol, which loom reports.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.state.with_mut(|_| ());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::task::waiter::Waiter;

    fn queue(m: &Mutex, w: &Waiter, n: &Node, turn: Turn) -> Option<bool> {
        m.enlist(n, turn, || {
            w.begin(crate::task::wait_word::Enders::Several, false);
            w.arm()
        })
    }

    fn state(m: &Mutex) -> u32 {
        m.state.load(Relaxed)
    }

    #[test]
    fn unlock_needs_a_holder() {
        let m = Mutex::default();
        assert_eq!(m.release().unwrap_err(), Error::Misuse);
        assert!(m.try_lock() && !m.try_lock() && m.is_held());
        assert!(m.release().unwrap().is_empty());
        assert_eq!(m.release().unwrap_err(), Error::Misuse);
        assert_eq!(state(&m), 0);
        assert_eq!(std::mem::size_of::<Mutex>(), 16);
    }

    #[test]
    fn one_at_a_time_is_woken_and_newcomers_may_go_before() {
        let m = Mutex::default();
        let waiters = [Waiter::for_thread(std::ptr::null()), Waiter::for_thread(std::ptr::null())];
        let nodes = [Node::new(&waiters[0], 0, 0), Node::new(&waiters[1], 0, 0)];
        assert!(m.try_lock());
        for (w, n) in waiters.iter().zip(&nodes) {
            assert_eq!(queue(&m, w, n, Turn::default()), Some(true));
        }
        let mut claimed = m.release().unwrap();
        assert_eq!(claimed.pop(), Some(&waiters[0] as *const Waiter));
        assert!(m.try_lock());
        assert!(m.release().unwrap().is_empty());
        assert!(m.try_lock() && !m.try_lock_woken());
        // It queues again, as the oldest; then it is the one that an unlock wakes.
        let woken = Turn { woken: true, starving: false };
        assert_eq!(queue(&m, &waiters[0], &nodes[0], woken), Some(true));
        let mut claimed = m.release().unwrap();
        assert_eq!(claimed.pop(), Some(&waiters[0] as *const Waiter));
        assert!(m.try_lock_woken());
        assert_eq!(state(&m), HELD | WAITERS);
        let mut claimed = m.release().unwrap();
        assert_eq!(claimed.pop(), Some(&waiters[1] as *const Waiter));
        assert!(m.give_wake_back().is_empty());
        assert_eq!(state(&m), 0);
    }

    #[test]
    fn starving_unlock_gives_it_away() {
        let m = Mutex::default();
        let waiters = [Waiter::for_thread(std::ptr::null()), Waiter::for_thread(std::ptr::null())];
        let nodes = [Node::new(&waiters[0], 0, 0), Node::new(&waiters[1], 0, 0)];
        assert!(m.try_lock());
        assert_eq!(queue(&m, &waiters[1], &nodes[1], Turn::default()), Some(true));
        let starving = Turn { woken: true, starving: true };
        assert_eq!(queue(&m, &waiters[0], &nodes[0], starving), Some(true));
        let mut claimed = m.release().unwrap();
        assert_eq!(claimed.pop(), Some(&waiters[0] as *const Waiter));
        assert_eq!(nodes[0].tag.get(), GIVEN);
        assert!(!m.try_lock() && m.is_starving() && !m.tell_awake());
        // The last waiter ends it.
        let mut claimed = m.release().unwrap();
        assert_eq!(claimed.pop(), Some(&waiters[1] as *const Waiter));
        assert_eq!(state(&m), HELD);
        assert!(m.release().unwrap().is_empty());
    }

    #[test]
    fn wake_of_one_who_gives_up_goes_to_the_next() {
        let m = Mutex::default();
        let waiters = [
            Waiter::for_thread(std::ptr::null()),
            Waiter::for_thread(std::ptr::null()),
            Waiter::for_thread(std::ptr::null()),
        ];
        let nodes: Vec<Node> = waiters.iter().map(|w| Node::new(w, 0, 0)).collect();
        assert!(m.try_lock());
        for (w, n) in waiters.iter().zip(&nodes) {
            assert_eq!(queue(&m, w, n, Turn::default()), Some(true));
        }
        let _first = m.release().unwrap();
        let _won = waiters[1].word().expire();
        let mut claimed = m.give_wake_back();
        assert_eq!(claimed.pop(), Some(&waiters[2] as *const Waiter));
        assert!(m.give_wake_back().is_empty());
        assert_eq!(state(&m), WAITERS);
        m.leave(&nodes[1]);
        assert_eq!(state(&m), 0);
    }
}
