//! The poller: what the kernel says of the descriptors that tasks wait for.
//!
//! Owns: one epoll queue and its bell a runtime, made at the first wait; the process's table of descriptors (`desc.rs`); how many
//! wait. Edge-triggered, one registration a descriptor (§24.1).
//!
//! Always true:
//!  - K1. An event is told to the file that was registered: its token has the number of the descriptor and the record's `seq`.
//!  - K2. Who waits after a try has seen to the registration after that try ([`Poller::watch`]): a descriptor that was closed behind our
//!        back, and its number used again, is found then. Who waits without a try (`Desc::is_emptied`) may be misled by such a change;
//!        [`Poller::check`] finds that, after 5 ms if nothing else happens (100 ms after the last time) and after a second at the latest, and whatever edge could
//!        ever be lost with it.
//!  - K3. Nothing here calls the scheduler: who is to be woken is handed back.
//!
//! The table is the process's, not a runtime's, as the numbers are. A fork's child begins with an empty one ([`begin_afresh`]).
//!
//! Called by: tasks before they wait, machines that search or sleep, the monitor. Blocks: [`Poller::wait`] only.

use super::desc::{Ask, Desc, Look, Told, READ, WRITE};
use crate::primitive::{fence, AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering::*};
use crate::sys::poll::{self, Event, BATCH};
use crate::sys::{clock, fd, process, Errno};
use crate::task::wait_queue::Claimed;
use std::alloc::{alloc_zeroed, Layout};
use std::cell::Cell;
use std::ptr::null_mut;

/// How long a descriptor may be waited for without its registration having been looked at, when nothing else happens, and at most.
const UNSURE: i64 = 5_000_000;
const UNSURE_AT_MOST: i64 = 1_000_000_000;
/// How long after one such look the next comes: a look is a system call for each descriptor.
const RARELY: i64 = 100_000_000;

/// Of the bell.
const BELL: u64 = u64::MAX;

const CHUNK: usize = 1024;
const CHUNKS: usize = 4096;

struct Table {
    chunks: [AtomicPtr<Desc>; CHUNKS],
    /// Chunks that may be there are below this.
    end: AtomicU32,
}

static TABLE: Table = Table { chunks: [const { AtomicPtr::new(null_mut()) }; CHUNKS], end: AtomicU32::new(0) };

/// The record of `fd`. None: there is no memory for it, or the number is beyond what a process can have.
#[inline(always)]
pub fn desc(fd: i32) -> Option<&'static Desc> {
    let n = fd as usize;
    let chunk = TABLE.chunks.get(n / CHUNK)?.load(Acquire);
    if chunk.is_null() {
        return make(n);
    }
    // SAFETY: a chunk has as many records, and is never freed.
    Some(unsafe { &*chunk.add(n % CHUNK) })
}

/// The record of `fd` if there was ever need of one.
#[inline(always)]
pub fn known(fd: i32) -> Option<&'static Desc> {
    let n = fd as usize;
    let chunk = TABLE.chunks.get(n / CHUNK)?.load(Acquire);
    // SAFETY: as above.
    (!chunk.is_null()).then(|| unsafe { &*chunk.add(n % CHUNK) })
}

#[cold]
fn make(n: usize) -> Option<&'static Desc> {
    let layout = Layout::array::<Desc>(CHUNK).ok()?;
    // SAFETY: the layout is not empty.
    let fresh = unsafe { alloc_zeroed(layout) } as *mut Desc;
    if fresh.is_null() {
        return None;
    }
    let chunk = match TABLE.chunks[n / CHUNK].compare_exchange(null_mut(), fresh, AcqRel, Acquire) {
        Ok(_) => fresh,
        Err(there) => {
            // SAFETY: nobody has seen it.
            unsafe { std::alloc::dealloc(fresh.cast(), layout) };
            there
        }
    };
    TABLE.end.fetch_max((n / CHUNK) as u32 + 1, Release);
    if !WATCHES_FORKS.swap(true, AcqRel) {
        // Threads that are no tasks come here without a runtime, which would tell.
        process::at_fork(nothing, nothing, begin_afresh);
    }
    // SAFETY: F4: zeros are a record.
    Some(unsafe { &*chunk.add(n % CHUNK) })
}

/// All pollers, so that a thread that is no task can close a descriptor, and a fork's child the parent's queues: number, queue, bell.
static POLLERS: Mutex<[(u32, i32, i32); 16]> = Mutex::new([(0, -1, -1); 16]);
static NUMBERS: AtomicU32 = AtomicU32::new(1);

static WATCHES_FORKS: AtomicBool = AtomicBool::new(false);

extern "C" fn nothing() {}

/// In a fork's child, by its only thread: the parent's records and queues are given up. Once more does no harm.
pub extern "C" fn begin_afresh() {
    for chunk in &TABLE.chunks {
        chunk.store(null_mut(), Relaxed);
    }
    TABLE.end.store(0, Relaxed);
    // SAFETY: who holds it, if anybody, is not here. Entries are words: a torn one has a number too few.
    unsafe { POLLERS.force_unlock() };
    for (number, queue, bell) in POLLERS.lock().iter_mut() {
        if *number != 0 {
            let _ = (fd::close(*queue), fd::close(*bell));
        }
        (*number, *queue, *bell) = (0, -1, -1);
    }
}

/// See the module.
#[derive(Debug)]
pub struct Poller {
    number: AtomicU32,
    queue: AtomicI32,
    bell: AtomicI32,
    opening: Mutex<()>,
    /// Tasks that wait for a descriptor, and those that have not gone on since.
    waiters: AtomicI64,
    /// Looks so far, and when the last one was.
    looks: AtomicU64,
    looked: AtomicI64,
    /// A machine sleeps in [`Poller::wait`], or is about to.
    attended: AtomicBool,
    /// Somebody waits without a try; and when that was looked at.
    unsure: AtomicBool,
    /// When a look at those is due, if nothing else happens.
    due: AtomicI64,
    checked: AtomicI64,
}

/// Why a descriptor cannot be waited for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No such descriptor.
    Bad,
    /// The kernel cannot wait for it, or has no room for it.
    Other(Errno),
}

impl Default for Poller {
    fn default() -> Poller {
        Poller::new()
    }
}

impl Poller {
    pub fn new() -> Poller {
        Poller {
            number: AtomicU32::new(NUMBERS.fetch_add(1, Relaxed)),
            queue: AtomicI32::new(-1),
            bell: AtomicI32::new(-1),
            opening: Mutex::new(()),
            waiters: AtomicI64::new(0),
            looks: AtomicU64::new(0),
            looked: AtomicI64::new(0),
            attended: AtomicBool::new(false),
            unsure: AtomicBool::new(false),
            due: AtomicI64::new(0),
            checked: AtomicI64::new(0),
        }
    }

    /// The queue, made if there is none.
    fn open(&self) -> Result<i32, Errno> {
        let queue = self.queue.load(Acquire);
        if queue >= 0 {
            return Ok(queue);
        }
        let _opening = self.opening.lock();
        let queue = self.queue.load(Acquire);
        if queue >= 0 {
            return Ok(queue);
        }
        let queue = poll::create()?;
        let bell = poll::bell().inspect_err(|_| _ = fd::close(queue))?;
        if let Err(e) = poll::add_bell(queue, bell, BELL) {
            let _ = (fd::close(queue), fd::close(bell));
            return Err(e);
        }
        if let Some(free) = POLLERS.lock().iter_mut().find(|entry| entry.0 == 0) {
            *free = (self.number.load(Relaxed), queue, bell);
        }
        self.bell.store(bell, Relaxed);
        self.queue.store(queue, Release);
        Ok(queue)
    }

    /// Tasks that wait for a descriptor.
    #[inline(always)]
    pub fn waiters(&self) -> i64 {
        self.waiters.load(Relaxed)
    }

    /// One more waits.
    #[inline(always)]
    pub fn count(&self) {
        self.waiters.fetch_add(1, Relaxed);
    }

    /// It goes on.
    #[inline(always)]
    pub fn discount(&self) {
        self.waiters.fetch_sub(1, Relaxed);
    }

    /// Somebody waits who has not tried, and has marked the record so before.
    #[inline(always)]
    pub fn doubt(&self) {
        // With the one in `check`: either that finds the mark, or this finds that there is no doubt any more.
        fence(SeqCst);
        if !self.unsure.load(Relaxed) {
            let due = (clock::now() + UNSURE).max(self.checked.load(Relaxed) + RARELY);
            self.due.store(due, Relaxed);
            self.unsure.store(true, SeqCst);
            if self.attended.load(SeqCst) {
                // Who sleeps there already shall not sleep past it.
                poll::ring(self.bell());
            }
        }
    }

    /// Looks so far.
    pub fn looks(&self) -> u64 {
        self.looks.load(Relaxed)
    }

    /// When it was last looked.
    #[inline(always)]
    pub fn looked(&self) -> i64 {
        self.looked.load(Relaxed)
    }

    /// A machine sleeps in [`Poller::wait`].
    #[inline(always)]
    pub fn is_attended(&self) -> bool {
        self.attended.load(Relaxed)
    }

    /// Under the scheduler's lock: a machine is about to sleep in [`Poller::wait`], or does so no more.
    pub fn attend(&self, on: bool) {
        self.attended.store(on, SeqCst);
    }

    /// What ends a wait, once there is a queue.
    pub fn bell(&self) -> i32 {
        self.bell.load(Relaxed)
    }

    /// After a try of an operation on `fd` that found nothing: sees to its registration (K2). `look` is from before the try. The look to
    /// wait with, and who waited for a file that is gone.
    pub fn watch(&self, desc: &Desc, fd: i32, look: Look) -> (Result<Look, Refused>, Claimed) {
        let queue = match self.open() {
            Ok(queue) => queue,
            Err(e) => return (Err(Refused::Other(e)), Claimed::none()),
        };
        let lost = Cell::new(false);
        let (result, mut claimed) = desc.register(self.number.load(Acquire), look, |ask, seq| {
            let told = self.ask(queue, fd, ask, seq);
            // One of the two is no descriptor, or the queue is none any more.
            if matches!(told, Err(Errno(libc::EBADF | libc::EINVAL))) && fd != queue && fd::ready(fd, 0).is_ok() {
                lost.set(true);
                return Ok(Told::Lost);
            }
            told
        });
        if lost.get() {
            self.lose(queue, &mut claimed);
            return (Err(Refused::Other(Errno(libc::EBADF))), claimed);
        }
        let result = match result {
            Some(Ok(look)) => Ok(look),
            None | Some(Err(Errno(libc::EBADF))) => Err(Refused::Bad),
            Some(Err(e)) => Err(Refused::Other(e)),
        };
        (result, claimed)
    }

    fn ask(&self, queue: i32, fd: i32, ask: Ask, seq: u32) -> Result<Told, Errno> {
        let token = token(fd, seq);
        match ask {
            Ask::Again => match poll::again(queue, fd, token) {
                Ok(()) => Ok(Told::Same),
                Err(Errno(libc::ENOENT)) => Ok(Told::Another),
                Err(e) => Err(e),
            },
            Ask::Begin => {
                match poll::add(queue, fd, token) {
                    // The same file was known by this number before, which was closed and made again by dup2 …
                    Err(Errno(libc::EEXIST)) => poll::again(queue, fd, token)?,
                    other => other?,
                }
                let protocol = fd::option(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL);
                Ok(if protocol == Ok(libc::IPPROTO_TCP) { Told::Tcp } else { Told::Same })
            }
        }
    }

    /// Asks the kernel without waiting. Who is to be woken.
    pub fn look(&self, events: &mut [Event; BATCH]) -> Claimed {
        self.wait(events, Some(0))
    }

    /// Asks the kernel, and waits until there is something, the bell rings, or `left` nanoseconds have passed. Who is to be woken.
    pub fn wait(&self, events: &mut [Event; BATCH], left: Option<i64>) -> Claimed {
        let mut claimed = Claimed::none();
        let queue = self.queue.load(Acquire);
        if queue < 0 {
            return claimed;
        }
        let doubts = self.unsure.load(Relaxed);
        let left = if doubts {
            let until = (self.due.load(Relaxed) - clock::now()).max(0);
            Some(left.map_or(until, |left| left.min(until)))
        } else {
            left
        };
        let n = match poll::wait(queue, events, left) {
            Ok(n) => n,
            Err(_) => {
                self.lose(queue, &mut claimed);
                return claimed;
            }
        };
        self.looks.fetch_add(1, Relaxed);
        let now = clock::now();
        self.looked.store(now, Relaxed);
        let number = self.number.load(Relaxed);
        for event in &events[..n] {
            if event.token() == BELL {
                // It was for who sleeps there, and an edge is told once.
                if left == Some(0) && self.attended.load(SeqCst) {
                    poll::ring(self.bell());
                }
                continue;
            }
            let (fd, seq) = (event.token() as u32 as i32, (event.token() >> 32) as u32);
            let Some(desc) = known(fd) else { continue };
            let reads = if event.reads() { READ } else { 0 };
            let writes = if event.writes() { WRITE } else { 0 };
            claimed.append(desc.happened(number, seq, reads | writes, event.is_special()));
        }
        let late = now - self.due.load(Relaxed);
        if doubts && (n == 0 && late >= 0 || late > UNSURE_AT_MOST) {
            self.check(queue, now, &mut claimed);
        }
        claimed
    }

    /// K2: looks at the registration of every descriptor that is waited for without a try.
    #[cold]
    fn check(&self, queue: i32, now: i64, claimed: &mut Claimed) {
        self.unsure.store(false, Relaxed);
        fence(SeqCst);
        self.checked.store(now, Relaxed);
        let number = self.number.load(Relaxed);
        each(|desc, fd| {
            claimed.append(desc.check(number, |seq| self.ask(queue, fd, Ask::Again, seq) == Ok(Told::Same)));
        });
    }

    /// Somebody closed the queue, as who closes every descriptor that he does not know: the next wait makes another one, and who
    /// waits now tries again. (If the number is used again already there is no telling.)
    #[cold]
    fn lose(&self, queue: i32, claimed: &mut Claimed) {
        {
            let _opening = self.opening.lock();
            if self.queue.load(Relaxed) != queue {
                return;
            }
            let number = self.number.load(Relaxed);
            if let Some(entry) = POLLERS.lock().iter_mut().find(|entry| entry.0 == number) {
                *entry = (0, -1, -1);
            }
            self.queue.store(-1, Release);
            self.number.store(NUMBERS.fetch_add(1, Relaxed), Release);
            each(|desc, _| claimed.append(desc.lost(number)));
        }
    }
}

/// Every record that there is.
fn each(mut f: impl FnMut(&Desc, i32)) {
    for (at, chunk) in TABLE.chunks[..TABLE.end.load(Acquire) as usize].iter().enumerate() {
        let chunk = chunk.load(Acquire);
        if chunk.is_null() {
            continue;
        }
        for n in 0..CHUNK {
            // SAFETY: a chunk has as many records, and is never freed.
            f(unsafe { &*chunk.add(n) }, (at * CHUNK + n) as i32);
        }
    }
}

/// `fd` was just opened: whatever is known of the number is of another file. Who waited for that.
pub fn fresh(fd: i32) -> Claimed {
    match known(fd) {
        Some(desc) if desc.is_known() => desc.forget().1,
        _ => Claimed::none(),
    }
}

/// Closes `fd` by `close`. Who waited for it, before and (the second list) while it was closed.
pub fn close<R>(fd: i32, close: impl FnOnce(Claimed) -> R) -> (R, Claimed) {
    let Some(desc) = known(fd) else { return (close(Claimed::none()), Claimed::none()) };
    let (poller, claimed) = desc.forget();
    // Its file may live on under another number, and shall not be told of.
    with_queue(poller, |queue| _ = poll::delete(queue, fd));
    let result = close(claimed);
    let late = desc.forget_latecomers(|poller, seq| {
        with_queue(poller, |queue| poll::again(queue, fd, token(fd, seq)).is_ok()).unwrap_or(false)
    });
    (result, late)
}

/// Sets the deadline of waits for `events` of `fd`. Who waits looks at it anew. None: there is no memory for it.
pub fn set_deadline(fd: i32, events: u32, deadline: i64) -> Option<Claimed> {
    // What is registered may be another file's, whose first wait would clear the deadline.
    let is_registered = |poller, seq| with_queue(poller, |queue| poll::again(queue, fd, token(fd, seq)).is_ok());
    Some(desc(fd)?.set_deadline(events, deadline, |poller, seq| is_registered(poller, seq).unwrap_or(false)))
}

/// Calls `f` with the queue of a poller by its number, if there still is one.
fn with_queue<R>(poller: u32, f: impl FnOnce(i32) -> R) -> Option<R> {
    if poller == 0 {
        return None;
    }
    let pollers = POLLERS.lock();
    let queue = pollers.iter().find(|entry| entry.0 == poller)?.1;
    Some(f(queue))
}

/// What tells an event's file (K1).
fn token(fd: i32, seq: u32) -> u64 {
    (seq as u64) << 32 | fd as u32 as u64
}

impl Drop for Poller {
    fn drop(&mut self) {
        let queue = *self.queue.get_mut();
        if queue < 0 {
            return;
        }
        let number = *self.number.get_mut();
        // Tasks of the next runtime have the same numbers as ours. Nobody waits any more.
        each(|desc, _| _ = desc.lost(number));
        let mut pollers = POLLERS.lock();
        let listed = pollers.iter_mut().find(|entry| entry.0 == number);
        if let Some(entry) = listed {
            *entry = (0, -1, -1);
        }
        let _ = (fd::close(queue), fd::close(*self.bell.get_mut()));
    }
}
