//! The reader-writer lock: many readers or one writer, and who goes next (§22.7–22.10).
//!
//! Owns: 32 bytes: a word with the number of readers and flag bits, and a wait queue each for readers and writers.
//!
//! | bit | means |
//! |---|---|
//! | `LOCK` | somebody changes the queues |
//! | `WAITING` | somebody is queued |
//! | `PENDING` | a writer is queued: new readers queue too |
//! | `WRITER` | a writer is in |
//! | `READER` and up | how many readers are in |
//!
//! Always true:
//!  - R1. `LOCK` is only ever set together with `WAITING`. While it is set, nobody comes in, and of those who are in, only a
//!        reader that is not the last may leave.
//!  - R2. The lock is handed on, never left free while somebody waits: a writer that leaves lets all queued readers in, else
//!        the oldest writer; the last reader that leaves lets the oldest writer in, else all queued readers. So readers and
//!        writers take turns, and neither starves. Who is let in is counted in before its wake.
//!  - R3. A writer that stops waiting, when no other waits, lets the readers in that waited because of it.
//!  - R4. Leaving is one step, the last touch: whoever comes in next may free the memory when it is through.
//!
//! Model: `model/rwlock.rs`, breaking switch `RwLockLeaveAlone`.
//!
//! Called by: any task or thread. Blocks: `read` and `write` park the task, or block a thread that is no task.
//! Tried and dropped: Go's shape, a mutex for the writers beside the count: its writer gives that mutex up after it has let
//! the readers in, who may have freed it.

use super::sema::{caller, inside, wake, Place, Queued};
use crate::base::error::{Error, Result};
use crate::base::lock::Pause;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{sanitizer, AtomicU64, Ordering::*};
use crate::sched::{attach, wait};
use crate::task::wait_queue::{Claimed, Node, WaitQueue};
use crate::task::Reason;

const LOCK: u64 = 1;
const WAITING: u64 = 2;
const PENDING: u64 = 4;
const WRITER: u64 = 8;
const READER: u64 = 16;
/// The most readers at a time.
pub const MAX_READERS: u64 = 1 << 30;

/// See the module.
#[repr(C)]
#[derive(Debug, Default)]
pub struct RwLock {
    state: AtomicU64,
    readers: WaitQueue,
    writers: WaitQueue,
    /// The task that got in as the writer last (`sema::caller`). For reports.
    writer: AtomicU64,
}

/// What is in after [`RwLock::hand_on`], if there is a choice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    ReadersFirst,
    WriterFirst,
}

impl RwLock {
    /// Locks it for reading. `Again` also when there are [`MAX_READERS`].
    #[inline(always)]
    pub fn read(&self, deadline: i64) -> Result<()> {
        attach::note_foreign();
        if self.try_read() {
            return Ok(());
        }
        self.wait_to_read(deadline)
    }

    /// Locks it for writing.
    #[inline(always)]
    pub fn write(&self, deadline: i64) -> Result<()> {
        if !self.try_write() {
            self.wait_to_write(deadline)?;
        }
        let (who, _) = caller();
        if !cfg!(loom) {
            self.writer.store(who as u64, Relaxed);
        }
        Ok(())
    }

    /// The writer that is in, as `sema::mark_of` calls it; None while none is.
    pub fn writer(&self) -> Option<u32> {
        (self.state.load(Relaxed) & WRITER != 0).then(|| self.writer.load(Relaxed) as u32)
    }

    /// Gets in as a reader, unless a writer is in or waits.
    #[inline(always)]
    #[must_use]
    pub fn try_read(&self) -> bool {
        let mut state = self.state.load(Relaxed);
        while state & (LOCK | PENDING | WRITER) == 0 && state < MAX_READERS * READER {
            match self.state.compare_exchange_weak(state, state + READER, Acquire, Relaxed) {
                Ok(_) => {
                    sanitizer::acquired(self);
                    return true;
                }
                Err(now) => state = now,
            }
        }
        false
    }

    /// Gets in as the writer, unless somebody is in.
    #[inline(always)]
    #[must_use]
    pub fn try_write(&self) -> bool {
        let mut state = self.state.load(Relaxed);
        while state & (LOCK | WRITER) == 0 && state < READER {
            match self.state.compare_exchange_weak(state, state | WRITER, Acquire, Relaxed) {
                Ok(_) => {
                    self.entered_to_write();
                    return true;
                }
                Err(now) => state = now,
            }
        }
        false
    }

    /// For tools that watch. Readers leave by another address than the writer: they are in no order among themselves.
    #[inline(always)]
    fn entered_to_write(&self) {
        if sanitizer::watches() {
            sanitizer::acquired(self);
            sanitizer::acquired(self.readers_left());
        }
    }

    #[inline(always)]
    fn readers_left(&self) -> *const u8 {
        (self as *const RwLock as *const u8).wrapping_add(size_of::<u64>())
    }

    #[inline(never)]
    fn wait_to_read(&self, deadline: i64) -> Result<()> {
        inside(|i| {
            if self.try_while_locked(|| self.try_read()) {
                return Ok(());
            }
            if self.state.load(Relaxed) >= MAX_READERS * READER {
                return Err(Error::Again);
            }
            wait::may_wait(i, deadline)?;
            let place = Place::new(Reading(self), 0);
            // SAFETY: inside if a task.
            unsafe { wait::wait(i, Reason::RwLockRead, deadline, &place, |_| ()) }?;
            sanitizer::acquired(self);
            Ok(())
        })
    }

    #[inline(never)]
    fn wait_to_write(&self, deadline: i64) -> Result<()> {
        inside(|i| {
            if self.try_while_locked(|| self.try_write()) {
                return Ok(());
            }
            wait::may_wait(i, deadline)?;
            let place = Place::new(Writing(self), 0);
            // SAFETY: inside if a task.
            unsafe { wait::wait(i, Reason::RwLockWrite, deadline, &place, |_| ()) }?;
            self.entered_to_write();
            Ok(())
        })
    }

    /// Who comes just when somebody changes the queues has not been told yet that the lock is not free.
    fn try_while_locked(&self, try_in: impl Fn() -> bool) -> bool {
        let mut pause = Pause::new();
        loop {
            if try_in() {
                return true;
            }
            if self.state.load(Relaxed) & LOCK == 0 {
                return try_in();
            }
            pause.once();
        }
    }

    /// A reader leaves, and wakes who goes next. `Misuse`, and no change, when there is none.
    #[inline(always)]
    pub fn read_unlock(&self) -> Result<()> {
        wake(self.leave_reading()?);
        Ok(())
    }

    /// The writer leaves, and wakes who goes next. `Misuse`, and no change, when there is none.
    #[inline(always)]
    pub fn write_unlock(&self) -> Result<()> {
        wake(self.leave_writing()?);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn leave_reading(&self) -> Result<Claimed> {
        sanitizer::released(self.readers_left());
        let mut state = self.state.load(Relaxed);
        let mut pause = Pause::new();
        loop {
            if state < READER {
                return Err(Error::Misuse);
            }
            let last = state < 2 * READER && state & WAITING != 0;
            if last && state & LOCK != 0 {
                pause.once();
                state = self.state.load(Relaxed);
                continue;
            }
            let next = if last { state | LOCK } else { state - READER };
            // Release: what was read is read before the next writer writes; Acquire: the queues, and the other readers.
            match self.state.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) if last => return Ok(self.hand_on(READER, Next::WriterFirst)),
                Ok(_) => return Ok(Claimed::none()),
                Err(now) => state = now,
            }
        }
    }

    #[inline(always)]
    pub(super) fn leave_writing(&self) -> Result<Claimed> {
        sanitizer::released(self);
        let mut state = self.state.load(Relaxed);
        let mut pause = Pause::new();
        loop {
            if state & WRITER == 0 {
                return Err(Error::Misuse);
            }
            if state & LOCK != 0 {
                pause.once();
                state = self.state.load(Relaxed);
                continue;
            }
            let next = if state & WAITING != 0 { state | LOCK } else { 0 };
            match self.state.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) if state & WAITING != 0 => return Ok(self.hand_on(WRITER, Next::ReadersFirst)),
                Ok(_) => return Ok(Claimed::none()),
                Err(now) => state = now,
            }
        }
    }

    /// With the lock held, by the last who is in, which counts as `leaving`: lets others in, and unlocks.
    #[inline(never)]
    fn hand_on(&self, leaving: u64, next: Next) -> Claimed {
        let mut claimed = Claimed::none();
        let mut coming = 0;
        if next == Next::ReadersFirst {
            coming = self.claim_readers(&mut claimed);
        }
        if coming == 0 {
            if let Some(node) = self.writers.claim() {
                claimed.push(node);
                coming = WRITER;
            }
        }
        if coming == 0 && next == Next::WriterFirst {
            coming = self.claim_readers(&mut claimed);
        }
        self.unlock(leaving, coming);
        claimed
    }

    fn claim_readers(&self, claimed: &mut Claimed) -> u64 {
        let mut coming = 0;
        self.readers.claim_all(|node| {
            claimed.push(node);
            coming += READER;
        });
        coming
    }

    /// Gives the queues' lock up, and counts who leaves and who comes, in the same step: the last touch.
    fn unlock(&self, leaving: u64, coming: u64) {
        let pending = if self.writers.is_empty() { 0 } else { PENDING | WAITING };
        let waiting = if self.readers.is_empty() { 0 } else { WAITING };
        let mut state = self.state.load(Relaxed);
        loop {
            let next = (state - leaving + coming) & !(LOCK | PENDING | WAITING) | pending | waiting;
            // In a loop: readers that are not the last may leave meanwhile.
            match self.state.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
    }

    fn lock_queues(&self) -> u64 {
        let mut pause = Pause::new();
        loop {
            let state = self.state.load(Relaxed);
            if state & LOCK == 0 && self.state.compare_exchange_weak(state, state | LOCK, Acquire, Relaxed).is_ok() {
                return state;
            }
            pause.once();
        }
    }

    /// Comes in by `try_in` (None), or queues with `flags`.
    fn enlist(
        &self,
        queue: &WaitQueue,
        flags: u64,
        is_free: impl Fn(u64) -> bool,
        try_in: impl Fn() -> bool,
        node: &Node,
        arm: impl FnOnce() -> bool,
    ) -> Option<bool> {
        let mut pause = Pause::new();
        loop {
            if try_in() {
                return None;
            }
            let state = self.state.load(Relaxed);
            if state & LOCK == 0
                && !is_free(state)
                && self.state.compare_exchange(state, state | LOCK | flags, Acquire, Relaxed).is_ok()
            {
                break;
            }
            pause.once();
        }
        queue.push(node);
        let armed = arm();
        if !armed {
            queue.remove(node);
        }
        self.unlock(0, 0);
        Some(armed)
    }
}

struct Reading<'a>(&'a RwLock);
struct Writing<'a>(&'a RwLock);

impl Queued for Reading<'_> {
    fn enlist(&self, node: &Node, arm: impl FnOnce() -> bool) -> Option<bool> {
        let lock = self.0;
        let is_free = |state| state & (PENDING | WRITER) == 0 && state < MAX_READERS * READER;
        lock.enlist(&lock.readers, WAITING, is_free, || lock.try_read(), node, arm)
    }

    fn address(&self) -> usize {
        &raw const *self.0 as usize
    }

    fn leave(&self, node: &Node) -> Claimed {
        self.0.lock_queues();
        self.0.readers.remove(node);
        self.0.unlock(0, 0);
        Claimed::none()
    }
}

impl Queued for Writing<'_> {
    fn enlist(&self, node: &Node, arm: impl FnOnce() -> bool) -> Option<bool> {
        let lock = self.0;
        let is_free = |state| state & WRITER == 0 && state < READER;
        lock.enlist(&lock.writers, WAITING | PENDING, is_free, || lock.try_write(), node, arm)
    }

    fn address(&self) -> usize {
        &raw const *self.0 as usize
    }

    fn leave(&self, node: &Node) -> Claimed {
        let lock = self.0;
        let state = lock.lock_queues();
        lock.writers.remove(node);
        let mut claimed = Claimed::none();
        let mut coming = 0;
        #[cfg(loom)]
        let state = if Break::RwLockLeaveAlone.is_on() { WRITER } else { state };
        if state & WRITER == 0 && lock.writers.is_empty() {
            coming = lock.claim_readers(&mut claimed);
        }
        lock.unlock(0, coming);
        claimed
    }
}

#[cfg(loom)]
impl Drop for RwLock {
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
    use crate::sched::wait::NOWAIT;
    use crate::task::waiter::Waiter;

    fn armed(w: &Waiter) -> bool {
        w.begin(crate::task::wait_word::Enders::Several, false);
        w.arm()
    }

    #[test]
    fn many_readers_or_one_writer_and_misuse_changes_nothing() {
        let l = RwLock::default();
        assert_eq!(l.read_unlock(), Err(Error::Misuse));
        assert_eq!(l.write_unlock(), Err(Error::Misuse));
        assert!(l.try_read() && l.try_read() && !l.try_write());
        assert_eq!(l.write(NOWAIT), Err(Error::Again));
        assert_eq!(l.write_unlock(), Err(Error::Misuse));
        l.read_unlock().unwrap();
        l.read_unlock().unwrap();
        assert!(l.try_write() && !l.try_write() && !l.try_read());
        assert_eq!(l.read(1), Err(Error::TimedOut));
        assert_eq!(l.read_unlock(), Err(Error::Misuse));
        l.write_unlock().unwrap();
        assert_eq!(l.state.load(Relaxed), 0);
        assert_eq!(std::mem::size_of::<RwLock>(), 32);
    }

    #[test]
    fn readers_are_refused_beyond_the_most() {
        let l = RwLock::default();
        l.state.store((MAX_READERS - 1) * READER, Relaxed);
        assert!(l.try_read() && !l.try_read());
        assert_eq!(l.read(crate::sched::wait::FOREVER), Err(Error::Again));
        l.read_unlock().unwrap();
        assert!(l.try_read());
    }

    #[test]
    fn readers_and_writers_take_turns() {
        let l = &RwLock::default();
        let waiters: Vec<Waiter> = (0..4).map(|_| Waiter::for_thread(std::ptr::null())).collect();
        let nodes: Vec<Node> = waiters.iter().map(|w| Node::new(w, 0, 0)).collect();
        let (w, r) = (Writing(l), Reading(l));
        assert!(l.try_read());
        assert_eq!(w.enlist(&nodes[0], || armed(&waiters[0])), Some(true));
        assert!(!l.try_read());
        assert_eq!(r.enlist(&nodes[1], || armed(&waiters[1])), Some(true));
        assert_eq!(w.enlist(&nodes[2], || armed(&waiters[2])), Some(true));
        assert_eq!(r.enlist(&nodes[3], || armed(&waiters[3])), Some(true));
        let woken = |mut claimed: Claimed| std::iter::from_fn(move || claimed.pop()).collect::<Vec<_>>();
        let is = |of: &[usize]| of.iter().map(|&n| &waiters[n] as *const Waiter).collect::<Vec<_>>();
        assert_eq!(woken(l.leave_reading().unwrap()), is(&[0]));
        assert_eq!(woken(l.leave_writing().unwrap()), is(&[1, 3]));
        assert!(!l.try_read());
        assert!(l.leave_reading().unwrap().is_empty());
        assert_eq!(woken(l.leave_reading().unwrap()), is(&[2]));
        assert!(l.leave_writing().unwrap().is_empty());
        assert_eq!(l.state.load(Relaxed), 0);
    }

    #[test]
    fn a_writer_that_stops_waiting_lets_in_who_waited_because_of_it() {
        let l = &RwLock::default();
        let waiters = [Waiter::for_thread(std::ptr::null()), Waiter::for_thread(std::ptr::null())];
        let nodes = [Node::new(&waiters[0], 0, 0), Node::new(&waiters[1], 0, 0)];
        assert!(l.try_read());
        assert_eq!(Writing(l).enlist(&nodes[0], || armed(&waiters[0])), Some(true));
        assert_eq!(Reading(l).enlist(&nodes[1], || armed(&waiters[1])), Some(true));
        let _won = waiters[0].word().expire();
        let mut claimed = Writing(l).leave(&nodes[0]);
        assert_eq!(claimed.pop(), Some(&waiters[1] as *const Waiter));
        assert_eq!(l.state.load(Relaxed), 2 * READER);
    }
}
