//! Sockets, pipes and other descriptors for Rust: `std`'s names and meanings, but a task that waits parks, and its thread goes on
//! with others. The crate's root has this module as [`gmp_core::net`](crate::net).
//!
//! Owns: who closes a descriptor, and the time limits of each owner. The calls themselves are `io`'s.
//!
//! Always true:
//!  - N1. An owner's descriptor is open, and its own, until the owner is dropped or turned into another.
//!  - N2. A call that answers an error has had no effect: no byte is lost, no connection taken. (A write may be cut short: it answers how
//!        much was written, and the next one says why.)
//!  - N3. Nothing here changes O_NONBLOCK of what was made elsewhere: who shares the descriptor sees no difference.
//!
//! # Errors
//! They are [`std::io::Error`]s of the kind that `std` would use. What is ours alone:
//!
//! | | [`kind`](std::io::Error::kind) | turned into an [`Error`](crate::Error) |
//! |---|---|---|
//! | a time limit or deadline passed | `TimedOut` (`std` says `WouldBlock`) | `TimedOut` |
//! | the task was cancelled while it waited | none of `std`'s; [`raw_os_error`](std::io::Error::raw_os_error) `ECANCELED` | `Canceled` |
//! | the runtime was stopped | `Other` | `Stopped` |
//! | the owner is the parent's of a fork | `Other` | `Forked` |
//! | it would have to wait, in a panic | `WouldBlock` | `Again` |
//!
//! `Error::from(e)` tells them apart, and `?` turns either into the other. `Interrupted` never comes.
//!
//! # Time limits
//! Three kinds, and whichever ends first counts: the calls that end in `_until` take a deadline for themselves, a time as from
//! [`within`](crate::within); `set_read_timeout` and `set_write_timeout` are `std`'s, for each call on this owner from its start;
//! `set_deadline` is Go's, an end for all waits on the descriptor, also those under way in other tasks.
//!
//! # In a panic
//! A task must not go on on another thread while it unwinds. All calls here, by destructors for
//! example (a `BufWriter`'s), then do what can be done without a wait, and answer `WouldBlock` otherwise.
//!
//! # Example
//! An echo server, a task for each connection, and a client:
//! ```
//! use gmp_core::net::{TcpListener, TcpStream};
//! use gmp_core::spawn;
//! use std::io::{self, Read, Write};
//!
//! let listener = std::sync::Arc::new(TcpListener::bind("127.0.0.1:0")?);
//! let address = listener.local_addr()?;
//! let server = {
//!     let listener = listener.clone();
//!     spawn(move || {
//!         for stream in listener.incoming() {
//!             let stream = stream?;
//!             drop(spawn(move || io::copy(&mut &stream, &mut &stream))?);
//!         }
//!         io::Result::Ok(())
//!     })?
//! };
//!
//! let mut client = TcpStream::connect(address)?;
//! client.write_all(b"hello")?;
//! client.shutdown(std::net::Shutdown::Write)?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert_eq!(answer, "hello");
//! listener.close();
//! server.join()??;
//! # Ok::<(), io::Error>(())
//! ```

mod accept;
mod address;
mod error;
mod fd;
mod tcp;
mod tcp_listener;
mod udp;
mod unix;
mod unix_datagram;
mod unix_listener;

pub use self::accept::Incoming;
pub use self::fd::{pipe, Fd, Ready};
pub use self::tcp::TcpStream;
pub use self::tcp_listener::TcpListener;
pub use self::udp::UdpSocket;
pub use self::unix::UnixStream;
pub use self::unix_datagram::UnixDatagram;
pub use self::unix_listener::UnixListener;
