//! How waits on sockets end otherwise than by what they wait for: time limits, deadlines, cancellation, closing. No byte is lost by it.

mod ledger;
mod wire;

use gmp_core::net::{pipe, Fd, TcpListener, TcpStream, UnixListener, UnixStream};
use gmp_core::{channel, shield, spawn, spawn_in, time, within, Context, Error};
use ledger::seeded;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;
use wire::{connected, error, fill, PATIENCE, SHORT};

#[test]
fn time_limits_are_each_owners() {
    let (ours, mut theirs) = connected();
    let other = ours.try_clone().unwrap();
    assert_eq!(other.read_timeout().unwrap(), Some(PATIENCE));
    ours.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!((&ours).read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(ours.peek(&mut [0; 4]).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(error(ours.set_read_timeout(Some(Duration::ZERO))), Error::Invalid);
    assert_eq!(ours.read_timeout().unwrap(), Some(SHORT));
    // Longer than there is time.
    ours.set_read_timeout(Some(Duration::MAX)).unwrap();
    theirs.write_all(b"data").unwrap();
    let mut buf = [0; 4];
    (&ours).read_exact(&mut buf).unwrap();
    ours.set_read_timeout(None).unwrap();
    assert_eq!((ours.read_timeout().unwrap(), &buf), (None, b"data"));

    let (ours, _theirs) = UnixStream::pair().unwrap();
    fill(&ours);
    ours.set_write_timeout(Some(SHORT)).unwrap();
    assert_eq!((&ours).write(b"x").unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(ours.fd().write_timeout(), Some(SHORT));
}

#[test]
fn a_write_cut_short_says_how_far_it_came() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let message: Vec<u8> = (0..50_000_000u32).map(|at| (at % 239) as u8).collect();
    let written = ours.write_until(&message, within(10 * SHORT)).unwrap();
    assert!(written > 0 && written < message.len(), "{written}");
    assert_eq!(error(ours.write_until(&message[written..], within(SHORT))), Error::TimedOut);
    drop(ours);
    let mut all = Vec::new();
    (&theirs).read_to_end(&mut all).unwrap();
    assert!(all == message[..written]);
}

#[test]
fn deadlines_come_before_data_or_after_and_lose_none() {
    let (ours, mut theirs) = connected();
    let mut rng = seeded();
    let pauses: Vec<i64> = (0..300).map(|_| rng.below(60_000) as i64).collect();
    let sent: Vec<u8> = (0..300).map(|at| at as u8).collect();
    let wanted = sent.clone();
    let sender = spawn(move || {
        sent.chunks(1).zip(pauses).try_for_each(|(byte, pause)| {
            time::sleep(pause)?;
            theirs.write_all(byte)
        })
    })
    .unwrap();
    let (mut got, mut late, mut buf) = (Vec::new(), 0, [0; 16]);
    let limit = time::after(PATIENCE.as_nanos() as i64);
    while got.len() < wanted.len() {
        match ours.read_until(&mut buf, time::after(rng.below(60_000) as i64)) {
            Ok(n) => got.extend_from_slice(&buf[..n]),
            Err(e) if e.kind() == ErrorKind::TimedOut => late += 1,
            Err(e) => panic!("{e}"),
        }
        assert!(time::now() < limit, "{} of {} came, {late} times late", got.len(), wanted.len());
    }
    sender.join().unwrap().unwrap();
    assert_eq!(got, wanted);
}

#[test]
fn a_deadline_set_by_another_task_ends_the_wait() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let ours = Arc::new(ours);
    let (at, reading) = channel(0).unwrap();
    let reader = {
        let ours = ours.clone();
        spawn(move || {
            at.send(()).unwrap();
            ours.read_until(&mut [0; 4], time::FOREVER)
        })
        .unwrap()
    };
    reading.recv().unwrap();
    ours.set_deadline(time::after(1)).unwrap();
    assert_eq!(error(reader.join().unwrap()), Error::TimedOut);
    // It stays, until it is taken back.
    assert_eq!(error(ours.read_until(&mut [0; 4], time::FOREVER)), Error::TimedOut);
    ours.set_deadline(time::FOREVER).unwrap();
    assert_eq!(error(ours.read_until(&mut [0; 4], within(SHORT))), Error::TimedOut);
    // For one direction alone.
    ours.fd().set_write_deadline(1).unwrap();
    (&*ours).write_all(b"what needs no wait is done").unwrap();
    fill(&ours);
    assert_eq!(error(ours.write_until(b"x", time::FOREVER)), Error::TimedOut);
    assert_eq!(error(ours.read_until(&mut [0; 4], time::NOWAIT)), Error::Again);
}

#[test]
fn a_context_that_ends_ends_the_waits_of_its_tasks() {
    let context = Context::new(None).unwrap();
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let (ours, _theirs) = UnixStream::pair().unwrap();
    fill(&ours);
    let ours = Arc::new(ours);
    let (at, waiting) = channel(0).unwrap();
    let (one, all, reads) = (listener.clone(), listener.clone(), ours.clone());
    let waits: [Box<dyn FnOnce() -> io::Result<()> + Send>; 5] = [
        Box::new(move || one.accept().map(drop)),
        Box::new(move || all.incoming().next().expect("not closed").map(drop)),
        Box::new(move || reads.read_until(&mut [0; 8], time::FOREVER).map(drop)),
        Box::new(move || ours.write_until(b"x", time::FOREVER).map(drop)),
        Box::new(move || pipe()?.0.readable(time::FOREVER).map(drop)),
    ];
    let tasks: Vec<_> = waits
        .into_iter()
        .map(|wait| (wait, at.clone()))
        .map(|(wait, at)| {
            spawn_in(&context, move || {
                shield(|| at.send(()).unwrap());
                wait()
            })
            .unwrap()
        })
        .collect();
    (0..5).for_each(|_| waiting.recv().unwrap());
    context.cancel().unwrap();
    tasks.into_iter().for_each(|task| assert_eq!(error(task.join().unwrap()), Error::Canceled));
    // Nothing was taken: the listener is as good as before.
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
}

#[test]
fn cancelled_before_data_or_after_no_byte_is_lost() {
    let mut rng = seeded();
    for round in 0..100u8 {
        let (ours, mut theirs) = connected();
        let ours = Arc::new(ours);
        let reading = ours.clone();
        let reader = spawn(move || reading.read_until(&mut [0; 1], time::FOREVER)).unwrap();
        let pause = rng.below(100_000) as i64;
        let sender = spawn(move || {
            let _ = time::sleep(pause);
            theirs.write_all(&[round]).map(|()| theirs)
        })
        .unwrap();
        time::sleep(rng.below(100_000) as i64).unwrap();
        reader.cancel().unwrap();
        let theirs = sender.join().unwrap().unwrap();
        match reader.join().unwrap().map_err(Error::from) {
            Ok(1) => {}
            Err(Error::Canceled) => {
                let mut buf = [0; 1];
                (&*ours).read_exact(&mut buf).unwrap();
                assert_eq!(buf, [round]);
            }
            other => panic!("{other:?}"),
        }
        drop(theirs);
        assert_eq!((&*ours).read(&mut [0; 1]).unwrap(), 0, "a byte too many in round {round}");
    }
}

#[test]
fn a_close_ends_every_accept_of_every_clone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepts: Vec<_> = (0..8)
        .map(|_| listener.try_clone().unwrap())
        .map(|clone| spawn(move || (clone.accept().map(drop), clone.incoming().next().is_none())).unwrap())
        .collect();
    let thread = listener.try_clone().unwrap();
    let thread = std::thread::spawn(move || thread.accept().map(drop));
    listener.close();
    listener.close();
    for accept in accepts {
        let (result, over) = accept.join().unwrap();
        assert_eq!((error(result), over), (Error::Os(libc::EBADF), true));
    }
    assert_eq!(error(thread.join().unwrap()), Error::Os(libc::EBADF));
    // The port is free now, and may be somebody else's already.
    if let Err(e) = TcpStream::connect(address) {
        assert_eq!(e.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn dropping_the_owner_ends_the_waits_on_the_number() {
    let (low, to) = pipe().unwrap();
    // A number that nobody else is given while this goes on: who comes too late finds nothing.
    // SAFETY: takes numbers; the answer is ours.
    let from = unsafe { Fd::from_raw_fd(libc::fcntl(low.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 800)) };
    drop(low);
    let number = from.as_raw_fd();
    assert!(number >= 800, "{number}");
    let (at, waiting) = channel(0).unwrap();
    let waiters: Vec<_> = (0..3)
        .map(|_| at.clone())
        .map(|at| {
            spawn(move || {
                at.send(()).unwrap();
                gmp_core::io::poll_fd(number, libc::POLLIN.into(), time::FOREVER)
            })
            .unwrap()
        })
        .collect();
    waiters.iter().for_each(|_| waiting.recv().unwrap());
    // All of them wait, or are about to.
    drop(from);
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), Err(Error::Os(libc::EBADF)));
    }
    assert_eq!((&to).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_listener_that_is_late_keeps_its_clients_waiting() {
    let address = UnixAddr::from_abstract_name(format!("gmp-test-{}-backlog", std::process::id())).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    assert_eq!(error(listener.accept_until(within(SHORT))), Error::TimedOut);
    assert_eq!(error(listener.accept_until(time::NOWAIT)), Error::Again);
    // SAFETY: takes numbers. Room for one connection that was not accepted.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let first = UnixStream::connect_addr(&address).unwrap();
    assert_eq!(error(UnixStream::connect_until(&address, within(SHORT))), Error::TimedOut);
    let second = spawn(move || UnixStream::connect_until(&address, within(PATIENCE))).unwrap();
    let mut accepted = listener.accept().unwrap().0;
    accepted.write_all(b"1").unwrap();
    assert_eq!((&first).read(&mut [0; 1]).unwrap(), 1);
    let other = listener.accept_until(within(PATIENCE)).unwrap().0;
    drop(other);
    assert_eq!(second.join().unwrap().unwrap().read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_panic_flushes_what_needs_no_wait() {
    let (ours, mut theirs) = connected();
    let task = spawn(move || {
        let mut writer = BufWriter::new(&ours);
        writer.write_all(b"last words").unwrap();
        panic!("on purpose");
    })
    .unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| task.join().unwrap())).map_err(resume_unless_ours).is_err());
    let mut words = String::new();
    theirs.read_to_string(&mut words).unwrap();
    assert_eq!(words, "last words");
}

#[test]
fn a_panic_waits_for_nobody() {
    struct Last(UnixStream, std::sync::mpsc::Sender<io::Result<usize>>);
    impl Drop for Last {
        fn drop(&mut self) {
            let _ = self.1.send(self.0.write(b"x"));
            let _ = self.1.send(self.0.read(&mut [0; 8]));
        }
    }
    let (ours, theirs) = UnixStream::pair().unwrap();
    fill(&ours);
    let (tell, told) = std::sync::mpsc::channel();
    let task = spawn(move || {
        let _last = Last(ours, tell);
        panic!("on purpose");
    })
    .unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| task.join().unwrap())).map_err(resume_unless_ours).is_err());
    for _ in 0..2 {
        assert_eq!(told.try_recv().unwrap().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    drop(theirs);
}

/// A failure of the test itself goes on.
fn resume_unless_ours(payload: Box<dyn std::any::Any + Send>) {
    if payload.downcast_ref::<&str>() != Some(&"on purpose") {
        resume_unwind(payload);
    }
}
