//! Connections and listeners by name.
//!
//! Owns: nothing. Blocks: each as its comment says.

use crate::boundary::{guarded, number};
use crate::code::GMP_EINVAL;
use crate::time::gmp_time_t;
use gmp_core::io::net;
use std::ffi::{c_char, c_int, CStr};

/// The bytes of the caller's string.
unsafe fn text<'a>(at: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: the caller's string, or null.
    (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_bytes())
}

/// Connects to `address` of `network`, and gives the connected socket.
///
/// Networks and addresses: "tcp", "udp" (IPv4 or IPv6), "tcp4", "udp4" (IPv4 alone), "tcp6", "udp6" (IPv6 alone), with an address
/// `HOST:PORT`. HOST is a name, an IPv4 address, an IPv6 address in brackets (`[::1]:80`, with a zone `[fe80::1%eth0]:80`) or nothing (`:80`:
/// this machine; for gmp_listen every address of it). PORT is a number or a service's name. And "unix" (a stream), "unixgram" and "unixpacket",
/// whose address is a path, or with `@` in front a name of Linux's that is no file.
///
/// Addresses and ports in digits ask nobody. Other names go to getaddrinfo(3), which nothing can interrupt: it runs on a thread of its
/// own that this call waits for no longer than until its deadline or cancellation; the thread ends when the name servers have given up. Up to 64
/// such lookups run at once, and further ones wait their turn. They are no tasks: gmp_wait_idle and gmp_shutdown do not wait for them.
///
/// The addresses of a host are tried as RFC 8305 says ("happy eyeballs"): in the order of the C library, the families taking turns; the next
/// begins when one has failed, or has taken 250 ms; the first that connects is it, and the others are closed. With a network "udp" nothing
/// is sent: "connected" says who will be sent to. "unix" waits while the listener's backlog is full.
///
/// The socket is close-on-exec and blocks for calls other than this library's, as accepted ones do. A TCP socket has TCP_NODELAY,
/// and SO_KEEPALIVE with 15 s of silence, 15 s between questions, 9 questions; a UDP socket has SO_BROADCAST.
///
/// @param network   The network.
/// @param address   The address.
/// @param deadline  Until when, for all of it: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return          The descriptor, which the caller closes (gmp_close_fd); or a code.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EINVAL: NULL, an unknown network, an address that is not of these forms, of another family, or (Unix) empty or too long.
///          GMP_ENOENT: no such host or service, or no address of that family (EAI_NONAME, EAI_NODATA, EAI_SERVICE); no such Unix socket.
///          -EREMOTEIO: the name servers did not answer, or could not (EAI_AGAIN, EAI_FAIL). -ENODEV: no such zone.
///          GMP_EAGAIN: it would wait, and GMP_NOWAIT was given; or no thread can be had for the lookup. GMP_ETIMEDOUT: the deadline passed,
///          or the kernel gave up. GMP_ECANCELED: the task's context ended. GMP_ENOMEM. When no address was to be connected to, the error of
///          the first: -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -EMFILE and what else socket(2) and connect(2) fail with.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_dial(network: *const c_char, address: *const c_char, deadline: gmp_time_t) -> c_int {
    // SAFETY: the caller's strings.
    let (Some(network), Some(address)) = (unsafe { text(network) }, unsafe { text(address) }) else {
        return GMP_EINVAL;
    };
    guarded(|| number(net::dial(network, address, deadline)))
}

/// Makes a socket that listens on `address` of `network` (see gmp_dial); with "udp…" and "unixgram" one that has that address, and receives.
///
/// "tcp" and "udp" without a host, or with `[::]`, are for IPv6 and IPv4 both, by one socket (where there is no IPv6: IPv4 alone); `0.0.0.0`
/// is IPv4, "tcp6" and "udp6" are IPv6 alone. Port 0: the kernel chooses one, which getsockname(2) tells. Of a name's addresses the first of
/// IPv4 is taken, else the first. TCP listeners have SO_REUSEADDR, UDP sockets SO_BROADCAST. The backlog is what
/// net.core.somaxconn allows. The file of a Unix socket is not removed by anybody: not before (-EADDRINUSE) and not by closing.
///
/// The socket is close-on-exec and does not block.
///
/// @param network  The network.
/// @param address  The address.
/// @return         The descriptor, which the caller closes (gmp_close_fd); or a code.
/// @context any thread or task  @blocks the task, or a thread that is no task, while a name is looked up; else never
/// @errors  GMP_EINVAL, GMP_ENOENT, -EREMOTEIO, -ENODEV, GMP_ECANCELED, GMP_ENOMEM: as gmp_dial. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EMFILE and
///          what else socket(2), bind(2) and listen(2) fail with.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_listen(network: *const c_char, address: *const c_char) -> c_int {
    // SAFETY: the caller's strings.
    let (Some(network), Some(address)) = (unsafe { text(network) }, unsafe { text(address) }) else {
        return GMP_EINVAL;
    };
    guarded(|| number(net::listen(network, address)))
}
