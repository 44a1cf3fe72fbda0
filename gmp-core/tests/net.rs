//! Streams from Rust: bytes that arrive, whole and in order; `std`'s own readers and writers over them; addresses and owners.

mod ledger;
mod wire;

use gmp_core::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use gmp_core::{spawn, time, Error};
use ledger::seeded;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::sync::Arc;
use std::time::Duration;
use wire::{connected, error, fill, patient, refusing, Scratch, PATIENCE};

/// Echoes every connection until the listener is closed, a task for each.
fn echo(listener: &TcpListener) -> io::Result<usize> {
    let mut tasks = Vec::new();
    for stream in listener.incoming() {
        let stream = patient(stream?);
        tasks.push(spawn(move || io::copy(&mut &stream, &mut &stream))?);
    }
    let served = tasks.len();
    tasks.into_iter().try_for_each(|task| task.join()?.map(drop))?;
    Ok(served)
}

#[test]
fn a_thousand_tasks_are_echoed() {
    const TASKS: usize = 1000;
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let server = listener.clone();
    let server = spawn(move || echo(&server)).unwrap();
    // Both ends are in this process, and the system may allow it no more than 1024 descriptors.
    let slots = Arc::new(gmp_core::Semaphore::new(200));
    let mut rng = seeded();
    let clients: Vec<_> = (0..TASKS)
        .map(|number| (number, slots.clone(), 1 + rng.below(5_000) as usize))
        .map(|(number, slots, n)| {
            spawn(move || {
                let _slot = slots.acquire(1)?;
                let mut stream = patient(TcpStream::connect(address)?);
                let message: Vec<u8> = (0..n).map(|at| (at * 31 + number) as u8).collect();
                let mut back = vec![0; n];
                for _ in 0..3 {
                    stream.write_all(&message)?;
                    stream.read_exact(&mut back)?;
                    assert!(back == message, "task {number} got something else");
                }
                io::Result::Ok(())
            })
            .unwrap()
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap().unwrap());
    listener.close();
    assert_eq!(server.join().unwrap().unwrap(), TASKS);
}

#[test]
fn threads_that_are_no_tasks_may_call_all_of_it() {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let server = listener.clone();
    let server = std::thread::spawn(move || echo(&server));
    let client = std::thread::spawn(move || {
        let mut stream = patient(TcpStream::connect(address).unwrap());
        stream.write_all(b"from a thread").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        io::read_to_string(stream).unwrap()
    });
    assert_eq!(client.join().unwrap(), "from a thread");
    listener.close();
    assert_eq!(server.join().unwrap().unwrap(), 1);
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    let (ours, mut theirs) = connected();
    let answer = spawn(move || {
        let mut question = String::new();
        theirs.read_to_string(&mut question)?;
        for _ in 0..100 {
            theirs.write_all(question.as_bytes())?;
        }
        io::Result::Ok(())
    })
    .unwrap();
    (&ours).write_all(b"what?").unwrap();
    ours.shutdown(Shutdown::Write).unwrap();
    assert_eq!((&ours).write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(io::read_to_string(&ours).unwrap(), "what?".repeat(100));
    answer.join().unwrap().unwrap();
    // And the end stays the end.
    assert_eq!((&ours).read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn lines_go_through_readers_and_writers_of_std() {
    let (ours, theirs) = connected();
    let server = spawn(move || {
        let mut writer = BufWriter::new(&theirs);
        for line in BufReader::new(&theirs).lines() {
            writeln!(writer, "{}", line?.chars().rev().collect::<String>())?;
            writer.flush()?;
        }
        io::Result::Ok(())
    })
    .unwrap();
    let (mut reader, mut writer) = (BufReader::new(&ours), BufWriter::new(&ours));
    let mut line = String::new();
    for number in 0..500 {
        writeln!(writer, "line {number}").unwrap();
        writer.flush().unwrap();
        line.clear();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end().chars().rev().collect::<String>(), format!("line {number}"));
    }
    ours.shutdown(Shutdown::Write).unwrap();
    assert_eq!(reader.read_line(&mut line).unwrap(), 0);
    server.join().unwrap().unwrap();
}

#[test]
fn a_large_write_to_a_slow_reader_arrives_whole() {
    const BYTES: usize = 20 << 20;
    let (ours, theirs) = connected();
    let writer = spawn(move || {
        let bytes: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
        let written = (&ours).write(&bytes)?;
        io::Result::Ok((written, ours))
    })
    .unwrap();
    let mut rng = seeded();
    let (mut got, mut buf) = (0, vec![0; 200_000]);
    while got < BYTES {
        let room = 1 + rng.below(200_000) as usize;
        let n = (&theirs).read(&mut buf[..room]).unwrap();
        assert!(n > 0, "the end after {got}");
        assert!(buf[..n].iter().zip(got..).all(|(byte, at)| usize::from(*byte) == at % 251), "wrong after {got}");
        got += n;
        gmp_core::yield_now();
    }
    assert_eq!(writer.join().unwrap().unwrap().0, BYTES);
}

#[test]
fn several_buffers_are_one_write_and_one_read() {
    let (mut ours, mut theirs) = connected();
    let parts = [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b" and "), IoSlice::new(b"two")];
    assert_eq!(ours.write_vectored(&parts).unwrap(), 11);
    let (mut first, mut second) = ([0; 5], [0; 20]);
    // What was sent at once on loopback is there at once, but that is the system's business.
    let mut n = 0;
    while n < 11 {
        n = theirs.peek(&mut [0; 20]).unwrap();
    }
    let mut rooms = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(theirs.read_vectored(&mut rooms).unwrap(), 11);
    assert_eq!((&first, &second[..6]), (b"one a", &b"nd two"[..]));
    // More than the system takes at once.
    let many = vec![IoSlice::new(b"x"); 3000];
    let n = ours.write_vectored(&many).unwrap();
    assert!(n > 0 && n <= 3000, "{n}");
    let mut back = vec![0; n];
    theirs.read_exact(&mut back).unwrap();
    assert_eq!(ours.write_vectored(&[]).unwrap(), 0);
    assert_eq!(ours.write(&[]).unwrap() + theirs.read(&mut []).unwrap(), 0);
}

#[test]
fn what_was_peeked_at_is_still_there() {
    let (mut ours, mut theirs) = connected();
    ours.write_all(b"abc").unwrap();
    let mut buf = [0; 3];
    while theirs.peek(&mut buf).unwrap() < 3 {}
    assert_eq!(&buf, b"abc");
    theirs.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"abc");
    assert_eq!(error(theirs.read_until(&mut buf, time::NOWAIT)), Error::Again);
}

#[test]
fn the_other_side_is_told_when_the_last_owner_goes() {
    let (ours, theirs) = connected();
    let other = ours.try_clone().unwrap();
    assert_ne!(other.as_raw_fd(), ours.as_raw_fd());
    drop(ours);
    (&other).write_all(b"still here").unwrap();
    let mut buf = [0; 10];
    (&theirs).read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"still here");
    drop(other);
    assert_eq!((&theirs).read(&mut buf).unwrap(), 0);
    // What is written now is answered by a reset, and SIGPIPE is nobody's.
    let told = (0..1_000).find_map(|_| (&theirs).write_all(&[0; 65_536]).err()).expect("an error");
    assert!(matches!(told.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{told}");
}

#[test]
fn a_full_connection_takes_no_more_until_it_is_read() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let filled = fill(&ours);
    let rest = spawn(move || (&ours).write_all(b"the rest")).unwrap();
    let mut all = Vec::new();
    (&theirs).read_to_end(&mut all).unwrap();
    rest.join().unwrap().unwrap();
    assert_eq!(all.len(), filled + 8);
    assert!(all.ends_with(b"xthe rest"));
}

#[test]
fn addresses_are_resolved_and_tried_in_order() {
    let listener = TcpListener::bind("localhost:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (_kept, closed) = refusing();
    let stream = TcpStream::connect(&[closed, address][..]).unwrap();
    assert_eq!((stream.peer_addr().unwrap(), stream.nodelay().unwrap()), (address, true));
    assert_eq!(TcpStream::connect(("localhost", address.port())).unwrap().peer_addr().unwrap().port(), address.port());
    assert_eq!(TcpStream::connect(closed).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(TcpStream::connect(&[][..] as &[SocketAddr]).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(TcpStream::connect("no port").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(TcpStream::connect_timeout(&address, PATIENCE).is_ok());
    assert_eq!(error(TcpStream::connect_timeout(&address, Duration::ZERO)), Error::Invalid);
    assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn connections_of_both_families() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let listener = match TcpListener::bind(any) {
            // A system without IPv6.
            Err(e) if any.starts_with('[') => {
                println!("skipped: {any}: {e}");
                continue;
            }
            bound => bound.unwrap(),
        };
        let address = listener.local_addr().unwrap();
        for dialled in [TcpStream::connect(address), TcpStream::dial(&address.to_string())] {
            let dialled = dialled.unwrap();
            let (accepted, from) = listener.accept().unwrap();
            assert_eq!(from, dialled.local_addr().unwrap());
            assert_eq!(accepted.peer_addr().unwrap(), from);
            assert!(accepted.nodelay().unwrap() && dialled.nodelay().unwrap());
        }
    }
}

#[test]
fn what_goes_to_std_and_back_is_the_same_connection() {
    let (ours, theirs) = connected();
    let number = ours.as_raw_fd();
    let mut plain = std::net::TcpStream::from(OwnedFd::from(ours));
    assert_eq!(plain.as_raw_fd(), number);
    // Sockets that we hand out block, as `std` expects: this read begins before there is anything.
    let reader = std::thread::spawn(move || {
        let mut buf = [0; 5];
        plain.read_exact(&mut buf).map(|()| (plain, buf))
    });
    (&theirs).write_all(b"plain").unwrap();
    let (plain, buf) = reader.join().unwrap().unwrap();
    assert_eq!(&buf, b"plain");
    let raw = TcpStream::from(plain).into_raw_fd();
    // SAFETY: just given up.
    let mut ours = unsafe { TcpStream::from_raw_fd(raw) };
    ours.write_all(b"ours").unwrap();
    let duplicate = TcpStream::from(theirs.as_fd().try_clone_to_owned().unwrap());
    let mut buf = [0; 4];
    (&duplicate).read_exact(&mut buf).unwrap();
    assert_eq!((&buf, number), (b"ours", raw));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::from(listener);
    let connecting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    assert_eq!(accepted.peer_addr().unwrap(), connecting.local_addr().unwrap());
}

#[test]
fn unix_connections_by_path_and_by_abstract_name() {
    let scratch = Scratch::new();
    let path = scratch.join("socket");
    let name = format!("gmp-test-{}-streams", std::process::id());
    let addresses = [UnixAddr::from_pathname(&path).unwrap(), UnixAddr::from_abstract_name(&name).unwrap()];
    for address in addresses {
        let listener = Arc::new(UnixListener::bind_addr(&address).unwrap());
        assert_eq!(UnixListener::bind_addr(&address).unwrap_err().kind(), ErrorKind::AddrInUse);
        let server = listener.clone();
        let server = spawn(move || {
            server
                .incoming()
                .map(|stream| stream.and_then(|mut stream| io::copy(&mut stream.try_clone()?, &mut stream)))
                .collect()
        })
        .unwrap();
        for n in [0, 1, 300_000] {
            let stream = Arc::new(UnixStream::connect_addr(&address).unwrap());
            assert_eq!(stream.peer_addr().unwrap().as_pathname(), address.as_pathname());
            let writing = stream.clone();
            let writer = spawn(move || {
                (&*writing).write_all(&vec![9; n])?;
                writing.shutdown(Shutdown::Write)
            })
            .unwrap();
            let mut back = Vec::new();
            (&*stream).read_to_end(&mut back).unwrap();
            assert_eq!(back, vec![9; n]);
            writer.join().unwrap().unwrap();
        }
        listener.close();
        let counts: io::Result<Vec<u64>> = server.join().unwrap();
        assert_eq!(counts.unwrap(), [0, 1, 300_000]);
        assert_eq!(UnixStream::connect_addr(&address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(UnixStream::connect(scratch.join("nobody")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(UnixStream::connect("x".repeat(200)).unwrap_err().kind(), ErrorKind::InvalidInput);
}
