//! The record of a descriptor: what is known of its readiness, and who waits for it.
//!
//! Owns: the protocol between those who wait for a descriptor, the events of it, its deadlines and its close. The kernel
//! does not come up here (`poller.rs`).
//!
//! Always true:
//!  - F1. Who is about to try an operation looks first ([`Desc::look`]), and waits only for what has happened since: an event
//!        that comes between the try and the wait has moved the count by then, and [`Desc::enlist`] finds that. No edge is lost,
//!        and one look at the count stands for "ready".
//!  - F2. `seq` names the file that the number stands for, and the life of the number: the low byte ([`FILE`]) moves on when it is found to stand
//!        for another file or to be registered no more, the rest when it is closed by us or was just opened. An event of an older file does not
//!        count. Who has looked in an older life is told that it is gone; who has looked at an older file only tries again: it may
//!        be the new one's.
//!  - F3. Waiters are claimed and deadlines changed with the lock held, which is the last touch before the unlock: of "set the
//!        deadline, then claim who waits" and "enlist with the deadline that was read" one sees the other.
//!  - F4. All zero is a record of nothing: no count, no registration, no deadline.
//!
//! Called by: tasks in their waits, whoever polls, and who closes. Blocks: briefly on the record's lock (a leaf).
//! Model: `model/desc.rs`.

use super::guest::{Guest, Guests};
use crate::base::lock::Lock;
#[cfg(loom)]
use crate::model::Break;
use crate::primitive::{AtomicI64, AtomicU32, AtomicU64, Ordering::*};
use crate::task::wait_queue::{Claimed, Node, WaitQueue};

/// What is waited for.
pub const READ: u32 = 1;
/// See [`READ`].
pub const WRITE: u32 = 2;

/// In `state`: its events say what a short read says, too (a TCP socket).
const SHORT_IS_EMPTY: u32 = 1;
/// There were urgent data, at whose mark reads stop, or the end has come, of which only a read tells that finds nothing before it:
/// a short one says nothing.
const SPECIAL: u32 = 2;
/// Somebody waits for it who has not tried: its registration is to be looked at (`poller.rs`).
const UNSURE: u32 = 4;
/// Somebody is between the question whether a listener is ready and a call that would block if it were not.
const CLAIMED: u32 = 8;
/// Above these: the number of the poller that it is registered with; 0: none.
const POLLER: u32 = 4;

/// In `seq`.
const FILE: u32 = 0xff;

/// In a node's tag, what its waiter was woken for: to try again.
const TRY: u32 = 1;
/// The descriptor was closed.
const GONE: u32 = 2;

/// What was seen of a descriptor before a try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    seq: u32,
    counts: [u32; 2],
}

/// What a wait came to at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enlisted {
    Waits,
    /// Something has happened since the look: try again.
    Try,
    /// It was closed since.
    Gone,
    /// What `arm` said.
    Expired,
}

/// See the module.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Desc {
    lock: Lock,
    seq: AtomicU32,
    /// Events so far that told of each direction.
    counts: [AtomicU32; 2],
    state: AtomicU32,
    /// The count of reads for which the last read found no more than it took.
    emptied: AtomicU32,
    /// The task that found it, by its number; 0: nobody.
    reader: AtomicU64,
    /// How much earlier than never; 0: none.
    deadlines: [AtomicI64; 2],
    queue: WaitQueue,
    guests: Guests,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Desc>() == 64, "one line of cache each");

impl Desc {
    /// Of nothing.
    pub fn new() -> Desc {
        Desc {
            lock: Lock::new(),
            seq: AtomicU32::new(0),
            counts: [AtomicU32::new(0), AtomicU32::new(0)],
            state: AtomicU32::new(0),
            emptied: AtomicU32::new(0),
            reader: AtomicU64::new(0),
            deadlines: [AtomicI64::new(0), AtomicI64::new(0)],
            queue: WaitQueue::default(),
            guests: Guests::new(),
        }
    }

    /// Before a try.
    #[inline(always)]
    pub fn look(&self) -> Look {
        // Acquire: what is tried afterwards is tried afterwards.
        let seq = self.seq.load(Acquire);
        Look { seq, counts: [self.counts[0].load(Acquire), self.counts[1].load(Acquire)] }
    }

    /// True if nothing has come since `reader`'s last read, and that took all there was: a try would find nothing.
    #[inline(always)]
    pub fn is_emptied(&self, look: Look, reader: u64) -> bool {
        self.reader.load(Relaxed) == reader
            && self.emptied.load(Relaxed) == look.counts[0]
            && self.state.load(Relaxed) & (SHORT_IS_EMPTY | SPECIAL) == SHORT_IS_EMPTY
    }

    /// `reader` has read, after `look`; `short`: less than it had room for.
    #[inline(always)]
    pub fn note_read(&self, look: Look, reader: u64, short: bool) {
        if short && self.state.load(Relaxed) & SHORT_IS_EMPTY != 0 {
            #[cfg(loom)]
            let look = if Break::DescNoteLate.is_on() { self.look() } else { look };
            self.emptied.store(look.counts[0], Relaxed);
            self.reader.store(reader, Relaxed);
        } else if self.reader.load(Relaxed) != 0 {
            self.reader.store(0, Relaxed);
        }
    }

    /// The deadline of waits for `events`, or `deadline` if that is earlier.
    #[inline(always)]
    pub fn deadline(&self, events: u32, deadline: i64) -> i64 {
        let mut earliest = deadline;
        for (n, own) in self.deadlines.iter().enumerate() {
            if events & (1 << n) != 0 {
                earliest = earliest.min(i64::MAX - own.load(Acquire));
            }
        }
        earliest
    }

    /// Puts the waiter of `node` in, for `events` (in the node's value), unless something has happened since `look`, or the deadline
    /// that it reckons with is not the one any more; `arm` is called as the last step.
    pub fn enlist(&self, node: &Node, look: Look, deadline: i64, tried: bool, arm: impl FnOnce() -> bool) -> Enlisted {
        let events = node.value.get() as u32;
        self.lock.lock();
        if !self.is_same_life(look) {
            node.tag.set(GONE);
            self.lock.unlock();
            return Enlisted::Gone;
        }
        if self.seq.load(Relaxed) != look.seq
            || self.has_happened(look, events)
            || self.is_another_deadline(events, deadline)
        {
            self.lock.unlock();
            return Enlisted::Try;
        }
        if !tried {
            self.mark(UNSURE);
            node.value.set((events | UNSURE) as usize);
        }
        self.queue.push(node);
        let armed = arm();
        if !armed {
            self.queue.remove(node);
        }
        self.lock.unlock();
        if armed {
            Enlisted::Waits
        } else {
            Enlisted::Expired
        }
    }

    /// Under the lock.
    fn is_same_life(&self, look: Look) -> bool {
        (self.seq.load(Relaxed) ^ look.seq) & !FILE == 0
    }

    fn is_another_deadline(&self, events: u32, deadline: i64) -> bool {
        #[cfg(loom)]
        if Break::DescNoDeadline.is_on() {
            return false;
        }
        self.deadline(events, deadline) != deadline
    }

    fn has_happened(&self, look: Look, events: u32) -> bool {
        #[cfg(loom)]
        if Break::DescNoLook.is_on() {
            return false;
        }
        (0..2).any(|n| events & (1 << n) != 0 && self.counts[n].load(Relaxed) != look.counts[n])
    }

    /// Takes out a waiter that has stopped waiting. False: it was claimed.
    pub fn leave(&self, node: &Node) -> bool {
        self.lock.lock();
        let was_in = self.queue.remove(node);
        self.lock.unlock();
        was_in
    }

    /// True if the waiter of a claimed node was woken because of a close, or was told so by [`Desc::enlist`].
    pub fn is_gone(node: &Node) -> bool {
        node.tag.get() == GONE
    }

    /// Under the lock: claims who waits for `events`.
    fn claim(&self, events: u32, tag: u32, claimed: &mut Claimed) {
        self.queue.claim_which(
            |node| node.value.get() as u32 & events != 0,
            |node| {
                node.tag.set(tag);
                claimed.push(node);
            },
        );
    }

    /// An event of the file `seq`, told to that poller. Who is to be woken.
    pub fn happened(&self, poller: u32, seq: u32, events: u32, special: bool) -> Claimed {
        let mut claimed = Claimed::none();
        self.lock.lock();
        if self.seq.load(Relaxed) == seq && self.poller() == poller {
            // Before the counts: who reads after a look that counts it finds the mark.
            if special {
                self.mark(SPECIAL);
            }
            for (direction, count) in self.counts.iter().enumerate() {
                if events & (1 << direction) != 0 {
                    count.store(count.load(Relaxed).wrapping_add(1), Release);
                }
            }
            self.claim(events, TRY, &mut claimed);
        }
        self.lock.unlock();
        claimed
    }

    /// Sets the deadline of waits for `events`; who waits looks at it anew. `kernel` says whether the number, registered with that poller
    /// as that file, still is.
    pub fn set_deadline(&self, events: u32, deadline: i64, kernel: impl Fn(u32, u32) -> bool) -> Claimed {
        let mut claimed = Claimed::none();
        self.lock.lock();
        if self.poller() != 0 && !kernel(self.poller(), self.seq.load(Relaxed)) {
            self.lose(&mut claimed);
        }
        for (n, own) in self.deadlines.iter().enumerate() {
            if events & (1 << n) != 0 {
                own.store(i64::MAX - deadline.max(1), Release);
            }
        }
        self.claim(events, TRY, &mut claimed);
        self.guests.ring(false);
        self.lock.unlock();
        claimed
    }

    /// The number is about to stand for nothing, or was found to stand for another file: everybody is told, and nothing that
    /// was known counts any more. The poller it was registered with, 0 if with none.
    pub fn forget(&self) -> (u32, Claimed) {
        let mut claimed = Claimed::none();
        self.lock.lock();
        let poller = self.poller();
        // The last file of this life, and one more.
        self.seq.store((self.seq.load(Relaxed) | FILE).wrapping_add(1), Release);
        self.guests.ring(true);
        self.clear(&mut claimed);
        self.lock.unlock();
        (poller, claimed)
    }

    /// Under the lock: another file, of the same life.
    fn next_file(&self) {
        let seq = self.seq.load(Relaxed);
        self.seq.store(seq & !FILE | seq.wrapping_add(1) & FILE, Release);
    }

    /// Under the lock: nothing is known any more, and who waits is told that it is gone.
    fn clear(&self, claimed: &mut Claimed) {
        self.state.store(0, Relaxed);
        self.reader.store(0, Relaxed);
        for own in &self.deadlines {
            own.store(0, Relaxed);
        }
        self.claim(READ | WRITE, GONE, claimed);
    }

    /// After the close: who came between `forget` and the close waits for nothing, and tries again. `kernel` says whether the number,
    /// registered with that poller as that file, still is.
    pub fn forget_latecomers(&self, kernel: impl Fn(u32, u32) -> bool) -> Claimed {
        let mut claimed = Claimed::none();
        #[cfg(loom)]
        if Break::DescLateUnlocked.is_on() && self.queue.is_empty() {
            return claimed;
        }
        self.lock.lock();
        let poller = self.poller();
        // Registered is enough: its waiter may be on its way.
        if (poller != 0 || !self.queue.is_empty()) && !kernel(poller, self.seq.load(Relaxed)) {
            self.lose(&mut claimed);
        }
        // They look for themselves.
        self.guests.ring(false);
        self.lock.unlock();
        claimed
    }

    /// True if something is known of the descriptor, or somebody waits: `forget` has something to do. A hint for who has just
    /// opened it.
    #[inline(always)]
    pub fn is_known(&self) -> bool {
        self.poller() != 0 || self.deadlines.iter().any(|own| own.load(Relaxed) != 0)
    }

    /// Lets a thread in that waits by itself. False: the descriptor was closed since the look.
    pub fn come(&self, guest: &Guest, look: Look) -> bool {
        self.lock.lock();
        let same = self.is_same_life(look);
        if same {
            self.guests.push(guest);
        }
        self.lock.unlock();
        same
    }

    /// Lets it out again. True: the descriptor was closed meanwhile.
    pub fn go(&self, guest: &Guest) -> bool {
        self.lock.lock();
        self.guests.remove(guest);
        self.lock.unlock();
        guest.is_gone()
    }

    /// Registers the descriptor with the poller of this number, or looks whether it still is, by `kernel` under the lock
    /// (see [`Ask`]), after a try that came after `look`. What `kernel` made of it, and the look to wait with; None: closed since
    /// that look. And who waited for a file that the number does not stand for any more.
    pub fn register<E>(
        &self,
        poller: u32,
        look: Look,
        kernel: impl Fn(Ask, u32) -> Result<Told, E>,
    ) -> (Option<Result<Look, E>>, Claimed) {
        let mut claimed = Claimed::none();
        self.lock.lock();
        if !self.is_same_life(look) {
            self.lock.unlock();
            return (None, claimed);
        }
        let mut result = Ok(Told::Same);
        let mut begins = self.poller() != poller;
        if !begins {
            result = kernel(Ask::Again, self.seq.load(Relaxed));
            match result {
                Ok(Told::Another) | Err(_) => {
                    self.next_file();
                    // Guests, and who has not tried and so has not registered it, may wait for the new one already.
                    self.claim(UNSURE, TRY, &mut claimed);
                    self.clear(&mut claimed);
                    self.guests.ring(false);
                    begins = result.is_ok();
                }
                Ok(Told::Lost) => self.lose(&mut claimed),
                Ok(_) => {}
            }
        }
        if begins {
            result = kernel(Ask::Begin, self.seq.load(Relaxed));
            if let Ok(told @ (Told::Same | Told::Tcp)) = &result {
                let kind = if *told == Told::Tcp { SHORT_IS_EMPTY } else { 0 };
                let kept = self.state.load(Relaxed) & CLAIMED;
                self.state.store(poller << POLLER | kind | kept, Relaxed);
                self.reader.store(0, Relaxed);
            }
        }
        // Of the same file: as it was before the try. Of another one: the registration tells what there is.
        let look = if self.seq.load(Relaxed) == look.seq { look } else { self.look() };
        self.lock.unlock();
        (Some(result.map(|_| look)), claimed)
    }

    /// After somebody began to wait without having tried, while somebody still waits: looks, by `kernel` under the lock, whether the
    /// number is still registered as that file with this poller. If not, who waits tries again.
    pub fn check(&self, poller: u32, kernel: impl Fn(u32) -> bool) -> Claimed {
        let mut claimed = Claimed::none();
        if self.state.load(Relaxed) & UNSURE == 0 {
            return claimed;
        }
        self.lock.lock();
        self.state.store(self.state.load(Relaxed) & !UNSURE, Relaxed);
        if !self.queue.is_empty() && self.poller() == poller && !kernel(self.seq.load(Relaxed)) {
            self.lose(&mut claimed);
        }
        self.lock.unlock();
        claimed
    }

    /// The poller has lost its queue: who waits tries again.
    pub fn lost(&self, poller: u32) -> Claimed {
        let mut claimed = Claimed::none();
        self.lock.lock();
        if self.poller() == poller {
            self.lose(&mut claimed);
        }
        self.lock.unlock();
        claimed
    }

    /// Under the lock: it is registered no more; who waits, or is about to, tries again.
    fn lose(&self, claimed: &mut Claimed) {
        self.next_file();
        self.state.store(self.state.load(Relaxed) & CLAIMED, Relaxed);
        self.reader.store(0, Relaxed);
        self.claim(READ | WRITE, TRY, claimed);
    }

    /// Only one at a time asks a listener that blocks and then accepts, or another would take what it has seen. False: somebody does.
    /// (Who then waits is told again if the listener is ready: its registration is looked at.)
    pub fn begin_accept(&self) -> bool {
        self.lock.lock();
        let free = self.state.load(Relaxed) & CLAIMED == 0;
        self.mark(CLAIMED);
        self.lock.unlock();
        free
    }

    /// After it.
    pub fn end_accept(&self) {
        self.lock.lock();
        self.state.store(self.state.load(Relaxed) & !CLAIMED, Relaxed);
        self.lock.unlock();
    }

    fn poller(&self) -> u32 {
        self.state.load(Relaxed) >> POLLER
    }

    /// Under the lock.
    fn mark(&self, flag: u32) {
        self.state.store(self.state.load(Relaxed) | flag, Relaxed);
    }
}

/// What the kernel is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Register it.
    Begin,
    /// Is it still registered? If it is ready, say so once more.
    Again,
}

/// What the kernel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Registered.
    Same,
    /// Registered; and it is a TCP socket.
    Tcp,
    /// It was not registered: the number stands for another file.
    Another,
    /// There is no queue any more.
    Lost,
}
