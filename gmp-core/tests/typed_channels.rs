//! Typed channels: who gets a value, who gets it back, and that each is dropped once.

mod ledger;

use gmp_core::base::rng::Rng;
use gmp_core::{channel, global, spawn, time, Error, JoinHandle, Receiver, SendError, Sender};
use ledger::{rounds, seeded, Counted, Ledger};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::Arc;

#[test]
fn values_of_every_size_arrive_as_they_were_sent() {
    fn through<T: Send + PartialEq + std::fmt::Debug + Clone>(values: [T; 3]) {
        for capacity in [1, 3] {
            let (to, from) = channel(capacity).unwrap();
            for some in values.chunks(capacity) {
                some.iter().for_each(|v| to.send(v.clone()).unwrap());
                some.iter().for_each(|v| assert_eq!(from.recv().as_ref(), Ok(v)));
            }
        }
    }
    through([(), (), ()]);
    through([1u8, 2, 3]);
    through([(1u32, 2u8), (3, 4), (5, 6)]);
    through([u64::MAX, 0, 1]);
    through([Some(Box::new(1)), None, Some(Box::new(2))]);
    through(["one".to_string(), String::new(), "three".to_string()]);
    through([u128::MAX, 0, 1 << 77]);
    through([[7u8; 65_535]; 3]);
}

#[test]
fn what_is_too_large_is_refused_and_a_box_is_not() {
    assert_eq!(channel::<[u8; 65_536]>(0).err(), Some(Error::Invalid));
    assert_eq!(channel::<u64>(usize::MAX).err(), Some(Error::Invalid));
    assert_eq!(channel::<u64>(1 << 56).err(), Some(Error::NoMemory));
    let (to, from) = channel::<Box<[u8; 65_536]>>(1).unwrap();
    to.send(Box::new([1; 65_536])).unwrap();
    assert_eq!(from.recv().unwrap()[65_535], 1);
}

#[test]
fn the_last_sender_closes_and_what_is_left_can_be_received() {
    let (to, from) = channel(4).unwrap();
    let other = to.clone();
    to.send(1).unwrap();
    drop(to);
    other.send(2).unwrap();
    assert_eq!((from.len(), from.capacity(), other.is_empty()), (2, 4, false));
    drop(other);
    assert_eq!(
        (from.recv(), from.try_recv(), from.recv(), from.try_recv()),
        (Ok(1), Ok(2), Err(Error::Closed), Err(Error::Closed))
    );
    assert_eq!(from.into_iter().next(), None);
}

#[test]
fn a_receiver_that_waits_is_told_of_the_close() {
    let (to, from) = channel::<u32>(0).unwrap();
    let waiting: Vec<_> = (0..3).map(|_| from.clone()).map(|from| spawn(move || from.recv()).unwrap()).collect();
    let thread = std::thread::spawn(move || from.recv());
    drop(to);
    waiting.into_iter().for_each(|task| assert_eq!(task.join().unwrap(), Err(Error::Closed)));
    assert_eq!(thread.join().unwrap(), Err(Error::Closed));
}

#[test]
fn without_receivers_senders_get_their_values_back() {
    let ledger = Ledger::new(8);
    let (to, from) = channel(0).unwrap();
    let waiting: Vec<_> =
        (0..3).map(|_| (to.clone(), ledger.make())).map(|(to, value)| spawn(move || to.send(value)).unwrap()).collect();
    drop(from.clone());
    drop(from);
    for task in waiting {
        let unsent = task.join().unwrap().unwrap_err();
        assert_eq!((unsent.error, unsent.to_string().as_str()), (Error::Closed, "not sent: the channel is closed"));
    }
    assert_eq!(to.try_send(ledger.make()).map_err(Error::from), Err(Error::Closed));
    assert_eq!(ledger.made(), 4);
    ledger.balance();
}

#[test]
fn what_cannot_be_sent_in_time_comes_back() {
    let ledger = Ledger::new(8);
    let (to, from) = channel(1).unwrap();
    to.send(ledger.make()).unwrap();
    let error = |result: Result<(), SendError<Counted>>| result.unwrap_err().error;
    assert_eq!(error(to.try_send(ledger.make())), Error::Again);
    assert_eq!(error(to.send_until(ledger.make(), 1)), Error::TimedOut);
    assert_eq!(error(to.send_until(ledger.make(), time::after(10_000))), Error::TimedOut);
    assert_eq!(ledger.left(), 1);
    drop((to, from));
    ledger.balance();
}

#[test]
fn a_cancelled_send_gives_the_value_back_and_a_cancelled_receive_has_none() {
    let ledger = Ledger::new(8);
    let (to, from) = channel::<Counted>(0).unwrap();
    let value = ledger.make();
    let other = to.clone();
    let sender = spawn(move || other.send(value)).unwrap();
    sender.cancel().unwrap();
    assert_eq!(sender.join().unwrap().unwrap_err().error, Error::Canceled);
    assert_eq!(from.try_recv().err(), Some(Error::Again));
    let other = from.clone();
    let receiver = spawn(move || other.recv().err()).unwrap();
    receiver.cancel().unwrap();
    assert_eq!(receiver.join().unwrap(), Some(Error::Canceled));
    assert_eq!(to.try_send(ledger.make()).unwrap_err().error, Error::Again);
    ledger.balance();
}

#[test]
fn the_last_receiver_drops_what_is_left_though_senders_stay() {
    let ledger = Ledger::new(8);
    let (to, from) = channel(5).unwrap();
    (0..5).for_each(|_| to.send(ledger.make()).unwrap());
    drop(from.recv().unwrap());
    let last = from.clone();
    drop(from);
    assert_eq!(ledger.left(), 4);
    drop(last);
    ledger.balance();
    assert!(to.is_empty());
}

#[test]
fn a_channel_that_holds_its_own_ends_is_given_back() {
    struct Ends(#[allow(dead_code)] Option<(Sender<Ends>, Counted)>);
    let ledger = Ledger::new(2);
    let (to, from) = channel(2).unwrap();
    to.send(Ends(Some((to.clone(), ledger.make())))).unwrap();
    to.send(Ends(Some((to.clone(), ledger.make())))).unwrap();
    drop(to);
    assert_eq!(ledger.left(), 2);
    drop(from);
    ledger.balance();
}

#[test]
fn values_are_dropped_though_the_destructor_of_one_panics() {
    struct Bomb(#[allow(dead_code)] Counted, bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.1 {
                std::panic::resume_unwind(Box::new("bomb"));
            }
        }
    }
    let ledger = Ledger::new(8);
    let (to, from) = channel(4).unwrap();
    (0..4).for_each(|n| to.send(Bomb(ledger.make(), n == 1)).unwrap());
    let caught = catch_unwind(AssertUnwindSafe(|| drop(from)));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"bomb"));
    assert_eq!(ledger.left(), 2);
    assert_eq!(to.try_send(Bomb(ledger.make(), false)).unwrap_err().error, Error::Closed);
    drop(to);
    ledger.balance();
}

#[test]
fn a_panic_drops_the_ends_that_it_passes() {
    let ledger = Ledger::new(8);
    let (to, from) = channel(0).unwrap();
    let (back, returned) = channel::<Counted>(2).unwrap();
    back.send(ledger.make()).unwrap();
    let (first, second) = (ledger.make(), ledger.make());
    let task = spawn(move || {
        let _ends = (to.clone(), returned);
        to.send(first).unwrap();
        let _kept = second;
        std::panic::resume_unwind(Box::new(7));
    })
    .unwrap();
    drop(from.recv().unwrap());
    assert_eq!(from.recv().err(), Some(Error::Closed));
    assert!(catch_unwind(AssertUnwindSafe(|| task.join())).is_err());
    assert_eq!(back.send(ledger.make()).unwrap_err().error, Error::Closed);
    ledger.balance();
}

#[test]
fn one_sender_is_heard_in_order() {
    let (to, from) = channel(3).unwrap();
    let sender = spawn(move || (0..10_000).try_for_each(|n| to.send(n))).unwrap();
    let reader = spawn(move || from.iter().enumerate().all(|(at, n)| at == n)).unwrap();
    assert!(sender.join().unwrap().is_ok() && reader.join().unwrap());
}

/// One of many who send, until the channel is closed or the task cancelled.
fn send_some<T>(seed: u64, to: Sender<T>, make: impl Fn() -> T) {
    let mut rng = Rng::new(seed);
    for _ in 0..100 {
        let sent = match rng.below(4) {
            0 => to.try_send(make()),
            1 => to.send_until(make(), time::after(rng.below(20_000) as i64)),
            _ => to.send(make()),
        };
        match sent {
            Err(SendError { value, error: Error::Again | Error::TimedOut }) if rng.below(2) == 0 => drop(value),
            Err(SendError { value, error: Error::Again | Error::TimedOut }) => drop(to.send(value)),
            Err(_) => return,
            Ok(()) => {}
        }
    }
}

/// One of many who receive. Some stop early.
fn receive_some<T>(seed: u64, from: Receiver<T>, received: &AtomicUsize) {
    let mut rng = Rng::new(seed);
    let patience = if rng.below(3) == 0 { rng.below(100) } else { u32::MAX };
    for _ in 0..patience {
        let got = match rng.below(4) {
            0 => from.try_recv(),
            1 => from.recv_until(time::after(rng.below(20_000) as i64)),
            _ => from.recv(),
        };
        match got {
            Ok(_value) => _ = received.fetch_add(1, Relaxed),
            Err(Error::Again | Error::TimedOut) => gmp_core::yield_now(),
            Err(_) => return,
        }
    }
}

fn storm<T: Send + 'static>(rng: &mut Rng, wrap: fn(Counted) -> T) {
    let (ledger, received) = (Ledger::new(1000), Arc::new(AtomicUsize::new(0)));
    let (to, from) = channel(rng.below(4) as usize).unwrap();
    let (mut tasks, mut threads): (Vec<JoinHandle<()>>, Vec<_>) = (Vec::new(), Vec::new());
    for n in 0..4 + rng.below(5) {
        let (seed, to, from) = (rng.bits(), to.clone(), from.clone());
        let (ledger, received) = (ledger.clone(), received.clone());
        let sends = n < 2 || n > 3 && rng.below(2) == 0;
        let party = move || match sends {
            true => {
                drop(from);
                send_some(seed, to, || wrap(ledger.make()));
            }
            false => {
                drop(to);
                receive_some(seed, from, &received);
            }
        };
        match rng.below(4) {
            0 => threads.push(std::thread::spawn(party)),
            _ => tasks.push(spawn(party).unwrap()),
        }
    }
    drop((to, from));
    for _ in 0..rng.below(3) {
        global::max_procs(1 + rng.below(3) as i32).unwrap();
        if let Some(task) = tasks.get(rng.below(8) as usize) {
            task.cancel().unwrap();
        }
    }
    tasks.into_iter().for_each(|task| task.join().unwrap());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(received.load(Relaxed) <= ledger.made());
    ledger.balance();
}

#[test]
fn nothing_is_lost_or_doubled_while_ends_come_and_go() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        storm(&mut rng, |value| value);
        storm(&mut rng, Box::new);
        storm(&mut rng, |value| (value, [1u8; 301]));
    }
}

#[test]
fn receivers_that_leave_while_senders_wait_lose_nothing() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        let ledger = Ledger::new(64);
        let (to, from) = channel(rng.below(2) as usize).unwrap();
        let senders: Vec<_> = (0..6)
            .map(|_| (to.clone(), ledger.make()))
            .map(|(to, value)| spawn(move || to.send(value).is_ok()).unwrap())
            .collect();
        drop(to);
        let wanted = rng.below(5);
        let reader = spawn(move || (0..wanted).filter(|_| from.recv().is_ok()).count()).unwrap();
        let received = reader.join().unwrap();
        let sent = senders.into_iter().filter_map(|task| task.join().ok()).filter(|sent| *sent).count();
        assert!(received == wanted as usize && sent >= received, "{received} of {wanted}, {sent} sent");
        ledger.balance();
    }
}
