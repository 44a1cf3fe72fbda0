//! I/O on descriptors.
//!
//! Owns: nothing. Blocks: each as its comment says.

use crate::boundary::{code, number};
use crate::time::gmp_time_t;
use gmp_core::{io, Result};
use libc::{iovec, mode_t, msghdr, off_t, sockaddr, socklen_t, ssize_t};
use std::ffi::{c_char, c_int, c_void};

/// A count or the error's code.
#[inline(always)]
fn count(result: Result<usize>) -> ssize_t {
    match result {
        Ok(n) => n as ssize_t,
        Err(e) => e.code() as ssize_t,
    }
}

/// Reads what is there, at least one byte, and waits for it. On a file it reads as read(2) does, handed off, without the
/// deadline.
///
/// I/O: these functions work on any descriptor, whether calls on it block or not, and leave O_NONBLOCK as it is. They park the
/// task and not its thread, are not ended by signals (no EINTR), and raise no SIGPIPE. A descriptor that is closed with
/// gmp_close_fd meanwhile answers GMP_EBADF. A thread that is no task waits in poll(2). Waiting costs one registration for each
/// descriptor, with the kernel's epoll; files, directories and what the kernel cannot wait for are handed off: another thread goes on
/// with the tasks, and the deadline does not count.
///
/// @param fd        The descriptor.
/// @param buf       Where the bytes go; NULL only if `n` is 0.
/// @param n         How many bytes there is room for. 0: the answer is 0, or a code.
/// @param deadline  Until when to wait; what is there is read whatever it is.
/// @return          Bytes read; 0 at the end of the stream; or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. GMP_EBADF: no such descriptor, or it was closed meanwhile.
///          GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED: nothing was read. Other codes are read(2)'s.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_read(fd: c_int, buf: *mut c_void, n: usize, deadline: gmp_time_t) -> ssize_t {
    // SAFETY: the caller's buffer.
    count(unsafe { io::read(fd, buf.cast(), n, deadline) })
}

/// Writes all of it, and waits for room as often as it must. On a file it writes as write(2) does, handed off, without the deadline.
///
/// @param fd        The descriptor.
/// @param buf       The bytes; NULL only if `n` is 0.
/// @param n         How many.
/// @param deadline  Until when to wait.
/// @return          `n`; or fewer, when an error, the deadline or a cancellation came half-way (the next call answers its code);
///                  or, when nothing was written, the code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. GMP_EBADF: no such descriptor, or it was closed meanwhile.
///          GMP_EPIPE: nobody reads any more. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes are write(2)'s.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_write(fd: c_int, buf: *const c_void, n: usize, deadline: gmp_time_t) -> ssize_t {
    // SAFETY: the caller's buffer.
    count(unsafe { io::write(fd, buf.cast(), n, deadline) })
}

/// Reads what is there into several buffers, one after the other, as gmp_read does.
///
/// @param fd        The descriptor.
/// @param iov       The buffers; NULL only if `count` is 0.
/// @param count     How many, at most 1024.
/// @param deadline  Until when to wait.
/// @return          Bytes read; 0 at the end of the stream; or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `count` is out of range, a buffer is NULL and not empty, or the sum is above SSIZE_MAX. Else as gmp_read.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_readv(fd: c_int, iov: *const iovec, count: c_int, deadline: gmp_time_t) -> ssize_t {
    // SAFETY: the caller's buffers.
    self::count(unsafe { io::readv(fd, iov, count, deadline) })
}

/// Writes all of several buffers, one after the other, as gmp_write does.
///
/// @param fd        The descriptor.
/// @param iov       The buffers; NULL only if `count` is 0.
/// @param count     How many, at most 1024.
/// @param deadline  Until when to wait.
/// @return          The sum of the lengths; or fewer bytes, when it was stopped half-way; or the code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `count` is out of range, a buffer is NULL and not empty, or the sum is above SSIZE_MAX. Else as gmp_write.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_writev(fd: c_int, iov: *const iovec, count: c_int, deadline: gmp_time_t) -> ssize_t {
    // SAFETY: the caller's buffers.
    self::count(unsafe { io::writev(fd, iov, count, deadline) })
}

/// recv(2), which waits. With MSG_WAITALL on a stream it waits for all of `n`.
///
/// @param fd        A socket.
/// @param buf       Where the bytes go; NULL only if `n` is 0.
/// @param n         How many bytes there is room for.
/// @param flags     recv(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
/// @param deadline  Until when to wait.
/// @return          Bytes read; 0 at the end of the stream; or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. GMP_EBADF: no such descriptor, or it was closed meanwhile.
///          GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes are recv(2)'s, -ENOTSOCK among them.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_recv(
    fd: c_int,
    buf: *mut c_void,
    n: usize,
    flags: c_int,
    deadline: gmp_time_t,
) -> ssize_t {
    // SAFETY: the caller's buffer.
    count(unsafe { io::recv(fd, buf.cast(), n, flags, deadline) })
}

/// send(2), which waits: of a stream's bytes all are sent, as gmp_write does.
///
/// @param fd        A socket.
/// @param buf       The bytes; NULL only if `n` is 0.
/// @param n         How many. 0 sends an empty datagram, if it is a socket of these.
/// @param flags     send(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
/// @param deadline  Until when to wait.
/// @return          `n`; or fewer, when it was stopped half-way; or the code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. GMP_EBADF: no such descriptor, or it was closed meanwhile.
///          GMP_EPIPE. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes are send(2)'s, -ENOTSOCK among them.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_send(
    fd: c_int,
    buf: *const c_void,
    n: usize,
    flags: c_int,
    deadline: gmp_time_t,
) -> ssize_t {
    // SAFETY: the caller's buffer.
    count(unsafe { io::send(fd, buf.cast(), n, flags, deadline) })
}

/// recvfrom(2), which waits.
///
/// @param fd        A socket.
/// @param buf       Where the bytes go; NULL only if `n` is 0.
/// @param n         How many bytes there is room for; what a datagram has beyond that is lost.
/// @param flags     recvfrom(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
/// @param addr      The sender's address is written here; may be NULL.
/// @param len       Bytes of room there, and on return of the address; NULL only if `addr` is.
/// @param deadline  Until when to wait.
/// @return          Bytes read; or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `buf` or `len` is NULL, or `n` is above SSIZE_MAX. Else as gmp_recv.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_recvfrom(
    fd: c_int,
    buf: *mut c_void,
    n: usize,
    flags: c_int,
    addr: *mut sockaddr,
    len: *mut socklen_t,
    deadline: gmp_time_t,
) -> ssize_t {
    // SAFETY: the caller's places.
    count(unsafe { io::recvfrom(fd, buf.cast(), n, flags, addr, len, deadline) })
}

/// sendto(2), which waits.
///
/// @param fd        A socket.
/// @param buf       The bytes; NULL only if `n` is 0.
/// @param n         How many.
/// @param flags     sendto(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
/// @param addr      Where to; NULL for a connected socket.
/// @param len       Bytes of the address.
/// @param deadline  Until when to wait.
/// @return          `n`; on a stream fewer when it was stopped half-way; or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. Else as gmp_send.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_sendto(
    fd: c_int,
    buf: *const c_void,
    n: usize,
    flags: c_int,
    addr: *const sockaddr,
    len: socklen_t,
    deadline: gmp_time_t,
) -> ssize_t {
    // SAFETY: the caller's places.
    count(unsafe { io::sendto(fd, buf.cast(), n, flags, addr, len, deadline) })
}

/// recvmsg(2), which waits.
///
/// @param fd        A socket.
/// @param msg       recvmsg(2)'s, written to on success.
/// @param flags     recvmsg(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
/// @param deadline  Until when to wait.
/// @return          Bytes read; or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `msg` is NULL. Else as gmp_recv.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_recvmsg(fd: c_int, msg: *mut msghdr, flags: c_int, deadline: gmp_time_t) -> ssize_t {
    // SAFETY: the caller's message.
    count(unsafe { io::recvmsg(fd, msg, flags, deadline) })
}

/// sendmsg(2), once it can. On a stream it may send fewer bytes than there are (gmp_writev sends all).
///
/// @param fd        A socket.
/// @param msg       sendmsg(2)'s.
/// @param flags     sendmsg(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
/// @param deadline  Until when to wait.
/// @return          Bytes sent; or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `msg` is NULL. Else as gmp_send.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_sendmsg(fd: c_int, msg: *const msghdr, flags: c_int, deadline: gmp_time_t) -> ssize_t {
    // SAFETY: the caller's message.
    count(unsafe { io::sendmsg(fd, msg, flags, deadline) })
}

/// pread(2), handed off: the task waits on a thread of its own, and others go on.
///
/// @param fd   A file.
/// @param buf  Where the bytes go; NULL only if `n` is 0.
/// @param n    How many bytes there is room for.
/// @param off  From which byte of the file.
/// @return     Bytes read; 0 at the end; or a code.
/// @context any thread or task  @blocks the task or thread; no deadline or cancellation ends it
/// @errors  GMP_EINVAL: `buf` is NULL, `n` is above SSIZE_MAX, or `off` is negative. GMP_EBADF. Other codes are pread(2)'s.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_pread(fd: c_int, buf: *mut c_void, n: usize, off: off_t) -> ssize_t {
    // SAFETY: the caller's buffer.
    count(unsafe { io::pread(fd, buf.cast(), n, off) })
}

/// pwrite(2) of all of it, handed off.
///
/// @param fd   A file.
/// @param buf  The bytes; NULL only if `n` is 0.
/// @param n    How many.
/// @param off  To which byte of the file.
/// @return     `n`; fewer when an error came half-way (the next call answers its code); or the code.
/// @context any thread or task  @blocks the task or thread; no deadline or cancellation ends it
/// @errors  GMP_EINVAL: `buf` is NULL, `n` is above SSIZE_MAX, or `off` is negative. GMP_EBADF. Other codes are pwrite(2)'s.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_pwrite(fd: c_int, buf: *const c_void, n: usize, off: off_t) -> ssize_t {
    // SAFETY: the caller's buffer.
    count(unsafe { io::pwrite(fd, buf.cast(), n, off) })
}

/// open(2), handed off; the descriptor is close-on-exec.
///
/// @param path   The path.
/// @param flags  open(2)'s.
/// @param mode   The mode of a file that is made.
/// @return       A descriptor, or a code.
/// @context any thread or task  @blocks the task or thread (a FIFO until its other end is opened); no deadline or cancellation ends it
/// @errors  GMP_EINVAL: `path` is NULL. Other codes are open(2)'s.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's string.
    number(unsafe { io::open(path, flags, mode) })
}

/// fsync(2), handed off.
///
/// @param fd  A file.
/// @return    GMP_OK or a code.
/// @context any thread or task  @blocks the task or thread; no deadline or cancellation ends it
/// @errors  GMP_EBADF. Other codes are fsync(2)'s.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_fsync(fd: c_int) -> c_int {
    code(io::fsync(fd))
}

/// Sends bytes of a file to a descriptor, without a copy where the kernel can (a socket that blocks is sent copies).
///
/// @param out_fd    Where to; it is waited for as in gmp_write.
/// @param in_fd     The file.
/// @param offset    From which byte; moves on by what was sent. NULL: from where the file stands, which moves on.
/// @param n         How many bytes.
/// @param deadline  Until when to wait.
/// @return          Bytes sent: `n`; fewer at the file's end, or when it was stopped half-way; or the code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `n` is above SSIZE_MAX. GMP_EBADF. GMP_EPIPE. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. GMP_ENOMEM. Other codes are
///          sendfile(2)'s.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_sendfile(
    out_fd: c_int,
    in_fd: c_int,
    offset: *mut off_t,
    n: usize,
    deadline: gmp_time_t,
) -> ssize_t {
    // SAFETY: the caller's place.
    count(unsafe { io::sendfile(out_fd, in_fd, offset, n, deadline) })
}

/// splice(2), which waits for both sides.
///
/// @param in_fd       From where.
/// @param in_offset   From which byte, which moves on; NULL for a pipe, or from where the file stands.
/// @param out_fd      Where to.
/// @param out_offset  To which byte, which moves on; NULL for a pipe, or where the file stands.
/// @param n           How many bytes at most.
/// @param deadline    Until when to wait.
/// @return            Bytes moved; 0 at the end; or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `n` is above SSIZE_MAX, or neither is a pipe. GMP_EBADF. GMP_EPIPE. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes
///          are splice(2)'s.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_splice(
    in_fd: c_int,
    in_offset: *mut i64,
    out_fd: c_int,
    out_offset: *mut i64,
    n: usize,
    deadline: gmp_time_t,
) -> ssize_t {
    // SAFETY: the caller's places.
    count(unsafe { io::splice(in_fd, in_offset, out_fd, out_offset, n, deadline) })
}

/// Accepts a connection, and waits for one. One that was aborted before it was accepted does not show. The new socket is close-on-exec and, if
/// it is TCP, has TCP_NODELAY; calls on it block, for code that knows nothing of this library.
///
/// @param fd        A listening socket. If calls on it block, it is asked first.
/// @param addr      The peer's address is written here; may be NULL.
/// @param len       Bytes of room there, and on return of the address; NULL only if `addr` is.
/// @param deadline  Until when to wait.
/// @return          The new socket, or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `len` is NULL, or it does not listen. GMP_EBADF: no such descriptor, or it was closed meanwhile. -EMFILE, -ENFILE:
///          no descriptor is free; the connection waits in the backlog. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes
///          are accept(2)'s.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_accept(
    fd: c_int,
    addr: *mut sockaddr,
    len: *mut socklen_t,
    deadline: gmp_time_t,
) -> c_int {
    // SAFETY: the caller's places.
    number(unsafe { io::accept(fd, addr, len, deadline) })
}

/// Connects a socket, and waits until it is. For the moment of connect(2) itself O_NONBLOCK is set if it is not. After a code, close
/// the socket.
///
/// @param fd        The socket.
/// @param addr      The peer's address.
/// @param len       Bytes of it.
/// @param deadline  Until when to wait.
/// @return          GMP_OK or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: `addr` is NULL, or `len` is wrong. GMP_EBADF: no such descriptor, or it was closed meanwhile. GMP_EAGAIN: it goes on
///          being connected. GMP_ETIMEDOUT, GMP_ECANCELED. Other codes are connect(2)'s: -ECONNREFUSED, -EISCONN …
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_connect(fd: c_int, addr: *const sockaddr, len: socklen_t, deadline: gmp_time_t) -> c_int {
    // SAFETY: the caller's address.
    code(unsafe { io::connect(fd, addr, len, deadline) })
}

/// Waits until a descriptor is ready.
///
/// @param fd        The descriptor; a file is always ready.
/// @param events    POLLIN, POLLOUT, POLLPRI and POLLRDHUP of poll.h, at least one.
/// @param deadline  Until when to wait.
/// @return          Those that hold, and POLLERR and POLLHUP, which are always waited for; or a code.
/// @context any thread or task  @blocks the task or thread
/// @errors  GMP_EINVAL: other events, or none. GMP_EBADF: no such descriptor, or it was closed meanwhile. GMP_EAGAIN, GMP_ETIMEDOUT,
///          GMP_ECANCELED.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_poll_fd(fd: c_int, events: c_int, deadline: gmp_time_t) -> c_int {
    number(io::poll_fd(fd, events, deadline))
}

/// Sets the deadline of a descriptor: every wait on it, also one under way, answers GMP_ETIMEDOUT from then on, if its own deadline
/// is not earlier. It stays until it is set anew or the descriptor is closed with gmp_close_fd. What can be done without waiting is done.
///
/// @param fd        The descriptor.
/// @param events    POLLIN: for reads and accepts; POLLOUT: for writes and connects; or both.
/// @param deadline  The deadline; GMP_FOREVER clears it, one that has passed ends the waits now.
/// @return          GMP_OK or a code.
/// @context any thread or task  @blocks never
/// @errors  GMP_EINVAL: other events, or none. GMP_EBADF: no such descriptor. GMP_ENOMEM.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_fd_set_deadline(fd: c_int, events: c_int, deadline: gmp_time_t) -> c_int {
    code(io::set_deadline(fd, events, deadline))
}

/// Wakes every task and thread that waits on a descriptor in a function of this header, with GMP_EBADF, then closes it. A plain close(2)
/// wakes nobody.
///
/// @param fd  The descriptor.
/// @return    GMP_OK or a code; it is closed in either case, but for GMP_EBADF.
/// @context any thread or task  @blocks never (as close(2): a socket that lingers, or a file on a network, may take its time)
/// @errors  GMP_EBADF: no such descriptor. Other codes are close(2)'s.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_close_fd(fd: c_int) -> c_int {
    code(io::close_fd(fd))
}
