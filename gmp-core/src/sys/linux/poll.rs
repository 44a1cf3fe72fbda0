//! The kernel's readiness queue: epoll, and a bell (an eventfd) that ends a wait for it.
//!
//! Always true: both descriptors are close-on-exec; a signal ends no wait early but as one without events.
//! Called by: the poller (`source/poller`). Blocks: `wait`, as long as it is told.

use super::errno;
use crate::primitive::{AtomicBool, Ordering::Relaxed};
use crate::sys::Errno;
use libc::c_int;

/// What one look brings at most.
pub const BATCH: usize = 128;
/// Each descriptor is registered once, for everything; edges only.
const ALL: u32 = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET) as u32;

/// What happened to one descriptor.
#[derive(Clone, Copy)]
pub struct Event(libc::epoll_event);

impl Event {
    /// None yet.
    pub const NONE: Event = Event(libc::epoll_event { events: 0, u64: 0 });

    /// What it was registered with.
    pub fn token(&self) -> u64 {
        self.0.u64
    }

    /// It may be read, accepted, or its end be seen.
    pub fn reads(&self) -> bool {
        self.0.events & (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLHUP | libc::EPOLLERR) as u32
            != 0
    }

    /// It may be written, or an error be seen.
    pub fn writes(&self) -> bool {
        self.0.events & (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0
    }

    /// More than plain bytes is there to be read: urgent data, the end, an error.
    pub fn is_special(&self) -> bool {
        self.0.events & (libc::EPOLLPRI | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0
    }
}

fn call(call: impl FnOnce() -> c_int) -> Result<c_int, Errno> {
    errno::keep(|| match call() {
        -1 => Err(Errno::last()),
        value => Ok(value),
    })
}

/// A new queue.
pub fn create() -> Result<c_int, Errno> {
    // SAFETY: takes a number only.
    call(|| unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// A new bell.
pub fn bell() -> Result<c_int, Errno> {
    // SAFETY: takes numbers only.
    call(|| unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

/// Rings a bell: whoever waits for it, or will, comes back.
pub fn ring(bell: c_int) {
    let one = 1u64;
    // SAFETY: eight bytes. A full counter (it is never emptied) is a ring too.
    errno::keep(|| unsafe { libc::write(bell, (&raw const one).cast(), 8) });
}

fn control(epoll: c_int, operation: c_int, fd: c_int, events: u32, token: u64) -> Result<(), Errno> {
    let mut event = libc::epoll_event { events, u64: token };
    // SAFETY: a valid event.
    call(|| unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) }).map(drop)
}

/// Registers `fd`. EEXIST, EPERM (it cannot be waited for), ENOSPC, ENOMEM, EBADF.
pub fn add(epoll: c_int, fd: c_int, token: u64) -> Result<(), Errno> {
    control(epoll, libc::EPOLL_CTL_ADD, fd, ALL, token)
}

/// Registers the bell: only that it was rung.
pub fn add_bell(epoll: c_int, bell: c_int, token: u64) -> Result<(), Errno> {
    control(epoll, libc::EPOLL_CTL_ADD, bell, (libc::EPOLLIN | libc::EPOLLET) as u32, token)
}

/// Looks whether `fd` is registered (ENOENT, EBADF), and has it told of once more if it is ready.
pub fn again(epoll: c_int, fd: c_int, token: u64) -> Result<(), Errno> {
    control(epoll, libc::EPOLL_CTL_MOD, fd, ALL, token)
}

/// Forgets `fd`.
pub fn delete(epoll: c_int, fd: c_int) -> Result<(), Errno> {
    control(epoll, libc::EPOLL_CTL_DEL, fd, 0, 0)
}

static FINE: AtomicBool = AtomicBool::new(true);

/// Waits for events, at most `left` nanoseconds (None: without bound). How many there are. An error: the queue is none any more.
pub fn wait(epoll: c_int, events: &mut [Event; BATCH], left: Option<i64>) -> Result<usize, Errno> {
    let at = events.as_mut_ptr().cast::<libc::epoll_event>();
    errno::keep(|| {
        let n = match left {
            // SAFETY: `events` has room for as many, here and below (`Event` is nothing but what it holds).
            Some(0) => unsafe { libc::epoll_wait(epoll, at, BATCH as c_int, 0) },
            // SAFETY: as above.
            None => unsafe { libc::epoll_wait(epoll, at, BATCH as c_int, -1) },
            Some(left) => wait_finely(epoll, at, left),
        };
        match n {
            -1 => match Errno::last() {
                Errno(libc::EINTR) => Ok(0),
                e => Err(e),
            },
            n => Ok(n as usize),
        }
    })
}

/// With `epoll_pwait2` (Linux 5.11), else by a `ppoll` of the queue itself.
fn wait_finely(epoll: c_int, at: *mut libc::epoll_event, left: i64) -> c_int {
    let time = libc::timespec { tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000 };
    // SAFETY: as in `wait`; the time is valid.
    unsafe {
        if FINE.load(Relaxed) {
            let none = std::ptr::null::<libc::sigset_t>();
            let n = libc::syscall(libc::SYS_epoll_pwait2, epoll, at, BATCH as c_int, &time, none, 8usize) as c_int;
            // Sandboxes refuse what they do not know with EPERM.
            if n >= 0 || !matches!(Errno::last().0, libc::ENOSYS | libc::EPERM) {
                return n;
            }
            FINE.store(false, Relaxed);
        }
        let mut one = libc::pollfd { fd: epoll, events: libc::POLLIN, revents: 0 };
        match libc::ppoll(&mut one, 1, &time, std::ptr::null()) {
            n if n <= 0 => return n,
            _ => {}
        }
        libc::epoll_wait(epoll, at, BATCH as c_int, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{clock, fd};

    fn events() -> [Event; BATCH] {
        [Event::NONE; BATCH]
    }

    #[test]
    fn a_bell_ends_a_wait_and_an_edge_is_told_of_once() {
        let (epoll, bell) = (create().unwrap(), bell().unwrap());
        add_bell(epoll, bell, 7).unwrap();
        assert_eq!(wait(epoll, &mut events(), Some(0)), Ok(0));
        for _ in 0..3 {
            ring(bell);
            let mut seen = events();
            assert_eq!(wait(epoll, &mut seen, None), Ok(1));
            assert_eq!(seen[0].token(), 7);
            assert!(seen[0].reads() && !seen[0].writes());
            assert_eq!(wait(epoll, &mut seen, Some(0)), Ok(0));
        }
        assert_eq!(again(epoll, 0x7fff_ffff, 0), Err(Errno(libc::EBADF)));
        assert_eq!(again(epoll, epoll, 0).map_err(|e| e.0), Err(libc::EINVAL));
        fd::close(bell).unwrap();
        fd::close(epoll).unwrap();
        assert!(wait(0x7fff_ffff, &mut events(), Some(0)).is_err());
    }

    #[test]
    fn short_waits_are_short_with_and_without_the_fine_call() {
        let epoll = create().unwrap();
        for fine in [true, false] {
            FINE.store(fine, Relaxed);
            let before = clock::now();
            assert_eq!(wait(epoll, &mut events(), Some(300_000)), Ok(0));
            assert!(clock::now() - before >= 300_000);
        }
        FINE.store(true, Relaxed);
        fd::close(epoll).unwrap();
    }
}
