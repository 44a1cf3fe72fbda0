//! The status word of a task: what it is doing, hence who owns it.
//!
//! Owns: the word and every change of it. Nobody else touches bits; each change is a named function here.
//!
//! | status | who owns the record | what happens next |
//! |---|---|---|
//! | Free | the cache it lies in | `publish_new` |
//! | NewPrivate | the owner of the processor whose private queue holds it | that owner starts it, shares it, or its joiner there runs it in place |
//! | NewShared | nobody: whoever wins `claim_shared` (a popper, a thief, a joiner) | started |
//! | NewGlobal | the global queue's lock | popped |
//! | Ready | the one queue entry that names it | whoever takes that entry |
//! | Running | the machine that runs it (or, while a child runs in place above it, the child) | `park`, `requeue`, `end` |
//! | Parked | the party that will make it ready (exactly one) | `ready` |
//! | Ended | its joiner | recycled |
//!
//! Always true:
//!  - S1. Only a task that never ran can have a stale queue entry (its joiner ran it in place). So an entry
//!        says whether it was made for a new task, and is checked against the word before use; an entry of a
//!        task that has started is unique and needs no check.
//!  - S2. `Running` is stored before the task's first instruction and `Parked` or `Ready` only after its
//!        registers are saved (the switch's commit runs on the destination's side).
//!  - S3. The ticket grows at each `publish_new`, so an entry made for an earlier life of the record does not
//!        match. It has 16 bits: an entry that outlives 65,536 lives of one record may match again, and then
//!        names a task that is startable all the same, so the only effect is that it starts early.
//!
//! Model: `model/state.rs`, breaking switch `StateLoadStore`.

#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{AtomicU32, Ordering::*};

/// What a task is doing. See the module for who owns it then.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Free = 0,
    NewPrivate = 1,
    NewShared = 2,
    NewGlobal = 3,
    Ready = 4,
    Running = 5,
    Parked = 6,
    Ended = 7,
}

impl Status {
    fn from_bits(bits: u32) -> Status {
        match bits & 0xff {
            0 => Status::Free,
            1 => Status::NewPrivate,
            2 => Status::NewShared,
            3 => Status::NewGlobal,
            4 => Status::Ready,
            5 => Status::Running,
            6 => Status::Parked,
            _ => Status::Ended,
        }
    }
}

/// Tells one life of a record as a new task from another.
pub type Ticket = u16;

#[inline(always)]
fn pack(ticket: Ticket, status: Status) -> u32 {
    (ticket as u32) << 16 | status as u32
}

/// What a word that was read says.
pub fn status_of(raw: u32) -> Status {
    Status::from_bits(raw)
}

/// See the module.
#[derive(Debug)]
pub struct StatusWord(AtomicU32);

impl Default for StatusWord {
    fn default() -> Self {
        Self::new()
    }
}

impl StatusWord {
    pub fn new() -> StatusWord {
        StatusWord(AtomicU32::new(pack(0, Status::Free)))
    }

    /// The status now. Acquire: who sees `Ended` sees the result.
    #[inline(always)]
    pub fn status(&self) -> Status {
        Status::from_bits(self.0.load(Acquire))
    }

    /// The ticket of this life.
    #[inline(always)]
    pub fn ticket(&self) -> Ticket {
        (self.0.load(Relaxed) >> 16) as Ticket
    }

    /// The whole word, for who looks twice: [`status_of`] tells what it says. Acquire as in `status`.
    pub fn raw(&self) -> u32 {
        self.0.load(Acquire)
    }

    #[inline(always)]
    fn set(&self, status: Status) {
        // One writer at a time owns the word (see the table), so a load and a store are enough. Release pairs
        // with the Acquire of whoever finds the task through the word or through a queue.
        self.0.store(self.0.load(Relaxed) & 0xffff_0000 | status as u32, Release);
    }

    /// Free → NewPrivate or NewGlobal: the record is filled in. Returns the ticket for its queue entry.
    #[inline(always)]
    pub fn publish_new(&self, to: Status) -> Ticket {
        debug_assert!(matches!(to, Status::NewPrivate | Status::NewGlobal));
        let ticket = self.ticket().wrapping_add(1);
        self.0.store(pack(ticket, to), Release);
        ticket
    }

    /// NewPrivate → Running by the owner of the private queue; false when the entry is stale.
    #[inline(always)]
    #[must_use]
    pub fn start_private(&self, ticket: Ticket) -> bool {
        if self.0.load(Relaxed) != pack(ticket, Status::NewPrivate) {
            return false;
        }
        self.set(Status::Running);
        true
    }

    /// NewPrivate → NewShared or NewGlobal by the owner of the private queue; false when the entry is stale.
    #[inline]
    #[must_use]
    pub fn leave_private(&self, ticket: Ticket, to: Status) -> bool {
        if self.0.load(Relaxed) != pack(ticket, Status::NewPrivate) {
            return false;
        }
        self.set(to);
        true
    }

    /// NewShared → Running; exactly one of all who try with the right ticket wins.
    #[inline]
    #[must_use]
    pub fn claim_shared(&self, ticket: Ticket) -> bool {
        #[cfg(loom)]
        if Break::StateLoadStore.is_on() {
            let won = self.0.load(Acquire) == pack(ticket, Status::NewShared);
            if won {
                self.set(Status::Running);
            }
            return won;
        }
        // Acquire pairs with the Release in `publish_new`/`leave_private`: the winner sees the record's fields.
        self.0.compare_exchange(pack(ticket, Status::NewShared), pack(ticket, Status::Running), AcqRel, Relaxed).is_ok()
    }

    /// NewGlobal or Ready → Running, by the party that took the entry.
    #[inline(always)]
    pub fn start(&self) {
        debug_assert!(matches!(self.status(), Status::NewGlobal | Status::Ready));
        self.set(Status::Running);
    }

    /// Running → Parked, after the registers are saved.
    #[inline(always)]
    pub fn park(&self) {
        debug_assert_eq!(self.status(), Status::Running);
        self.set(Status::Parked);
    }

    /// Parked → Ready, by the one party that may.
    #[inline(always)]
    pub fn ready(&self) {
        debug_assert_eq!(self.status(), Status::Parked);
        self.set(Status::Ready);
    }

    /// Running → Ready (yield), after the registers are saved.
    #[inline(always)]
    pub fn requeue(&self) {
        debug_assert_eq!(self.status(), Status::Running);
        self.set(Status::Ready);
    }

    /// Running (just claimed, not entered) → NewGlobal or Ready: it goes to the global queue instead.
    pub fn requeue_unstarted(&self, is_new: bool) {
        debug_assert_eq!(self.status(), Status::Running);
        self.set(if is_new { Status::NewGlobal } else { Status::Ready });
    }

    /// Any → Ready, for a record that is not a task but stands in a queue for something (`Kind`).
    pub fn arm_ticket(&self) {
        self.set(Status::Ready);
    }

    /// Running → Ended: the result is stored.
    #[inline(always)]
    pub fn end(&self) {
        self.set(Status::Ended);
    }

    /// Ended → Free: the record goes back to a cache.
    #[inline(always)]
    pub fn recycle(&self) {
        self.set(Status::Free);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_an_earlier_life_does_not_start_the_task() {
        let w = StatusWord::new();
        let first = w.publish_new(Status::NewPrivate);
        assert!(w.start_private(first));
        w.end();
        w.recycle();
        let second = w.publish_new(Status::NewPrivate);
        assert!(!w.start_private(first));
        assert!(w.leave_private(second, Status::NewShared));
        assert!(!w.claim_shared(first));
        assert!(w.claim_shared(second));
        assert!(!w.claim_shared(second));
    }
}
