//! What only a process of its own can show: descriptors that are short, and SIGPIPE that would end it.

mod ledger;
mod wire;

use gmp_core::net::{pipe, TcpListener, TcpStream};
use gmp_core::spawn;
use ledger::until;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::Arc;
use wire::patient;

/// Sets the soft limit of descriptors; what it was.
fn limit(n: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a place for the limits, and limits.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        let before = limit.rlim_cur;
        limit.rlim_cur = n;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        before
    }
}

/// One test: it makes descriptors short for the whole process.
#[test]
fn a_listener_goes_on_when_descriptors_were_short() {
    // SIGPIPE as C programs have it; Rust's ignore it.
    // SAFETY: the default handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let (from, mut to) = pipe().unwrap();
    drop(from);
    assert_eq!(to.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);

    const CLIENTS: usize = 40;
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..CLIENTS).map(|_| patient(TcpStream::connect(address).unwrap())).collect();
    let highest = File::open("/dev/null").unwrap();
    let room = std::os::fd::AsRawFd::as_raw_fd(&highest) as u64 + 10;
    drop(highest);
    let before = limit(room);
    let served = Arc::new(AtomicUsize::new(0));
    let server = {
        let (listener, served) = (listener.clone(), served.clone());
        spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                kept.push(stream?);
                served.fetch_add(1, SeqCst);
            }
            kept.into_iter().enumerate().try_for_each(|(number, mut stream)| stream.write_all(&[number as u8]))
        })
        .unwrap()
    };
    until("descriptors are short", || served.load(SeqCst) > 0 && File::open("/dev/null").is_err());
    // A plain accept says so; should one succeed, because a descriptor was given back just then, it counts as well.
    let mut also = Vec::new();
    let told = loop {
        match listener.accept() {
            Ok((stream, _)) => also.push(stream),
            Err(e) => break e,
        }
    };
    assert_eq!(told.raw_os_error(), Some(libc::EMFILE));
    assert!(served.load(SeqCst) + also.len() < CLIENTS);
    limit(before);
    until("all are accepted", || served.load(SeqCst) + also.len() == CLIENTS);
    listener.close();
    server.join().unwrap().unwrap();
    also.into_iter().enumerate().for_each(|(n, mut stream)| stream.write_all(&[(CLIENTS - 1 - n) as u8]).unwrap());
    // No connection was lost: each client was told a number, and none twice.
    let mut numbers: Vec<u8> = clients
        .into_iter()
        .map(|mut client| {
            let mut number = [0];
            client.read_exact(&mut number).map(|()| number[0])
        })
        .collect::<io::Result<_>>()
        .unwrap();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..CLIENTS as u8).collect::<Vec<_>>());
}
