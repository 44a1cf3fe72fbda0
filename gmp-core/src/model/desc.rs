//! A descriptor's record (`source/desc.rs`): who waits for it, against events, deadlines, closes and numbers that are used again.
//!
//! Threads: one that reads as `io/wait.rs` does, one that polls as `source/poller.rs` does until the reader is through (or the others
//! poll), and one that writes, closes or sets a deadline. The record, the queue and the wait are the real code. The kernel is a few words behind a lock:
//! a file that the number stands for, what it holds, whether it is registered; an edge is told once.
//! Checked: nobody waits for what has happened (F1: loom's "deadlock"); a byte is read once; a close and a deadline end the
//! wait, whichever comes first (F2, F3).
//! Bounded: to three interruptions, or four.

use super::{fails, holds, race, Break, Place};
use crate::base::error::{Error, Result};
use crate::base::note::Note;
use crate::primitive::Mutex;
use crate::sched::ready;
use crate::sched::wait::{self, Enlisted, Object, FOREVER};
use crate::source::desc::{self, Ask, Desc, Look, Told, READ};
use crate::sys::{clock, Errno};
use crate::task::wait_queue::{Claimed, Node};
use crate::task::waiter::Waiter;
use crate::task::Reason;
use std::cell::UnsafeCell;
use std::ptr::null;

/// The number of the one poller, and of the one reader.
const POLLER: u32 = 1;
const READER: u64 = 1;
/// It passes whenever it is looked at.
const SOON: i64 = 2;
const GONE: Error = Error::Os(9);
const NOTHING: Error = Error::Os(11);

struct Kernel {
    /// What the number stands for; 0: nothing.
    file: u32,
    bytes: u32,
    /// The `seq` that the file is registered with.
    registered: Option<u32>,
    edge: Option<u32>,
    /// The reader is through.
    is_over: bool,
}

struct World {
    desc: Place<Desc>,
    kernel: Mutex<Kernel>,
    /// Wakes who polls.
    poll: Note,
    /// Nobody else does: who has written polls, and who is about to wait.
    alone: bool,
}

fn finish(claimed: Claimed) {
    // SAFETY: claimed by the caller.
    unsafe { ready::finish_all(None, claimed) };
}

/// One place in the record's queue.
struct InLine<'a> {
    desc: &'a Desc,
    look: Look,
    deadline: i64,
    tried: bool,
    node: UnsafeCell<Node>,
}

// SAFETY: `Desc::enlist` arms before its unlock.
unsafe impl Object for InLine<'_> {
    unsafe fn enlist(&self, waiter: &Waiter) -> Enlisted {
        // SAFETY: nobody else's before it is in the queue.
        let node = unsafe {
            *self.node.get() = Node::new(waiter, READ as usize, 0);
            &*self.node.get()
        };
        match self.desc.enlist(node, self.look, self.deadline, self.tried, || waiter.arm()) {
            desc::Enlisted::Waits => Enlisted::Waits,
            desc::Enlisted::Try | desc::Enlisted::Gone => Enlisted::Done,
            desc::Enlisted::Expired => Enlisted::Expired,
        }
    }

    unsafe fn leave(&self, _waiter: &Waiter) {
        // SAFETY: as above.
        self.desc.leave(unsafe { &*self.node.get() });
    }
}

impl World {
    fn new() -> World {
        clock::start(0);
        let kernel = Kernel { file: 1, bytes: 0, registered: None, edge: None, is_over: false };
        World { desc: Place::new(Desc::new()), kernel: Mutex::new(kernel), poll: Note::new(), alone: false }
    }

    /// Registered by a wait before.
    fn registered() -> World {
        let world = World::new();
        assert!(world.register(world.desc.look()).is_ok());
        world
    }

    fn alone() -> World {
        World { alone: true, ..World::registered() }
    }

    // The kernel.

    fn arrive(&self) {
        let mut kernel = self.kernel.lock();
        kernel.bytes += 1;
        kernel.edge = kernel.registered;
        drop(kernel);
        if self.alone {
            self.look();
        } else {
            self.poll.wake();
        }
    }

    /// All there is.
    fn take(&self) -> Result<u32> {
        let mut kernel = self.kernel.lock();
        match (kernel.file, std::mem::take(&mut kernel.bytes)) {
            (0, _) => Err(GONE),
            (_, 0) => Err(NOTHING),
            (_, bytes) => Ok(bytes),
        }
    }

    fn ask(&self, ask: Ask, seq: u32) -> std::result::Result<Told, Errno> {
        let mut kernel = self.kernel.lock();
        if kernel.file == 0 {
            return Err(Errno(9));
        }
        match ask {
            Ask::Again if Break::DescUnasked.is_on() => return Ok(Told::Same),
            Ask::Again if kernel.registered != Some(seq) => return Ok(Told::Another),
            Ask::Again => {}
            Ask::Begin => kernel.registered = Some(seq),
        }
        if kernel.bytes > 0 {
            kernel.edge = kernel.registered;
            drop(kernel);
            if !self.alone {
                self.poll.wake();
            }
        }
        Ok(Told::Tcp)
    }

    fn close_file(&self) {
        let mut kernel = self.kernel.lock();
        (kernel.file, kernel.bytes, kernel.registered, kernel.edge) = (0, 0, None, None);
    }

    fn open_file(&self, bytes: u32) {
        let mut kernel = self.kernel.lock();
        (kernel.file, kernel.bytes) = (2, bytes);
    }

    // Those who take part.

    fn poll(&self) {
        loop {
            self.poll.sleep(None);
            if self.look() {
                return;
            }
        }
    }

    /// True when the reader is through.
    fn look(&self) -> bool {
        let (edge, is_over) = {
            let mut kernel = self.kernel.lock();
            (kernel.edge.take(), kernel.is_over)
        };
        if let Some(seq) = edge {
            finish(self.desc.happened(POLLER, seq, READ, false));
        }
        is_over
    }

    fn register(&self, look: Look) -> Result<Look> {
        let (result, woken) = self.desc.register(POLLER, look, |ask, seq| self.ask(ask, seq));
        finish(woken);
        if self.alone {
            self.look();
        }
        result.ok_or(GONE)?.map_err(|_| GONE)
    }

    /// As `Watched::read` of `io/wait.rs`. `room`: for how many bytes.
    fn read(&self, room: u32) -> Result<u32> {
        loop {
            let look = self.desc.look();
            let tried = !self.desc.is_emptied(look, READER);
            if tried {
                match self.take() {
                    Ok(got) => {
                        self.desc.note_read(look, READER, got < room);
                        return Ok(got);
                    }
                    Err(NOTHING) => {}
                    Err(e) => return Err(e),
                }
            }
            let look = if tried { self.register(look)? } else { look };
            let deadline = self.desc.deadline(READ, FOREVER);
            wait::may_wait(None, deadline)?;
            let node = UnsafeCell::new(Node::new(null(), READ as usize, 0));
            let place = InLine { desc: &self.desc, look, deadline, tried, node };
            // SAFETY: a thread's wait.
            let result = unsafe { wait::wait(None, Reason::Join, deadline, &place, |_| ()) };
            // SAFETY: its own again after the wait.
            if Desc::is_gone(unsafe { &*place.node.get() }) {
                return Err(GONE);
            }
            result?;
        }
    }

    fn through(&self) {
        self.kernel.lock().is_over = true;
        self.poll.wake();
    }

    fn read_one(&self) {
        assert_eq!(self.read(8), Ok(1));
        self.through();
    }

    fn read_two(&self) {
        let first = self.read(8).expect("nobody closes");
        assert!(first == 2 || self.read(8) == Ok(1), "the second byte");
        self.through();
    }

    fn arrive_twice(&self) {
        self.arrive();
        self.arrive();
    }

    fn read_until_closed(&self) {
        assert_eq!(self.read(8), Err(GONE));
        self.through();
    }

    /// As `poller::close`.
    fn close(&self) {
        let (poller, claimed) = self.desc.forget();
        if poller != 0 {
            self.kernel.lock().registered = None;
        }
        finish(claimed);
        self.close_file();
        finish(self.desc.forget_latecomers(|poller, seq| poller != 0 && self.kernel.lock().registered == Some(seq)));
    }

    fn read_until_late(&self) {
        assert_eq!(self.read(8), Err(Error::TimedOut));
        self.through();
    }

    fn set_deadline(&self) {
        finish(self.desc.set_deadline(READ, SOON, |_, _| true));
    }

    fn end(&self) {
        assert_eq!(self.kernel.lock().bytes, 0, "nothing is left");
        self.desc.free();
    }
}

fn event_against_wait() {
    race(World::new(), &[World::read_one, World::poll, World::arrive]).end();
}

fn event_against_wait_when_registered() {
    race(World::registered(), &[World::read_one, World::poll, World::arrive]).end();
}

fn events_against_a_short_read() {
    race(World::alone(), &[World::read_two, World::arrive_twice]).end();
}

fn close_against_wait() {
    race(World::new(), &[World::read_until_closed, World::close]).end();
}

fn close_against_wait_when_registered() {
    race(World::registered(), &[World::read_until_closed, World::close]).end();
}

fn deadline_against_wait() {
    race(World::registered(), &[World::read_until_late, World::set_deadline]).end();
}

fn another_file_against_wait() {
    let world = World::registered();
    // Behind our back, and what it was told of is still to come.
    world.kernel.lock().edge = Some(0);
    world.close_file();
    world.open_file(0);
    race(world, &[World::read_one, World::poll, World::arrive]).end();
}

#[test]
fn model_desc_holds_for_events() {
    holds(Some(3), event_against_wait);
    holds(Some(3), event_against_wait_when_registered);
}

#[test]
fn model_desc_holds_for_short_reads() {
    holds(Some(4), events_against_a_short_read);
}

#[test]
fn model_desc_holds_for_closes() {
    holds(Some(3), close_against_wait);
    holds(Some(3), close_against_wait_when_registered);
}

#[test]
fn model_desc_holds_for_deadlines() {
    holds(Some(3), deadline_against_wait);
}

#[test]
fn model_desc_holds_for_numbers_used_again() {
    holds(Some(3), another_file_against_wait);
}

#[test]
fn model_desc_fails_when_nobody_looks_at_the_count() {
    fails(Break::DescNoLook, "deadlock", Some(3), event_against_wait_when_registered);
}

#[test]
fn model_desc_fails_when_a_short_read_counts_for_what_came_after() {
    fails(Break::DescNoteLate, "deadlock", Some(4), events_against_a_short_read);
}

#[test]
fn model_desc_fails_when_the_deadline_is_not_looked_at_again() {
    fails(Break::DescNoDeadline, "deadlock", Some(3), deadline_against_wait);
}

#[test]
fn model_desc_fails_when_the_registration_is_taken_for_granted() {
    fails(Break::DescUnasked, "deadlock", Some(3), another_file_against_wait);
}

#[test]
fn model_desc_fails_when_a_close_does_not_look_for_who_is_about_to_wait() {
    fails(Break::DescLateUnlocked, "deadlock", Some(3), close_against_wait);
}
