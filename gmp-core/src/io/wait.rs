//! The wait of an operation for its descriptor.
//!
//! Owns: the order (F1 and K2 in `source/`): look, try, see to the registration, wait for what has happened since the look; and the
//! two other ways to wait: a thread that is no task waits in the kernel by itself, as a guest of the record; what the poller refuses
//! is waited for in a declared blocking section.
//!
//! Called by: the operations. Blocks: the task, or a thread that is no task.

use super::Result;
use crate::base::clock;
use crate::base::error::Error;
use crate::blocking::block;
use crate::join::exit_current;
use crate::sched::wait::{self, Object};
use crate::sched::{enter, ready, Inside, Shared};
use crate::source::desc::{self, Desc, Look, READ, WRITE};
use crate::source::guest::Guest;
use crate::source::poller::{self, Refused};
use crate::sys::{fd, poll, Errno};
use crate::task::wait_queue::{Claimed, Node};
use crate::task::waiter::Waiter;
use crate::task::Reason;
use crate::time::{FOREVER, NOWAIT};
use libc::c_int;
use std::cell::{Cell, UnsafeCell};
use std::ptr::null;

/// How long a wait outside the poller goes on without looking up.
const SLICE: i64 = 20_000_000;
const GONE: Error = Error::Os(libc::EBADF);

type Tried<T> = std::result::Result<T, Errno>;

/// A descriptor during one operation.
#[derive(Debug)]
pub struct Watched {
    fd: c_int,
    desc: Option<&'static Desc>,
    /// The calling task's number; 0: a thread.
    task: u64,
}

impl Watched {
    #[inline(always)]
    pub fn new(fd: c_int) -> Watched {
        Watched { fd, desc: poller::desc(fd), task: enter::current().map_or(0, |task| task.id.get()) }
    }

    #[inline(always)]
    pub fn fd(&self) -> c_int {
        self.fd
    }

    #[inline(always)]
    fn look(&self) -> Look {
        self.desc.map_or(Look::default(), Desc::look)
    }

    /// [`until`] for a plain read with room for `n` bytes: after one that found less, the next does not try before something came.
    #[inline(always)]
    pub fn read(&self, n: usize, deadline: i64, mut attempt: impl FnMut() -> Tried<usize>) -> Result<usize> {
        let Some(desc) = self.desc.filter(|_| self.task != 0) else {
            return until(self, libc::POLLIN, deadline, attempt);
        };
        loop {
            let look = desc.look();
            let empty = n > 0 && desc.is_emptied(look, self.task);
            if !empty {
                match attempt() {
                    Ok(got) => {
                        desc.note_read(look, self.task, got > 0 && got < n);
                        return Ok(got);
                    }
                    Err(Errno(libc::EAGAIN)) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            match self.wait(libc::POLLIN, deadline, look, !empty) {
                Ok(()) => {}
                // O1: what came and was not told of yet.
                Err(e @ (Error::Again | Error::TimedOut | Error::Canceled)) if empty => match attempt() {
                    Ok(got) => {
                        desc.note_read(look, self.task, false);
                        return Ok(got);
                    }
                    Err(Errno(libc::EAGAIN)) => return Err(e),
                    Err(other) => return Err(other.into()),
                },
                Err(e) => return Err(e),
            }
        }
    }

    /// Runs a try, if `blocks` while nobody else of ours runs one on this descriptor; EAGAIN: somebody does.
    pub fn alone_if<T>(&self, blocks: bool, attempt: impl FnOnce() -> Tried<T>) -> Tried<T> {
        let Some(desc) = self.desc.filter(|_| blocks) else { return attempt() };
        if !desc.begin_accept() {
            return Err(Errno(libc::EAGAIN));
        }
        let tried = attempt();
        desc.end_accept();
        tried
    }

    /// Waits for what has happened since `look`. `tried`: and there was nothing.
    #[inline(never)]
    fn wait(&self, events: i16, deadline: i64, look: Look, tried: bool) -> Result<()> {
        if deadline == NOWAIT {
            return Err(Error::Again);
        }
        let Some(desc) = self.desc else { return self.wait_blocking(events, deadline) };
        if self.task == 0 {
            return self.wait_thread(desc, events, deadline, look);
        }
        let s = shared();
        let look = if tried {
            let (result, woken) = s.poller.watch(desc, self.fd, look);
            finish(woken);
            match result {
                Ok(look) => look,
                Err(Refused::Bad) => return Err(GONE),
                Err(Refused::Other(_)) => return self.wait_blocking(events, deadline),
            }
        } else {
            look
        };
        self.wait_task(desc, directions(events), deadline, look, tried)
    }

    fn wait_task(&self, desc: &Desc, events: u32, deadline: i64, look: Look, tried: bool) -> Result<()> {
        let i = enter::enter();
        let deadline = desc.deadline(events, deadline);
        let result = wait::may_wait(i, deadline).and_then(|()| {
            let node = UnsafeCell::new(Node::new(null(), events as usize, 0));
            let counted = Cell::new(false);
            let place = Place { fd: self.fd, desc, look, deadline, tried, counted, node };
            let reason = match events {
                READ => Reason::FdRead,
                WRITE => Reason::FdWrite,
                _ => Reason::Fd,
            };
            // SAFETY: a task is inside.
            let result = unsafe { wait::wait(i, reason, deadline, &place, |_| ()) };
            if place.counted.get() {
                // SAFETY: a task that waited is inside.
                unsafe { Inside::current() }.s().poller.discount();
            }
            // SAFETY: after the wait the node is the waiting party's own.
            let gone = Desc::is_gone(unsafe { &*place.node.get() });
            match result {
                Ok(_) if gone => Err(GONE),
                other => other.map(drop),
            }
        });
        exit_current();
        result
    }

    fn wait_thread(&self, desc: &Desc, events: i16, deadline: i64, look: Look) -> Result<()> {
        let bell = poll::bell().unwrap_or(-1);
        let guest = Guest::new(bell);
        if !desc.come(&guest, look) {
            let _ = fd::close(bell);
            return Err(GONE);
        }
        // After it came: who sets the deadline rings, or was seen here.
        let left = left_until(desc.deadline(directions(events), deadline));
        let result = left.and_then(|left| {
            let left = if bell < 0 { Some(left.map_or(SLICE, |left| left.min(SLICE))) } else { left };
            Ok(fd::wait(self.fd, events, bell, left)?)
        });
        let gone = desc.go(&guest);
        if bell >= 0 {
            let _ = fd::close(bell);
        }
        if gone {
            return Err(GONE);
        }
        result.map(drop)
    }

    fn wait_blocking(&self, events: i16, deadline: i64) -> Result<()> {
        let deadline = self.desc.map_or(deadline, |desc| desc.deadline(directions(events), deadline));
        let i = enter::enter();
        let may = wait::may_wait(i, deadline);
        if i.is_some() {
            exit_current();
        }
        may?;
        let left = left_until(deadline)?.map_or(SLICE, |left| left.min(SLICE));
        block(|| fd::wait(self.fd, events, -1, Some(left)))?;
        Ok(())
    }
}

/// How long it is until a deadline; None: for ever.
fn left_until(deadline: i64) -> Result<Option<i64>> {
    if deadline == FOREVER {
        return Ok(None);
    }
    let (deadline, now) = (clock::real(deadline), crate::sys::clock::now());
    if deadline <= now {
        return Err(Error::TimedOut);
    }
    Ok(Some(deadline - now))
}

/// The calling task's runtime.
fn shared<'a>() -> &'a Shared {
    let m = enter::task_machine();
    // SAFETY: the caller is a task, which its machine and its runtime outlive.
    unsafe { &*((*m).shared as *const Shared) }
}

fn directions(events: i16) -> u32 {
    let reads = events & (libc::POLLIN | libc::POLLPRI | libc::POLLRDHUP) != 0;
    let writes = events & libc::POLLOUT != 0;
    (if reads { READ } else { 0 }) | (if writes { WRITE } else { 0 })
}

/// Tries, and waits for `events` while there is nothing to be done.
#[inline(always)]
pub fn until<T>(watched: &Watched, events: i16, deadline: i64, mut attempt: impl FnMut() -> Tried<T>) -> Result<T> {
    let mut vain = Vain::default();
    loop {
        let look = watched.look();
        match attempt() {
            Ok(done) => return Ok(done),
            Err(Errno(libc::EAGAIN)) => {}
            Err(e) => return Err(e.into()),
        }
        vain.pause(deadline)?;
        watched.wait(events, deadline, look, true)?;
    }
}

/// Waits that end at once, and a try that finds nothing again: what the kernel calls ready is not what the operation wants (urgent data
/// where others are unread, a datagram's full receiver). After a few of them there is a pause before the next.
#[derive(Default)]
struct Vain {
    since: i64,
    times: u32,
}

impl Vain {
    const FEW: u32 = 16;
    const SOON: i64 = 50_000;

    #[inline]
    fn pause(&mut self, deadline: i64) -> Result<()> {
        self.times += 1;
        if self.times > 2 {
            return self.look(deadline);
        }
        Ok(())
    }

    #[cold]
    fn look(&mut self, deadline: i64) -> Result<()> {
        let now = crate::sys::clock::now();
        let quick = now - self.since < Self::SOON * 2;
        self.since = now;
        if self.times <= Self::FEW {
            if !quick {
                self.times = 2;
            }
            return Ok(());
        }
        let doublings = (self.times - Self::FEW).min(7);
        let length = Self::SOON << doublings;
        if !quick && now - self.since > length * 4 {
            self.times = 2;
            return Ok(());
        }
        let left =
            if deadline == FOREVER || deadline == NOWAIT { i64::MAX } else { deadline.saturating_sub(clock::now()) };
        if left > 0 && deadline != NOWAIT {
            crate::time::sleep(length.min(left))?;
        }
        self.since = crate::sys::clock::now();
        Ok(())
    }
}

/// One task's place in a descriptor's record.
struct Place<'a> {
    fd: c_int,
    desc: &'a Desc,
    look: Look,
    /// The earlier one of the wait's and the descriptor's.
    deadline: i64,
    tried: bool,
    /// Among those who wait.
    counted: Cell<bool>,
    node: UnsafeCell<Node>,
}

// SAFETY: `Desc::enlist` arms before its unlock.
unsafe impl Object for Place<'_> {
    fn address(&self) -> usize {
        self.fd as usize
    }

    unsafe fn enlist(&self, waiter: &Waiter) -> wait::Enlisted {
        // SAFETY: called in the park's commit.
        let i = unsafe { Inside::current() };
        // Both before the task can go on: it counts itself out then.
        i.s().poller.count();
        self.counted.set(true);
        i.s().waits_for_descriptor(i);
        let tried = self.tried;
        // SAFETY: not in the queue yet, so nobody else's; from then on it stays until the wait has ended.
        let node = unsafe {
            let events = (*self.node.get()).value.get();
            *self.node.get() = Node::new(waiter, events, 0);
            &*self.node.get()
        };
        match self.desc.enlist(node, self.look, self.deadline, tried, || waiter.arm()) {
            desc::Enlisted::Waits => {
                // The task may be gone by now, and all that it owns.
                if !tried {
                    i.s().poller.doubt();
                }
                wait::Enlisted::Waits
            }
            desc::Enlisted::Try | desc::Enlisted::Gone => wait::Enlisted::Done,
            desc::Enlisted::Expired => wait::Enlisted::Expired,
        }
    }

    unsafe fn leave(&self, _waiter: &Waiter) {
        // SAFETY: the node is in the queue, or was taken out under the lock.
        self.desc.leave(unsafe { &*self.node.get() });
    }
}

/// Waits `ns`, or answers as a wait would.
pub fn pause(deadline: i64, ns: i64) -> Result<()> {
    if deadline == NOWAIT {
        return Err(Error::Again);
    }
    if deadline != FOREVER && clock::now().saturating_add(ns) >= deadline {
        return Err(Error::TimedOut);
    }
    crate::time::sleep(ns)
}

/// Wakes who was claimed, from outside the runtime.
fn finish(claimed: Claimed) {
    if claimed.is_empty() {
        return;
    }
    let i = enter::enter();
    // SAFETY: claimed for the caller.
    unsafe { ready::finish_all(i, claimed) };
    if let Some(i) = i {
        i.exit();
    }
}

/// See `ready.rs`.
pub fn set_deadline(fd: c_int, events: i16, deadline: i64) -> Result<()> {
    finish(poller::set_deadline(fd, directions(events), deadline).ok_or(Error::NoMemory)?);
    Ok(())
}

/// See `ready.rs`.
pub fn close(fd: c_int) -> Result<()> {
    let (result, late) = poller::close(fd, |woken| {
        finish(woken);
        fd::close(fd)
    });
    finish(late);
    Ok(result?)
}

/// `fd` was just opened: nothing that is known of the number counts any more.
pub fn fresh(fd: c_int) -> c_int {
    finish(poller::fresh(fd));
    fd
}
