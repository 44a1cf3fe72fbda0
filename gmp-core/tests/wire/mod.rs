//! What tests of sockets share: connections, a directory of their own, patience.
#![allow(dead_code)]

use gmp_core::net::{TcpListener, TcpStream, UnixStream};
use gmp_core::{time, Error};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for a wait to begin, and soon over.
pub const SHORT: Duration = Duration::from_millis(2);

/// Both ends of a connection over loopback, the one that connected first. No read or write waits for ever.
pub fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, from) = listener.accept().unwrap();
    assert_eq!(from, ours.local_addr().unwrap());
    (patient(ours), patient(theirs))
}

/// An address where nobody listens, and nobody will while the socket is there.
pub fn refusing() -> (OwnedFd, SocketAddr) {
    // SAFETY: takes numbers; the answer is ours. All zero is an address but for its family: any, and no port.
    unsafe {
        let fd = OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0));
        let mut any: libc::sockaddr_in = std::mem::zeroed();
        any.sin_family = libc::AF_INET as libc::sa_family_t;
        any.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        assert_eq!(libc::bind(fd.as_raw_fd(), (&raw const any).cast(), size_of_val(&any) as libc::socklen_t), 0);
        let as_std = std::net::TcpStream::from(fd);
        let address = as_std.local_addr().unwrap();
        (as_std.into(), address)
    }
}

/// With time limits that only a failure reaches.
pub fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Writes until nothing more fits; how much did. (TCP goes on taking bytes as they move to the other side.)
pub fn fill(stream: &UnixStream) -> usize {
    let mut filled = 0;
    loop {
        match stream.write_until(&[b'x'; 65_536], time::NOWAIT) {
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return filled,
            Err(e) => panic!("{e}"),
        }
    }
}

pub fn error<T: std::fmt::Debug>(result: io::Result<T>) -> Error {
    result.unwrap_err().into()
}

/// A directory that goes with it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("gmp-net-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
