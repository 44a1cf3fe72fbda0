//! The typed select: the value of the chosen case moves, those of the others stay.

mod ledger;

use gmp_core::base::rng::Rng;
use gmp_core::{channel, spawn, time, Error, JoinHandle, Receiver, Select, Sender};
use ledger::{rounds, seeded, Counted, Ledger};
use std::num::NonZeroU8;
use std::sync::Arc;

#[test]
fn a_value_that_was_not_sent_stays_with_the_caller() {
    let ledger = Ledger::new(4);
    let (a, from_a) = channel(0).unwrap();
    let (b, from_b) = channel(1).unwrap();
    let (mut to_a, mut to_b) = (Some(ledger.make()), Some(ledger.make()));
    assert_eq!(Select::new().send(&a, &mut to_a).send(&b, &mut to_b).wait(), Ok(1));
    assert!(to_a.is_some() && to_b.is_none());
    let select = Select::new().send(&a, &mut to_a).send(&b, &mut to_b);
    assert_eq!(select.try_now(), Err(Error::Again));
    assert_eq!(Select::new().send(&a, &mut to_a).wait_until(time::after(1_000)), Err(Error::TimedOut));
    assert_eq!((to_a.is_some(), ledger.left()), (true, 2));
    drop(from_b.recv().unwrap());
    drop(from_a);
    drop(to_a);
    ledger.balance();
}

#[test]
fn a_closed_channel_shows_in_the_place() {
    let (to, from) = channel::<String>(0).unwrap();
    drop(to);
    let mut word = Some("before".to_string());
    assert_eq!(Select::new().recv(&from, &mut word).wait(), Ok(0));
    assert_eq!(word, None);
    let (to, from) = channel(0).unwrap();
    drop(from);
    let mut word = Some("mine".to_string());
    assert_eq!(Select::new().send(&to, &mut word).wait(), Ok(0));
    assert_eq!(word.as_deref(), Some("mine"));
}

#[test]
fn places_of_every_shape_hold_what_came() {
    fn through<T: Send + PartialEq + std::fmt::Debug + Clone + 'static>(value: T) {
        let (to, from) = channel(1).unwrap();
        let (mut there, mut back) = (Some(value.clone()), None);
        assert_eq!(Select::new().send(&to, &mut there).wait(), Ok(0));
        assert_eq!(Select::new().recv(&from, &mut back).wait(), Ok(0));
        assert_eq!((there, back), (None, Some(value.clone())));
        // And from a task that waits.
        let (to, from) = channel(0).unwrap();
        let waits = spawn(move || {
            let mut got = None;
            Select::new().recv(&from, &mut got).wait().map(|_| got)
        })
        .unwrap();
        to.send(value.clone()).unwrap();
        assert_eq!(waits.join().unwrap(), Ok(Some(value)));
    }
    through(());
    through(7u8);
    through(NonZeroU8::new(9).unwrap());
    through(Some(5u8));
    through(None::<Option<bool>>);
    through(Box::new(1u64));
    through("text".to_string());
    through([3u8; 1000]);
    through((1u8, 2u64, 3u16));
}

#[test]
fn cases_without_an_end_or_a_value_are_never_ready() {
    let (to, from) = channel::<u32>(1).unwrap();
    let (mut got, mut nothing) = (None, None);
    let select = Select::new().recv(None::<&Receiver<u32>>, &mut got).send(&to, &mut nothing);
    assert_eq!(select.try_now(), Err(Error::Again));
    assert_eq!(Select::new().wait_until(time::after(1_000)), Err(Error::TimedOut));
    let task = spawn(|| Select::new().wait()).unwrap();
    task.cancel().unwrap();
    assert_eq!(task.join().unwrap(), Err(Error::Canceled));
    drop(from);
}

#[test]
fn many_cases_and_the_same_channel_twice() {
    let ends: Vec<_> = (0..100).map(|_| channel::<usize>(1).unwrap()).collect();
    let mut places = [None; 100];
    ends[61].0.send(61).unwrap();
    let select = ends.iter().zip(&mut places).fold(Select::new(), |s, (end, place)| s.recv(&end.1, place));
    assert_eq!(select.wait(), Ok(61));
    assert_eq!(places.iter().flatten().collect::<Vec<_>>(), [&61]);

    let (mut one, mut other, mut back) = (Some(1), Some(2), None);
    let (to, from) = &ends[0];
    let chosen = Select::new().send(to, &mut one).send(to, &mut other).recv(from, &mut back).wait().unwrap();
    assert!(chosen < 2 && back.is_none());
    assert_eq!(from.recv(), Ok(chosen + 1));
    assert_eq!([one, other][1 - chosen], Some(2 - chosen));
}

#[test]
fn more_cases_than_there_may_be_are_refused_and_keep_their_values() {
    let (to, _from) = channel(1).unwrap();
    let mut values = vec![Some(1u8); 65_537];
    let select = values.iter_mut().fold(Select::new(), |s, value| s.send(&to, value));
    assert_eq!(select.try_now(), Err(Error::Invalid));
    assert!(values.iter().all(|value| *value == Some(1)) && to.is_empty());
}

/// Sends what it makes and receives what comes, until it is cancelled, or one of the two is closed.
fn juggle(seed: u64, ledger: &Arc<Ledger>, to: [Sender<Counted>; 2], from: [Receiver<Counted>; 2]) {
    let mut rng = Rng::new(seed);
    let mut hands = [None, None];
    for _ in 0..100 {
        let [left, right] = &mut hands;
        left.get_or_insert_with(|| ledger.make());
        if rng.below(2) == 0 {
            right.get_or_insert_with(|| ledger.make());
        }
        let (mut a, mut b) = (None, None);
        let select = Select::new().send(&to[0], left).recv(&from[0], &mut a).send(&to[1], right).recv(&from[1], &mut b);
        let chosen = match rng.below(4) {
            0 => select.try_now(),
            1 => select.wait_until(time::after(rng.below(20_000) as i64)),
            _ => select.wait_until(time::after(2_000_000)),
        };
        match chosen {
            Ok(0) | Ok(2) => assert!(a.is_none() && b.is_none()),
            Ok(1) => assert!(hands[0].is_some() && b.is_none()),
            Ok(_) => assert!(hands[0].is_some() && a.is_none()),
            Err(Error::Again | Error::TimedOut) => gmp_core::yield_now(),
            Err(_) => return,
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_by_selects_that_wait_end_and_are_cancelled() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        let ledger = Ledger::new(4000);
        let ((a, from_a), (b, from_b)) = (channel(0).unwrap(), channel(rng.below(3) as usize).unwrap());
        let parties = 3 + rng.below(4);
        let mut tasks: Vec<JoinHandle<()>> = Vec::new();
        let mut threads = Vec::new();
        for _ in 0..parties {
            let (seed, ledger) = (rng.bits(), ledger.clone());
            let (to, from) = ([a.clone(), b.clone()], [from_a.clone(), from_b.clone()]);
            let party = move || juggle(seed, &ledger, to, from);
            match rng.below(4) {
                0 => threads.push(std::thread::spawn(party)),
                _ => tasks.push(spawn(party).unwrap()),
            }
        }
        let mut kept = Some((a, from_a));
        match rng.below(3) {
            0 => kept = None,
            1 => tasks.iter().take(2).for_each(|task| task.cancel().unwrap()),
            _ => {}
        }
        tasks.into_iter().for_each(|task| task.join().unwrap());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop((kept, b, from_b));
        ledger.balance();
    }
}
