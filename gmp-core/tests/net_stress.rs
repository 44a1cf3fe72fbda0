//! Many connections whose both ends do what a seed says: short and long reads and writes, with deadlines and without, half-closes,
//! cancellations, drops. What arrives is always the beginning of what was sent, and all of it where nobody gave up.

mod ledger;
mod wire;

use gmp_core::base::rng::Rng;
use gmp_core::net::{Fd, TcpStream, UnixStream};
use gmp_core::{spawn, time, within, yield_now, Error, JoinHandle};
use ledger::{rounds, seeded};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use wire::{connected, PATIENCE};

/// One side of a connection, of whatever kind.
trait End: Send + Sync + 'static {
    fn read(&self, buf: &mut [u8], deadline: i64) -> io::Result<usize>;
    fn write(&self, buf: &[u8], deadline: i64) -> io::Result<usize>;
    fn end(&self);
}

impl End for TcpStream {
    fn read(&self, buf: &mut [u8], deadline: i64) -> io::Result<usize> {
        self.read_until(buf, deadline)
    }
    fn write(&self, buf: &[u8], deadline: i64) -> io::Result<usize> {
        self.write_until(buf, deadline)
    }
    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl End for UnixStream {
    fn read(&self, buf: &mut [u8], deadline: i64) -> io::Result<usize> {
        self.read_until(buf, deadline)
    }
    fn write(&self, buf: &[u8], deadline: i64) -> io::Result<usize> {
        self.write_until(buf, deadline)
    }
    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

/// A socket behind the owner of any descriptor.
impl End for (Fd, UnixStream) {
    fn read(&self, buf: &mut [u8], deadline: i64) -> io::Result<usize> {
        self.0.read_until(buf, deadline)
    }
    fn write(&self, buf: &[u8], deadline: i64) -> io::Result<usize> {
        self.0.write_until(buf, deadline)
    }
    fn end(&self) {
        self.1.shutdown(Shutdown::Write).unwrap();
    }
}

/// The byte at a place of a stream.
fn byte(stream: u32, at: usize) -> u8 {
    (at as u32).wrapping_mul(31).wrapping_add((at >> 8) as u32).wrapping_add(stream * 7) as u8
}

fn deadline(rng: &mut Rng) -> i64 {
    match rng.below(4) {
        0 => time::NOWAIT,
        1 => time::after(rng.below(100_000) as i64),
        _ => within(PATIENCE),
    }
}

/// True: it may be tried again.
fn only_late(e: &Error) -> bool {
    matches!(e, Error::Again | Error::TimedOut)
}

/// Writes until `total`; how far it came before it was cancelled.
fn write(end: &dyn End, stream: u32, total: usize, mut rng: Rng) -> usize {
    let mut done = 0;
    let limit = within(PATIENCE);
    while done < total {
        assert!(time::now() < limit, "written: {done} of {total}");
        let n = (1 + rng.below(40_000) as usize).min(total - done);
        let part: Vec<u8> = (done..done + n).map(|at| byte(stream, at)).collect();
        match end.write(&part, deadline(&mut rng)).map_err(Error::from) {
            Ok(written) => done += written,
            Err(Error::Canceled) => break,
            Err(e) if only_late(&e) => yield_now(),
            Err(e) => panic!("write: {e:?}"),
        }
    }
    end.end();
    done
}

/// Reads to the end; how much there was.
fn read(end: &dyn End, stream: u32, mut rng: Rng) -> usize {
    let mut got = 0;
    let mut buf = vec![0; 60_000];
    let limit = within(PATIENCE);
    loop {
        assert!(time::now() < limit, "read: {got}");
        let room = 1 + rng.below(60_000) as usize;
        match end.read(&mut buf[..room], deadline(&mut rng)).map_err(Error::from) {
            Ok(0) => return got,
            Ok(n) => {
                assert!(buf[..n].iter().zip(got..).all(|(is, at)| *is == byte(stream, at)), "wrong after {got}");
                got += n;
            }
            // A reader that is cancelled looks after the rest without waits that could be.
            Err(Error::Canceled) => return got + gmp_core::shield(|| read_rest(end, stream, got)),
            Err(e) if only_late(&e) => yield_now(),
            Err(e) => panic!("read: {e:?}"),
        }
    }
}

fn read_rest(end: &dyn End, stream: u32, from: usize) -> usize {
    let (mut got, mut buf) = (0, vec![0; 10_000]);
    loop {
        match end.read(&mut buf, within(PATIENCE)).unwrap() {
            0 => return got,
            n => {
                assert!(
                    buf[..n].iter().zip(from + got..).all(|(is, at)| *is == byte(stream, at)),
                    "wrong, after a cancel"
                );
                got += n;
            }
        }
    }
}

struct Running {
    writers: Vec<JoinHandle<usize>>,
    readers: Vec<JoinHandle<usize>>,
    totals: Vec<usize>,
    cancelled: Vec<bool>,
}

fn begin(one: Arc<dyn End>, other: Arc<dyn End>, rng: &mut Rng) -> Running {
    let mut running = Running { writers: Vec::new(), readers: Vec::new(), totals: Vec::new(), cancelled: Vec::new() };
    for (stream, (from, to)) in [(one.clone(), other.clone()), (other, one)].into_iter().enumerate() {
        let most = if rng.below(4) == 0 { 2_000_000 } else { 20_000 };
        let total = 1 + rng.below(most) as usize;
        let (first, second) = (Rng::new(rng.bits()), Rng::new(rng.bits()));
        running.writers.push(spawn(move || write(&*from, stream as u32, total, first)).unwrap());
        running.readers.push(spawn(move || read(&*to, stream as u32, second)).unwrap());
        running.totals.push(total);
        running.cancelled.push(false);
    }
    running
}

#[test]
fn what_arrives_is_what_was_sent_whatever_happens_meanwhile() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        let mut all: Vec<Running> = (0..4)
            .map(|_| match rng.below(3) {
                0 => {
                    let (one, other) = connected();
                    begin(Arc::new(one), Arc::new(other), &mut rng)
                }
                1 => {
                    let (one, other) = UnixStream::pair().unwrap();
                    begin(Arc::new(one), Arc::new(other), &mut rng)
                }
                _ => {
                    let (one, other) = UnixStream::pair().unwrap();
                    let whole = |end: UnixStream| {
                        let fd = Fd::from(OwnedFd::from(end.try_clone().unwrap()));
                        (fd, end)
                    };
                    begin(Arc::new(whole(one)), Arc::new(whole(other)), &mut rng)
                }
            })
            .collect();
        for running in &mut all {
            if rng.below(3) == 0 {
                time::sleep(rng.below(200_000) as i64).unwrap();
                let at = rng.below(2) as usize;
                if rng.below(2) == 0 {
                    running.writers[at].cancel().unwrap();
                    running.cancelled[at] = true;
                } else {
                    running.readers[at].cancel().unwrap();
                }
            }
        }
        for running in all {
            let written: Vec<usize> = running.writers.into_iter().map(|task| task.join().unwrap()).collect();
            let got: Vec<usize> = running.readers.into_iter().map(|task| task.join().unwrap()).collect();
            assert_eq!(written, got);
            for ((total, written), cancelled) in running.totals.into_iter().zip(written).zip(running.cancelled) {
                assert!(total == written || cancelled, "{written} of {total}");
            }
        }
    }
}

/// Descriptors whose numbers are used again at once, by us and behind our back.
#[test]
fn a_number_that_is_used_again_knows_nothing_of_the_one_before() {
    let mut rng = seeded();
    for round in 0..rounds() * 10 {
        let (ours, theirs) = UnixStream::pair().unwrap();
        match rng.below(4) {
            0 => ours.set_deadline(1).unwrap(),
            1 => _ = ours.read_until(&mut [0; 8], time::after(rng.below(20_000) as i64)),
            2 => {
                (&theirs).write_all(b"old").unwrap();
                _ = ours.read_until(&mut [0; 8], time::NOWAIT);
            }
            _ => {}
        }
        // By us, or by who knows nothing of us.
        if rng.below(2) == 0 {
            drop((ours, theirs));
        } else {
            drop((OwnedFd::from(ours), OwnedFd::from(theirs)));
        }
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let writer = spawn(move || (&theirs).write_all(b"new").map(|()| theirs)).unwrap();
        let mut new = [0; 3];
        ours.read_exact(&mut new).unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert_eq!(&new, b"new");
        drop(writer.join().unwrap().unwrap());
    }
}
