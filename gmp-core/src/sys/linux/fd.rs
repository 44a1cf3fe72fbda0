//! Descriptors: system calls on files, pipes and sockets that belong to the caller.
//!
//! Always true: a signal that interrupts does not show; nothing here raises SIGPIPE; `errno` stays as it was. What a call may
//! block in, its line says.
//!
//! Called by: `io`, outside the runtime.

use super::errno;
use crate::primitive::{AtomicBool, Ordering::Relaxed};
use crate::sys::Errno;
use libc::{c_int, c_void, iovec, msghdr, off_t, sockaddr, socklen_t};
use std::ptr::null_mut;

/// Not in every libc.
const RWF_NOWAIT: c_int = 8;
/// Linux 6.18.
const RWF_NOSIGNAL: c_int = 0x100;

/// The result of one system call that gives a count, or -1 and an `errno`; begun again after a signal.
#[inline(always)]
fn count(mut call: impl FnMut() -> isize) -> Result<usize, Errno> {
    errno::keep(|| loop {
        let n = call();
        if n >= 0 {
            return Ok(n as usize);
        }
        let e = Errno::last();
        if e.0 != libc::EINTR {
            return Err(e);
        }
    })
}

/// What kind of thing a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A socket of type SOCK_STREAM.
    Stream,
    /// Any other socket.
    Socket,
    /// A pipe, terminal, eventfd …: what can be waited for, or perhaps not.
    Other,
    /// A file, directory or block device: always ready, though it may take its time.
    File,
}

/// What `fd` is.
pub fn kind(fd: c_int) -> Result<Kind, Errno> {
    // SAFETY: plain data.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: a place for the answer.
    count(|| unsafe { libc::fstat(fd, &mut stat) } as isize)?;
    Ok(match stat.st_mode & libc::S_IFMT {
        libc::S_IFSOCK if option(fd, libc::SOL_SOCKET, libc::SO_TYPE)? == libc::SOCK_STREAM => Kind::Stream,
        libc::S_IFSOCK => Kind::Socket,
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK => Kind::File,
        _ => Kind::Other,
    })
}

/// True for a pipe, with a name or without.
pub fn is_fifo(fd: c_int) -> Result<bool, Errno> {
    // SAFETY: plain data.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: a place for the answer.
    count(|| unsafe { libc::fstat(fd, &mut stat) } as isize)?;
    Ok(stat.st_mode & libc::S_IFMT == libc::S_IFIFO)
}

/// A socket option that is a number.
pub fn option(fd: c_int, level: c_int, name: c_int) -> Result<c_int, Errno> {
    let (mut value, mut len) = (0 as c_int, size_of::<c_int>() as socklen_t);
    // SAFETY: a place for the answer.
    count(|| unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut len) } as isize)?;
    Ok(value)
}

/// Sets a socket option that is a number.
pub fn set_option(fd: c_int, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    let len = size_of::<c_int>() as socklen_t;
    // SAFETY: the value outlives the call.
    count(|| unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), len) } as isize).map(drop)
}

/// True when calls on `fd` do not block.
pub fn is_nonblocking(fd: c_int) -> Result<bool, Errno> {
    // SAFETY: takes numbers only.
    let flags = count(|| unsafe { libc::fcntl(fd, libc::F_GETFL) } as isize)? as c_int;
    Ok(flags & libc::O_NONBLOCK != 0)
}

/// Makes calls on `fd`, and on all its duplicates, block or not. What it was before.
pub fn set_nonblocking(fd: c_int, on: bool) -> Result<bool, Errno> {
    // SAFETY: takes numbers only.
    let flags = count(|| unsafe { libc::fcntl(fd, libc::F_GETFL) } as isize)? as c_int;
    let was = flags & libc::O_NONBLOCK != 0;
    if was != on {
        let flags = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
        // SAFETY: takes numbers only.
        count(|| unsafe { libc::fcntl(fd, libc::F_SETFL, flags) } as isize)?;
    }
    Ok(was)
}

/// Which of `events` hold for `fd` now, and the errors that always count; 0: none. POLLNVAL becomes EBADF. Never blocks.
pub fn ready(fd: c_int, events: i16) -> Result<i16, Errno> {
    let mut one = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one valid entry.
    count(|| unsafe { libc::poll(&mut one, 1, 0) } as isize)?;
    if one.revents & libc::POLLNVAL != 0 || fd < 0 {
        return Err(Errno(libc::EBADF));
    }
    Ok(one.revents)
}

/// Blocks the thread until one of `events` holds for `fd`, `other` is readable, or `left` nanoseconds have passed (None: for ever).
/// What holds for `fd`. A signal ends the wait too, with nothing.
pub fn wait(fd: c_int, events: i16, other: c_int, left: Option<i64>) -> Result<i16, Errno> {
    let mut both =
        [libc::pollfd { fd, events, revents: 0 }, libc::pollfd { fd: other, events: libc::POLLIN, revents: 0 }];
    let time = left.map(|ns| libc::timespec { tv_sec: ns / 1_000_000_000, tv_nsec: ns % 1_000_000_000 });
    let time = time.as_ref().map_or(std::ptr::null(), |time| time as *const libc::timespec);
    // SAFETY: two valid entries, and a time or null.
    match errno::keep(|| match unsafe { libc::ppoll(both.as_mut_ptr(), 2, time, std::ptr::null()) } {
        -1 => Err(Errno::last()),
        _ => Ok(()),
    }) {
        Err(e) if e.0 != libc::EINTR => Err(e),
        _ if both[0].revents & libc::POLLNVAL != 0 => Err(Errno(libc::EBADF)),
        _ => Ok(both[0].revents),
    }
}

/// `recv`, which does not block.
///
/// # Safety
/// `buf` has `n` bytes to write.
#[inline]
pub unsafe fn recv(fd: c_int, buf: *mut u8, n: usize, flags: c_int) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::recv(fd, buf.cast(), n, flags | libc::MSG_DONTWAIT) })
}

/// `send`, which does not block.
///
/// # Safety
/// `buf` has `n` bytes.
#[inline]
pub unsafe fn send(fd: c_int, buf: *const u8, n: usize, flags: c_int) -> Result<usize, Errno> {
    let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::send(fd, buf.cast(), n, flags) })
}

/// `recvfrom`, which does not block.
///
/// # Safety
/// As for `recvfrom`.
pub unsafe fn recvfrom(
    fd: c_int,
    buf: *mut u8,
    n: usize,
    flags: c_int,
    addr: *mut sockaddr,
    len: *mut socklen_t,
) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::recvfrom(fd, buf.cast(), n, flags | libc::MSG_DONTWAIT, addr, len) })
}

/// `sendto`, which does not block.
///
/// # Safety
/// As for `sendto`.
pub unsafe fn sendto(
    fd: c_int,
    buf: *const u8,
    n: usize,
    flags: c_int,
    addr: *const sockaddr,
    len: socklen_t,
) -> Result<usize, Errno> {
    let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::sendto(fd, buf.cast(), n, flags, addr, len) })
}

/// `recvmsg`, which does not block.
///
/// # Safety
/// As for `recvmsg`.
pub unsafe fn recvmsg(fd: c_int, msg: *mut msghdr, flags: c_int) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::recvmsg(fd, msg, flags | libc::MSG_DONTWAIT) })
}

/// `sendmsg`, which does not block.
///
/// # Safety
/// As for `sendmsg`.
pub unsafe fn sendmsg(fd: c_int, msg: *const msghdr, flags: c_int) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::sendmsg(fd, msg, flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) })
}

/// A message of these buffers, without an address.
pub fn message(iov: *const iovec, n: usize) -> msghdr {
    // SAFETY: plain data; what is not set is zero.
    let mut msg: msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = iov as *mut iovec;
    msg.msg_iovlen = n as _;
    msg
}

/// Reads from where the file stands, without blocking. EOPNOTSUPP: this kind of thing cannot.
///
/// # Safety
/// `iov` names `n` buffers to write.
pub unsafe fn readv_now(fd: c_int, iov: *const iovec, n: usize) -> Result<usize, Errno> {
    // SAFETY: the caller's promise; -1: where the file stands.
    count(|| unsafe { libc::syscall(libc::SYS_preadv2, fd, iov, n, -1i64, -1i64, RWF_NOWAIT) as isize })
}

static NO_SIGNAL_FLAG: AtomicBool = AtomicBool::new(true);

/// Writes where the file stands, without blocking and without SIGPIPE. EOPNOTSUPP: this kind of thing cannot.
///
/// # Safety
/// `iov` names `n` buffers.
pub unsafe fn writev_now(fd: c_int, iov: *const iovec, n: usize) -> Result<usize, Errno> {
    // SAFETY: the caller's promise; -1: where the file stands.
    let write = |flags: c_int| {
        // SAFETY: as above.
        count(|| unsafe { libc::syscall(libc::SYS_pwritev2, fd, iov, n, -1i64, -1i64, flags) as isize })
    };
    if NO_SIGNAL_FLAG.load(Relaxed) {
        match write(RWF_NOWAIT | RWF_NOSIGNAL) {
            // An older kernel, or a kind of thing that cannot do one of the two.
            Err(Errno(libc::EOPNOTSUPP)) => {}
            other => return other,
        }
    }
    let result = quietly(|| write(RWF_NOWAIT));
    if result.is_ok() {
        NO_SIGNAL_FLAG.store(false, Relaxed);
    }
    result
}

/// Reads from where the file stands; blocks as the descriptor does.
///
/// # Safety
/// `iov` names `n` buffers to write.
pub unsafe fn readv(fd: c_int, iov: *const iovec, n: usize) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::readv(fd, iov, n as c_int) })
}

/// Writes where the file stands, without SIGPIPE; blocks as the descriptor does.
///
/// # Safety
/// `iov` names `n` buffers.
pub unsafe fn writev(fd: c_int, iov: *const iovec, n: usize) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    quietly(|| count(|| unsafe { libc::writev(fd, iov, n as c_int) }))
}

/// Runs a write that may raise SIGPIPE for this thread: the signal is held back, and taken if it came.
fn quietly(write: impl FnOnce() -> Result<usize, Errno>) -> Result<usize, Errno> {
    // SAFETY: signal sets of our own; the thread's mask is put back. A SIGPIPE that this write raised is this thread's alone.
    unsafe {
        let (mut pipe, mut before, mut pending) =
            (std::mem::zeroed(), std::mem::zeroed::<libc::sigset_t>(), std::mem::zeroed());
        libc::sigemptyset(&mut pipe);
        libc::sigaddset(&mut pipe, libc::SIGPIPE);
        libc::sigpending(&mut pending);
        if libc::sigismember(&pending, libc::SIGPIPE) == 1 {
            // Held back by the host already, and there: another makes no difference.
            return write();
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &pipe, &mut before);
        let result = write();
        // Whatever the answer: what had moved a part before answers that.
        let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        errno::keep(|| while libc::sigtimedwait(&pipe, null_mut(), &none) < 0 && Errno::last().0 == libc::EINTR {});
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, null_mut());
        result
    }
}

/// `pread`. Blocks as the file does.
///
/// # Safety
/// `buf` has `n` bytes to write.
pub unsafe fn pread(fd: c_int, buf: *mut u8, n: usize, at: off_t) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::pread(fd, buf.cast::<c_void>(), n, at) })
}

/// `pwrite`. Blocks as the file does.
///
/// # Safety
/// `buf` has `n` bytes.
pub unsafe fn pwrite(fd: c_int, buf: *const u8, n: usize, at: off_t) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::pwrite(fd, buf.cast::<c_void>(), n, at) })
}

/// `open`, close-on-exec. Blocks as the file system and FIFOs do.
///
/// # Safety
/// `path` is a string.
pub unsafe fn open(path: *const libc::c_char, flags: c_int, mode: libc::mode_t) -> Result<c_int, Errno> {
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::open(path, flags | libc::O_CLOEXEC, mode) } as isize).map(|fd| fd as c_int)
}

/// `fsync`. Blocks.
pub fn fsync(fd: c_int) -> Result<(), Errno> {
    // SAFETY: takes a number only.
    count(|| unsafe { libc::fsync(fd) } as isize).map(drop)
}

/// `close`. The descriptor is gone afterwards whatever the answer, but for EBADF.
pub fn close(fd: c_int) -> Result<(), Errno> {
    // SAFETY: takes a number only. Not begun again after a signal: Linux has closed it then.
    errno::keep(|| match unsafe { libc::close(fd) } {
        0 => Ok(()),
        _ => match Errno::last() {
            Errno(libc::EINTR) => Ok(()),
            e => Err(e),
        },
    })
}

/// `accept4`, close-on-exec. Blocks if the listener does.
///
/// # Safety
/// As for `accept4`.
pub unsafe fn accept(fd: c_int, addr: *mut sockaddr, len: *mut socklen_t) -> Result<c_int, Errno> {
    // SAFETY: the caller's promise.
    count(|| unsafe { libc::accept4(fd, addr, len, libc::SOCK_CLOEXEC) } as isize).map(|fd| fd as c_int)
}

/// `connect`, once. Blocks if the socket does; a signal answers EINTR, and the attempt goes on.
///
/// # Safety
/// As for `connect`.
pub unsafe fn connect(fd: c_int, addr: *const sockaddr, len: socklen_t) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    errno::keep(|| match unsafe { libc::connect(fd, addr, len) } {
        0 => Ok(()),
        _ => Err(Errno::last()),
    })
}

/// `sendfile`, without SIGPIPE. Blocks as both do.
///
/// # Safety
/// `offset` is null or a place.
pub unsafe fn sendfile(out: c_int, input: c_int, offset: *mut off_t, n: usize) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    quietly(|| count(|| unsafe { libc::sendfile(out, input, offset, n) }))
}

/// `splice`. The pipe of the two does not block; the other may.
///
/// # Safety
/// The offsets are null or places.
pub unsafe fn splice(input: c_int, at: *mut i64, out: c_int, to: *mut i64, n: usize) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    quietly(|| count(|| unsafe { libc::splice(input, at, out, to, n, libc::SPLICE_F_NONBLOCK) }))
}

/// Where a file stands.
pub fn position(fd: c_int) -> Result<off_t, Errno> {
    // SAFETY: takes numbers only.
    count(|| unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) } as isize).map(|at| at as off_t)
}

/// Moves where a file stands.
pub fn set_position(fd: c_int, at: off_t) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    count(|| unsafe { libc::lseek(fd, at, libc::SEEK_SET) } as isize).map(drop)
}
