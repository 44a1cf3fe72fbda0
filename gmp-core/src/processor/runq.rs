//! The local run queue: private first, shared when somebody is hungry.
//!
//! Owns: three places, looked at in this order: `next` (one entry, in front of all), a private ring of 256, and a
//! shared deque (crossbeam's FIFO `Worker`) that thieves take from.
//!
//! Always true:
//!  - Q1. `next` and the ring are touched by the processor's owner only, without atomic steps: while nobody is
//!        hungry a task is queued and run again for the price of two stores.
//!  - Q2. Work becomes stealable by [`RunQueue::share`], which the owner calls when an idle processor exists
//!        (`sched/idle.rs`); for an owner that is away in foreign code the monitor does it (`sched/expose.rs`).
//!  - Q3. The shared deque holds at most [`SHARED`] entries, so that it never allocates after its birth.
//!  - Q4. An entry of a task that never ran may be stale (its joiner ran it in place); every pop checks (`task/state.rs`).
//!
//! Entries of plain tasks that have run are marked as such by the absence of marks, so that a yield can take them without
//! a look at the record.
//!
//! Order: `next` holds the newest; one pushed out of it goes to the ring's tail (§4.2–4.4).
//!
//! Tried and dropped: everything in the `Worker` (one atomic step a pop: 4 ns more a yield, and an entry whose
//! task was run in place by its joiner stays until it is popped, which cost fork–join 8 ns a task).

use crate::primitive::{AtomicU32, AtomicU64, Ordering::*};
use crate::task::ready_list::ReadyList;
use crate::task::state::{Status, Ticket};
use crate::task::Task;
use crossbeam_deque::{Steal, Stealer, Worker};
use std::cell::Cell;

/// Entries of the private ring (§4.1).
pub const RING: u32 = 256;
/// Most entries of the shared deque.
pub const SHARED: usize = 60;

/// One queue entry: the task's address, whether it never ran, and then its ticket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry(u64);

const NONE: Entry = Entry(0);

impl Entry {
    /// For a task that never ran.
    #[inline(always)]
    pub fn new(task: *const Task, ticket: Ticket) -> Entry {
        Entry((task as u64 | 1) << 16 | ticket as u64)
    }

    /// For a task that has run.
    #[inline(always)]
    pub fn ready(task: *const Task) -> Entry {
        Entry((task as u64) << 16)
    }

    /// For what cannot be switched to as it is: a new task from the global queue, a class task, a ticket.
    #[inline(always)]
    pub fn special(task: *const Task) -> Entry {
        Entry((task as u64 | 2) << 16)
    }

    #[inline(always)]
    fn task(self) -> *mut Task {
        (self.0 >> 16 & !3) as *mut Task
    }

    /// A plain task that has run: it can be switched to as it is.
    #[inline(always)]
    fn is_plain(self) -> bool {
        self.0 & 3 << 16 == 0
    }

    #[inline(always)]
    fn is_new(self) -> bool {
        self.0 & 1 << 16 != 0
    }

    #[inline(always)]
    fn ticket(self) -> Ticket {
        self.0 as Ticket
    }

    /// Takes the task for running, if a private entry still names one.
    #[inline(always)]
    fn start_private(self) -> Option<*mut Task> {
        let task = self.task();
        // SAFETY: entries name records, which stay valid while the runtime lives.
        let t = unsafe { &*task };
        if self.is_new() {
            return t.status.start_private(self.ticket()).then_some(task);
        }
        t.status.start();
        Some(task)
    }

    /// Takes the task for running, if an entry from a shared deque still names one.
    pub fn start_shared(self) -> Option<*mut Task> {
        let task = self.task();
        // SAFETY: as above.
        let t = unsafe { &*task };
        if self.is_new() {
            return t.status.claim_shared(self.ticket()).then_some(task);
        }
        t.status.start();
        Some(task)
    }

    /// Takes a private entry's task out for the global queue; None when it is stale.
    pub fn into_global(self) -> Option<*mut Task> {
        self.leave(Status::NewGlobal)
    }

    /// Takes a private entry's task out for the shared deque or the global queue; None when it is stale.
    fn leave(self, to: Status) -> Option<*mut Task> {
        let task = self.task();
        // SAFETY: as above.
        let ok = !self.is_new() || unsafe { (*task).status.leave_private(self.ticket(), to) };
        ok.then_some(task)
    }
}

/// See the module.
pub struct RunQueue {
    next: AtomicU64,
    head: AtomicU32,
    tail: AtomicU32,
    ring: Box<[Cell<Entry>; RING as usize]>,
    shared: Worker<Entry>,
    stealer: Stealer<Entry>,
}

impl Default for RunQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes what the deque gives memory back by, which is the process's: made by the first thief, it would have every thief of a fork's
/// child wait for ever if the fork came in between. Called while nobody can fork.
pub fn prepare() {
    let nothing = Worker::<Entry>::new_fifo().stealer().steal();
    debug_assert!(nothing.is_empty());
}

impl RunQueue {
    pub fn new() -> RunQueue {
        let shared = Worker::new_fifo();
        let stealer = shared.stealer();
        RunQueue {
            next: AtomicU64::new(0),
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            ring: Box::new([const { Cell::new(NONE) }; RING as usize]),
            shared,
            stealer,
        }
    }

    /// How many entries only the owner can take (a stranger gets a recent value).
    #[inline(always)]
    pub fn private_len(&self) -> u32 {
        self.ring_len() + (self.next.load(Relaxed) != 0) as u32
    }

    /// Likewise, without `next`.
    #[inline(always)]
    pub fn ring_len(&self) -> u32 {
        self.tail.load(Relaxed).wrapping_sub(self.head.load(Relaxed))
    }

    /// True when thieves can take something.
    #[inline]
    pub fn has_shared(&self) -> bool {
        !self.stealer.is_empty()
    }

    /// Puts an entry in front; what it displaces goes to the ring's tail. `Err`: the ring is full, and here is
    /// what did not fit (spill it).
    #[inline(always)]
    pub fn push_next(&self, e: Entry) -> Result<(), Entry> {
        let old = self.next.load(Relaxed);
        self.next.store(e.0, Relaxed);
        if old == 0 {
            return Ok(());
        }
        self.push_back(Entry(old))
    }

    /// Puts an entry at the ring's tail. `Err`: the ring is full, and here is the entry again (spill it).
    #[inline(always)]
    pub fn push_back(&self, e: Entry) -> Result<(), Entry> {
        let tail = self.tail.load(Relaxed);
        if tail.wrapping_sub(self.head.load(Relaxed)) == RING {
            return Err(e);
        }
        self.ring[(tail % RING) as usize].set(e);
        self.tail.store(tail.wrapping_add(1), Relaxed);
        Ok(())
    }

    /// Moves run-next to the ring's tail, as an ordinary entry: its slice is over.
    pub fn demote_next(&self) -> Result<(), Entry> {
        match Entry(self.next.swap(0, Relaxed)) {
            NONE => Ok(()),
            e => self.push_back(e),
        }
    }

    /// The run-next task, already `Running`.
    #[inline(always)]
    pub fn pop_next(&self) -> Option<*mut Task> {
        let e = self.next.load(Relaxed);
        if e == 0 {
            return None;
        }
        self.next.store(0, Relaxed);
        Entry(e).start_private()
    }

    /// The ring's first task, already `Running`, if it is a plain one that has run and nothing is in front of it.
    #[inline(always)]
    pub fn pop_plain(&self) -> Option<*mut Task> {
        let head = self.head.load(Relaxed);
        if head == self.tail.load(Relaxed) || self.next.load(Relaxed) != 0 {
            return None;
        }
        let e = self.ring[(head % RING) as usize].get();
        if !e.is_plain() {
            return None;
        }
        self.head.store(head.wrapping_add(1), Relaxed);
        let task = e.task();
        // SAFETY: entries name records, which stay valid while the runtime lives.
        unsafe { (*task).status.start() };
        Some(task)
    }

    /// The ring's first task, already `Running`.
    #[inline(always)]
    pub fn pop_front(&self) -> Option<*mut Task> {
        while let Some(e) = self.pop_entry() {
            if let Some(task) = e.start_private() {
                return Some(task);
            }
        }
        None
    }

    /// The ring's entry at `n` (below its length), `Running`; None: it was stale. The first takes its place.
    pub fn pop_at(&self, n: u32) -> Option<*mut Task> {
        let head = self.head.load(Relaxed);
        debug_assert!(n < self.ring_len());
        self.ring[(head % RING) as usize].swap(&self.ring[(head.wrapping_add(n) % RING) as usize]);
        self.pop_entry()?.start_private()
    }

    /// Makes entries of tasks that never ran such as the global queue's are: no joiner runs them in place. Those that were
    /// pushed since the last time, at the ring's tail.
    pub fn make_special(&self) {
        let (head, mut at) = (self.head.load(Relaxed), self.tail.load(Relaxed));
        while at != head {
            at = at.wrapping_sub(1);
            let place = &self.ring[(at % RING) as usize];
            if !place.get().is_new() {
                break;
            }
            if let Some(task) = place.get().into_global() {
                place.set(Entry::special(task));
            }
        }
    }

    #[inline(always)]
    fn pop_entry(&self) -> Option<Entry> {
        let head = self.head.load(Relaxed);
        if head == self.tail.load(Relaxed) {
            return None;
        }
        self.head.store(head.wrapping_add(1), Relaxed);
        Some(self.ring[(head % RING) as usize].get())
    }

    /// The oldest task of the shared deque, already `Running`.
    pub fn pop_shared(&self) -> Option<*mut Task> {
        while let Some(e) = self.shared.pop() {
            if let Some(task) = e.start_shared() {
                return Some(task);
            }
        }
        None
    }

    /// Takes back a task that its joiner is about to run in place: the newest entry goes at once, any other is
    /// left behind stale.
    #[inline(always)]
    pub fn forget(&self, task: *const Task) {
        let next = self.next.load(Relaxed);
        if std::ptr::eq(Entry(next).task(), task) {
            self.next.store(0, Relaxed);
            return;
        }
        let tail = self.tail.load(Relaxed);
        if tail != self.head.load(Relaxed) {
            let last = tail.wrapping_sub(1);
            if std::ptr::eq(self.ring[(last % RING) as usize].get().task(), task) {
                self.tail.store(last, Relaxed);
            }
        }
    }

    /// Makes the oldest half of the ring stealable. True when something is now in the shared deque.
    pub fn share(&self) -> bool {
        let room = SHARED.saturating_sub(self.shared.len());
        let want = (self.ring_len().div_ceil(2) as usize).min(room);
        for _ in 0..want {
            let Some(e) = self.pop_entry() else { break };
            if e.leave(Status::NewShared).is_some() {
                self.shared.push(e);
            }
        }
        !self.shared.is_empty()
    }

    /// Moves the oldest half of the ring (all of the queue when `all`) to `out`, for the global queue.
    pub fn spill(&self, all: bool, out: &mut ReadyList) {
        if all {
            while let Some(e) = self.shared.pop() {
                // A claimed entry of a new task would be Running: hand it back as what the global queue holds.
                if let Some(task) = e.start_shared() {
                    // SAFETY: ours: just claimed.
                    unsafe {
                        (*task).status.requeue_unstarted(e.is_new());
                        out.push(task);
                    }
                }
            }
        }
        let n = if all { self.ring_len() } else { self.ring_len() / 2 };
        for _ in 0..n {
            let Some(e) = self.pop_entry() else { break };
            if let Some(task) = e.leave(Status::NewGlobal) {
                // SAFETY: taken from the private queue: ours.
                unsafe { out.push(task) };
            }
        }
        let next = Entry(self.next.load(Relaxed));
        if all && next != NONE {
            self.next.store(0, Relaxed);
            if let Some(task) = next.leave(Status::NewGlobal) {
                let mut front = ReadyList::new();
                // SAFETY: as above. run-next goes in front (§12.4).
                unsafe { front.push(task) };
                front.prepend_to(out);
            }
        }
    }

    /// Steals about half of this queue's shared entries into `thief`'s and takes the first task, `Running`.
    pub fn steal_into(&self, thief: &RunQueue) -> Option<*mut Task> {
        loop {
            match self.stealer.steal_batch_with_limit_and_pop(&thief.shared, SHARED / 2) {
                Steal::Success(e) => {
                    if let Some(task) = e.start_shared() {
                        return Some(task);
                    }
                    // Stale: what came along may be good.
                    if let Some(task) = thief.pop_shared() {
                        return Some(task);
                    }
                }
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(q: &RunQueue, t: &Task) {
        let ticket = t.status.publish_new(Status::NewPrivate);
        assert!(q.push_next(Entry::new(t, ticket)).is_ok());
    }

    fn drain(q: &RunQueue) -> Vec<u32> {
        let mut order = Vec::new();
        while let Some(t) = q.pop_next().or_else(|| q.pop_front()).or_else(|| q.pop_shared()) {
            // SAFETY: the tests' own records.
            order.push(unsafe { (*t).index });
        }
        order
    }

    #[test]
    fn the_newest_runs_first_then_the_others_in_order() {
        let q = RunQueue::new();
        let tasks: Vec<Task> = (0..10).map(Task::new).collect();
        tasks.iter().for_each(|t| publish(&q, t));
        assert_eq!(drain(&q), [9, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_task_run_in_place_leaves_no_entry_or_a_stale_one() {
        let q = RunQueue::new();
        let tasks: Vec<Task> = (0..4).map(Task::new).collect();
        tasks.iter().for_each(|t| publish(&q, t));
        q.forget(&tasks[3]);
        q.forget(&tasks[2]);
        assert_eq!(q.private_len(), 2);
        let ticket = tasks[0].status.ticket();
        assert!(tasks[0].status.start_private(ticket));
        q.forget(&tasks[0]);
        assert_eq!(drain(&q), [1]);
    }

    #[test]
    fn any_entry_of_the_ring_can_be_taken_and_new_ones_lose_their_tickets() {
        let q = RunQueue::new();
        let tasks: Vec<Task> = (0..5).map(Task::new).collect();
        tasks.iter().for_each(|t| publish(&q, t));
        assert!(q.demote_next().is_ok());
        q.make_special();
        assert!(tasks.iter().all(|t| t.status.status() == Status::NewGlobal));
        // SAFETY: the tests' own records.
        let take = |n| unsafe { (*q.pop_at(n).unwrap()).index };
        // The first takes the place of the one that was taken.
        assert_eq!([take(3), take(0), take(1), take(1), take(0)], [3, 1, 0, 4, 2]);
        assert_eq!(q.ring_len(), 0);
    }

    #[test]
    fn shared_work_is_taken_once_and_spilled_work_keeps_its_order() {
        let (q, thief) = (RunQueue::new(), RunQueue::new());
        let tasks: Vec<Task> = (0..20).map(Task::new).collect();
        tasks.iter().for_each(|t| publish(&q, t));
        assert!(q.share());
        // SAFETY: the tests' own records.
        let first = unsafe { (*q.steal_into(&thief).unwrap()).index };
        assert_eq!(first, 0);
        let mut seen: Vec<u32> = drain(&thief);
        seen.extend(drain(&q));
        seen.push(first);
        seen.sort();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());

        let tasks: Vec<Task> = (0..6).map(Task::new).collect();
        tasks.iter().for_each(|t| publish(&q, t));
        let mut out = ReadyList::new();
        q.spill(true, &mut out);
        let mut order = Vec::new();
        while let Some(t) = out.pop() {
            // SAFETY: the tests' own records.
            order.push(unsafe { (*t).index });
        }
        assert_eq!(order, [5, 0, 1, 2, 3, 4]);
        assert_eq!(q.private_len(), 0);
    }
}
