//! Datagrams, pipes and other descriptors from Rust.

mod ledger;
mod wire;

use gmp_core::net::{pipe, Fd, UdpSocket, UnixDatagram};
use gmp_core::{spawn, time, within, Error};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr as UnixAddr;
use wire::{error, Scratch, PATIENCE, SHORT};

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn datagrams_keep_their_bounds() {
    let (one, other) = (udp(), udp());
    let (from, to) = (one.local_addr().unwrap(), other.local_addr().unwrap());
    for message in [&b"first"[..], b"", b"a longer one"] {
        assert_eq!(one.send_to(message, to).unwrap(), message.len());
    }
    let mut buf = [0; 8];
    assert_eq!(other.peek_from(&mut buf).unwrap(), (5, from));
    assert_eq!(other.peek(&mut buf[..2]).unwrap(), 2);
    assert_eq!(other.recv_from(&mut buf).unwrap(), (5, from));
    assert_eq!(&buf[..5], b"first");
    assert_eq!(other.recv(&mut buf).unwrap(), 0);
    // What does not fit is lost, and the next is another.
    assert_eq!(other.recv_from(&mut buf[..3]).unwrap(), (3, from));
    assert_eq!(error(other.recv_from_until(&mut buf, time::NOWAIT)), Error::Again);
    assert_eq!(error(other.recv_until(&mut buf, within(SHORT))), Error::TimedOut);
    assert_eq!(error(one.send_to(&[0; 70_000], to)), Error::Os(libc::EMSGSIZE));
    assert_eq!(error(one.send(b"to whom?")), Error::Os(libc::EDESTADDRREQ));
    assert_eq!(one.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(error(one.send_to(b"", &[][..] as &[std::net::SocketAddr])), Error::Invalid);
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    let (server, client, stranger) = (udp(), udp(), udp());
    client.connect(server.local_addr().unwrap()).unwrap();
    assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    let clients = client.local_addr().unwrap();
    stranger.send_to(b"psst", clients).unwrap();
    let echo = spawn(move || {
        let mut buf = [0; 16];
        for _ in 0..100 {
            let (n, from) = server.recv_from(&mut buf)?;
            server.send_to(&buf[..n], from)?;
        }
        io::Result::Ok(())
    })
    .unwrap();
    let mut buf = [0; 16];
    for number in 0..100u32 {
        client.send(&number.to_le_bytes()).unwrap();
        assert_eq!(client.recv(&mut buf).unwrap(), 4);
        assert_eq!(buf[..4], number.to_le_bytes());
    }
    echo.join().unwrap().unwrap();
    // A socket that hears itself only: the system says so at the next send, or at the receive after it.
    let deaf = udp();
    deaf.connect(deaf.local_addr().unwrap()).unwrap();
    client.connect(deaf.local_addr().unwrap()).unwrap();
    let refused = client.send(b"?").err().or_else(|| client.recv(&mut buf).err()).expect("an error");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn many_tasks_share_one_datagram_socket() {
    let server = std::sync::Arc::new(udp());
    let address = server.local_addr().unwrap();
    let receivers: Vec<_> = (0..8)
        .map(|_| server.clone())
        .map(|server| {
            spawn(move || {
                let mut buf = [0; 8];
                loop {
                    let (n, from) = server.recv_from(&mut buf)?;
                    if n == 0 {
                        return io::Result::Ok(());
                    }
                    server.send_to(&buf[..n], from)?;
                }
            })
            .unwrap()
        })
        .collect();
    let clients: Vec<_> = (0..40u64)
        .map(|number| {
            spawn(move || {
                let (socket, mut buf) = (udp(), [0; 8]);
                for round in 0..20 {
                    let message = (number * 1000 + round).to_le_bytes();
                    socket.send_to(&message, address)?;
                    socket.recv_from(&mut buf)?;
                    assert_eq!(buf, message);
                }
                io::Result::Ok(())
            })
            .unwrap()
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap().unwrap());
    let bell = udp();
    receivers.iter().for_each(|_| assert_eq!(bell.send_to(b"", address).unwrap(), 0));
    receivers.into_iter().for_each(|receiver| receiver.join().unwrap().unwrap());
}

#[test]
fn unix_datagrams_by_path_by_abstract_name_and_in_pairs() {
    let scratch = Scratch::new();
    let path = scratch.join("datagrams");
    let name = UnixAddr::from_abstract_name(format!("gmp-test-{}-datagrams", std::process::id())).unwrap();
    let (by_path, by_name) = (UnixDatagram::bind(&path).unwrap(), UnixDatagram::bind_addr(&name).unwrap());
    let nameless = UnixDatagram::unbound().unwrap();
    let mut buf = [0; 64];

    nameless.send_to(b"to a path", &path).unwrap();
    let (n, from) = by_path.recv_from(&mut buf).unwrap();
    assert_eq!((&buf[..n], from.is_unnamed()), (&b"to a path"[..], true));
    by_path.send_to_addr(b"to a name", &name).unwrap();
    let (n, from) = by_name.recv_from(&mut buf).unwrap();
    assert_eq!((&buf[..n], from.as_pathname()), (&b"to a name"[..], Some(&*path)));
    by_name.connect(&path).unwrap();
    by_name.send(b"").unwrap();
    let (n, from) = by_path.recv_from(&mut buf).unwrap();
    assert_eq!((n, from.as_abstract_name()), (0, name.as_abstract_name()));
    assert_eq!(by_name.peer_addr().unwrap().as_pathname(), Some(&*path));
    assert_eq!(UnixDatagram::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_eq!(nameless.send_to(b"x", scratch.join("nobody")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(nameless.send(b"x").unwrap_err().kind(), ErrorKind::NotConnected);

    // A sender waits while the other's queue is full, and no message is lost.
    let (to, from) = UnixDatagram::pair().unwrap();
    let sender = spawn(move || (0..2_000u32).try_for_each(|n| to.send(&n.to_le_bytes()).map(drop))).unwrap();
    for number in 0..2_000u32 {
        assert_eq!(from.peek(&mut buf).unwrap(), 4);
        assert_eq!(from.recv(&mut buf).unwrap(), 4);
        assert_eq!(buf[..4], number.to_le_bytes());
    }
    sender.join().unwrap().unwrap();
    // A datagram socket does not tell its peer that it goes.
    assert_eq!(error(from.recv_until(&mut buf, within(SHORT))), Error::TimedOut);
}

#[test]
fn a_pipe_ends_with_its_writer_and_breaks_with_its_reader() {
    let (mut from, mut to) = pipe().unwrap();
    let reader = spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).map(|_| all)
    })
    .unwrap();
    let message: Vec<u8> = (0..1_000_000).map(|at| (at % 241) as u8).collect();
    to.write_all(&message).unwrap();
    drop(to);
    assert!(reader.join().unwrap().unwrap() == message);
    let (from, mut to) = pipe().unwrap();
    drop(from);
    assert_eq!(to.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn readiness_is_told_and_takes_nothing() {
    let (from, to) = pipe().unwrap();
    assert_eq!(error(from.readable(time::NOWAIT)), Error::Again);
    assert_eq!(error(from.readable(within(SHORT))), Error::TimedOut);
    assert_eq!(error(from.ready(false, false, time::FOREVER)), Error::Invalid);
    assert!(to.writable(time::NOWAIT).unwrap().writable);
    (&to).write_all(b"x").unwrap();
    for _ in 0..2 {
        let ready = from.readable(time::FOREVER).unwrap();
        assert!(ready.readable && !ready.writable && !ready.ended);
    }
    drop(from);
    assert!(to.writable(time::FOREVER).unwrap().ended);
}

#[test]
fn an_eventfd_is_a_descriptor_like_others() {
    // SAFETY: takes numbers; the answer is ours.
    let event = unsafe { Fd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) };
    let bell = event.try_clone().unwrap();
    let ringer = spawn(move || (1..=10u64).try_for_each(|n| (&bell).write_all(&n.to_ne_bytes()))).unwrap();
    let mut sum = 0;
    while sum < 55 {
        let mut count = [0; 8];
        (&event).read_exact(&mut count).unwrap();
        sum += u64::from_ne_bytes(count);
    }
    ringer.join().unwrap().unwrap();
    assert_eq!((sum, error(event.read_until(&mut [0; 8], time::NOWAIT))), (55, Error::Again));
}

#[test]
fn files_are_read_and_written_where_they_stand_and_elsewhere() {
    let scratch = Scratch::new();
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(scratch.join("file")).unwrap();
    let mut positions = file.try_clone().unwrap();
    let mut fd = Fd::from(OwnedFd::from(file));
    fd.write_all(b"hello world").unwrap();
    assert_eq!(fd.write_at(b"W", 6).unwrap(), 1);
    positions.seek(SeekFrom::Start(3)).unwrap();
    let mut all = String::new();
    fd.read_to_string(&mut all).unwrap();
    assert_eq!(all, "lo World");
    let mut buf = [0; 5];
    assert_eq!((fd.read_at(&mut buf, 6).unwrap(), &buf), (5, b"World"));
    assert_eq!(fd.read_at(&mut buf, 1000).unwrap(), 0);
    assert_eq!(error(fd.read_at(&mut buf, u64::MAX)), Error::Invalid);
    // A file never waits, and its deadline is nothing to it.
    assert_eq!(fd.read_until(&mut buf, 1).unwrap(), 0);
}

#[test]
fn an_owner_given_away_closes_nothing() {
    let (from, to) = pipe().unwrap();
    let (raw, number) = (from.into_raw_fd(), to.as_raw_fd());
    // SAFETY: just given up.
    let from = unsafe { OwnedFd::from_raw_fd(raw) };
    let to = OwnedFd::from(to);
    assert_eq!((from.as_raw_fd(), to.as_raw_fd()), (raw, number));
    let (from, mut to) = (Fd::from(from), Fd::from(to));
    to.write_all(b"open").unwrap();
    drop(to);
    assert_eq!(io::read_to_string(from).unwrap(), "open");
}
