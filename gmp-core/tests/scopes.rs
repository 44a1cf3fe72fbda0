//! Contexts, groups, timers and cancellation from Rust: what ends, what is told, and that each closure is called or dropped once.

mod ledger;

use gmp_core::base::rng::Rng;
use gmp_core::{call_after, channel, checkpoint, group, shield, spawn, spawn_in, time, within, yield_now};
use gmp_core::{Context, Error, Select, Ticker, Timer};
use ledger::{rounds, seeded, until, Ledger, SOON};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const MICRO: Duration = Duration::from_micros(1);

#[test]
fn a_context_ends_those_below_it_and_none_above() {
    let top = Context::new(None).unwrap();
    let (left, right) = (Context::new(Some(&top)).unwrap(), Context::with_timeout(Some(&top), HOUR).unwrap());
    let apart = left.without_cancel().unwrap();
    let below = Context::new(Some(&left)).unwrap();
    left.clone().cancel_cause(Error::Code(-5000)).unwrap();
    assert_eq!((below.error(), below.cause()), (Some(Error::Canceled), Some(Error::Code(-5000))));
    assert_eq!((top.error(), top.cause(), right.error(), apart.error()), (None, None, None, None));
    assert_eq!((top.deadline(), right.deadline() < time::FOREVER), (time::FOREVER, true));
    assert_eq!(top.cancel_cause(Error::Code(5)), Err(Error::Invalid));
    top.cancel().unwrap();
    top.cancel().unwrap();
    assert_eq!((right.error(), right.cause(), apart.error()), (Some(Error::Canceled), Some(Error::Canceled), None));
    assert!(Context::current().unwrap().is_none());
}

#[test]
fn a_deadline_ends_a_context_its_tasks_and_its_receivers() {
    let context = Context::with_timeout(None, 50 * MICRO).unwrap();
    let done = context.done().unwrap();
    let (_to, from) = channel::<u32>(0).unwrap();
    let task = spawn_in(&context, move || (from.recv(), Context::current().unwrap().unwrap().error())).unwrap();
    drop(context);
    assert_eq!(task.join().unwrap(), (Err(Error::Canceled), Some(Error::TimedOut)));
    assert_eq!((done.recv(), done.try_recv(), done.clone().len()), (Err(Error::Closed), Err(Error::Closed), 0));
    drop(done);
}

#[test]
fn tasks_inherit_the_context_they_were_started_in() {
    let context = Context::new(None).unwrap();
    let (at, waits) = channel(0).unwrap();
    let task = spawn_in(&context, move || {
        let child = spawn(move || {
            at.send(()).unwrap();
            time::sleep(i64::MAX)
        });
        shield(|| child.unwrap().join())
    })
    .unwrap();
    waits.recv().unwrap();
    context.cancel().unwrap();
    assert_eq!(task.join().unwrap(), Ok(Err(Error::Canceled)));
}

#[test]
fn a_cancelled_task_hears_of_it_where_it_is_not_shielded() {
    let (at, waits) = channel(0).unwrap();
    let (go_on, may) = channel(0).unwrap();
    let task = spawn(move || {
        at.send(()).unwrap();
        let inside = shield(|| (may.recv(), checkpoint(), shield(|| may.recv()), checkpoint()));
        (inside, checkpoint(), may.recv())
    })
    .unwrap();
    waits.recv().unwrap();
    task.cancel().unwrap();
    task.cancel().unwrap();
    go_on.send(1).unwrap();
    go_on.send(2).unwrap();
    let inside = (Ok(1), Ok(()), Ok(2), Ok(()));
    assert_eq!(task.join().unwrap(), (inside, Err(Error::Canceled), Err(Error::Canceled)));
    assert_eq!((checkpoint(), shield(checkpoint)), (Ok(()), Ok(())));
}

#[test]
fn a_panic_ends_a_shield() {
    let task = spawn(|| {
        let caught = catch_unwind(|| shield(|| resume_unwind(Box::new(1))));
        until("cancelled", || checkpoint().is_err());
        caught.is_err()
    })
    .unwrap();
    task.cancel().unwrap();
    assert!(task.join().unwrap());
}

#[test]
fn a_closure_after_a_context_is_called_or_dropped_once() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        let (ledger, called) = (Ledger::new(8), Arc::new(AtomicU32::new(0)));
        let context = Context::new(None).unwrap();
        let mut hooks: Vec<_> = (0..4)
            .map(|_| {
                let (value, called) = (ledger.make(), called.clone());
                context.after(move || {
                    let _value = value;
                    called.fetch_add(1, Relaxed);
                })
            })
            .collect::<Result<_, _>>()
            .unwrap();
        let other = context.clone();
        let canceller = spawn(move || other.cancel()).unwrap();
        (0..rng.below(3)).for_each(|_| yield_now());
        let stopped = u32::from(hooks.pop().unwrap().stop()) + u32::from(hooks.pop().unwrap().stop());
        canceller.join().unwrap().unwrap();
        until("the closures are gone", || {
            let last = hooks.len() as u32;
            called.load(Relaxed) + stopped == 2 + last
        });
        drop(hooks);
        until("and their values", || ledger.left() == 0);
        ledger.balance();

        let late = ledger.make();
        let after = context.after(move || drop(late)).unwrap();
        until("called at once", || ledger.left() == 0);
        assert!(!after.stop());
    }
}

#[test]
fn a_timer_fires_once_for_each_setting_that_is_not_stopped() {
    let timer = Timer::after(MICRO).unwrap();
    let due = timer.receiver().recv().unwrap();
    assert!(due <= time::now() && !timer.stop());
    assert_eq!(timer.receiver().try_recv(), Err(Error::Again));
    assert_eq!(timer.reset(HOUR), Ok(false));
    assert_eq!(timer.reset(Duration::MAX), Ok(true));
    assert!(timer.stop() && !timer.stop());
    timer.reset(Duration::ZERO).unwrap();
    let other = timer.receiver().clone();
    assert!(spawn(move || other.recv()).unwrap().join().unwrap().is_ok());
    assert_eq!((timer.receiver().len(), timer.receiver().capacity()), (0, 0));
    // A receiver that is dropped neither closes the channel nor takes its value.
    timer.reset(Duration::ZERO).unwrap();
    drop(timer.receiver().clone());
    assert!(timer.receiver().recv_until(time::after(SOON)).is_ok());
}

#[test]
fn a_ticker_ticks_until_it_is_stopped() {
    let ticker = Ticker::every(100 * MICRO).unwrap();
    let ticks: Vec<i64> = ticker.receiver().iter().take(3).collect();
    assert!(ticks.windows(2).all(|w| w[1] > w[0] && (w[1] - w[0]) % 100_000 == 0), "{ticks:?}");
    assert!(ticker.stop() && !ticker.stop());
    assert_eq!(ticker.receiver().try_recv(), Err(Error::Again));
    assert_eq!(ticker.reset(Duration::ZERO), Err(Error::Invalid));
    assert_eq!(Ticker::every(Duration::ZERO).err(), Some(Error::Invalid));
    assert_eq!(ticker.reset(MICRO), Ok(false));
    ticker.receiver().recv().unwrap();
}

#[test]
fn a_select_of_a_timer_a_context_and_a_channel_takes_what_comes() {
    let (context, timer) = (Context::new(None).unwrap(), Timer::after(HOUR).unwrap());
    let (to, from) = channel(1).unwrap();
    let done = context.done().unwrap();
    let one = || {
        let (mut due, mut ended, mut value) = (None, None, None);
        let select = Select::new().recv(timer.receiver(), &mut due).recv(&done, &mut ended).recv(&from, &mut value);
        select.wait_until(within(Duration::from_micros(20))).map(|case| (case, due.is_some(), ended, value))
    };
    assert_eq!(one(), Err(Error::TimedOut));
    to.send(7).unwrap();
    assert_eq!(one(), Ok((2, false, None, Some(7))));
    context.cancel().unwrap();
    assert_eq!(one(), Ok((1, false, None, None)));
}

#[test]
fn a_closure_of_a_timer_is_called_or_dropped_once() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        let (ledger, called) = (Ledger::new(32), Arc::new(AtomicU32::new(0)));
        let mut stopped = 0;
        let mut calls = Vec::new();
        for _ in 0..16 {
            let (value, called) = (ledger.make(), called.clone());
            let span = if rng.below(4) == 0 { HOUR } else { Duration::from_nanos(rng.below(20_000) as u64) };
            let call = call_after(span, move || {
                let _value = value;
                called.fetch_add(1, Relaxed);
            });
            calls.push(call.unwrap());
        }
        while let Some(mut call) = calls.pop() {
            if rng.below(3) == 0 {
                yield_now();
            }
            if rng.below(3) == 0 {
                call.reset(Duration::from_nanos(rng.below(5_000) as u64)).unwrap();
            }
            stopped += u32::from(call.stop());
        }
        until("each is called or stopped", || called.load(Relaxed) + stopped == 16);
        until("and dropped", || ledger.left() == 0);
        ledger.balance();
    }
}

#[test]
fn a_closure_that_panics_is_nobody_elses_matter() {
    let (said, heard) = channel::<()>(0).unwrap();
    let call = call_after(MICRO, move || {
        let _said = said;
        resume_unwind(Box::new(1));
    });
    assert_eq!(heard.recv(), Err(Error::Closed));
    assert!(!call.unwrap().stop());
}

#[test]
fn tasks_of_a_group_borrow_and_are_waited_for() {
    let mut sums = [0u64; 8];
    let added = group(|g| {
        for (n, sum) in sums.iter_mut().enumerate() {
            g.spawn(move || {
                yield_now();
                *sum = n as u64;
                Ok(())
            })?;
        }
        Ok("all started")
    });
    assert_eq!((added, sums.iter().sum()), (Ok("all started"), 28u64));
    let from_task = spawn(|| {
        let (mut a, mut b) = (None, None);
        let both = group(|g| {
            g.spawn(|| {
                a = Some(2);
                Ok(())
            })?;
            g.spawn(|| {
                b = Some(3);
                Ok(())
            })
        });
        both.map(|()| a.zip(b).map_or(0, |(a, b)| a + b))
    });
    assert_eq!(from_task.unwrap().join().unwrap(), Ok(5));
}

#[test]
fn the_first_failure_cancels_the_others_and_is_the_answer() {
    let (_to, from) = channel::<u32>(0).unwrap();
    let ended = AtomicU32::new(0);
    let waits = || {
        let got = from.recv();
        ended.fetch_add(1, Relaxed);
        got.map(drop)
    };
    let failed = group(|g| {
        for _ in 0..3 {
            g.spawn(waits)?;
        }
        g.spawn(|| Err(Error::Code(-5000)))
    });
    assert_eq!((failed, ended.swap(0, Relaxed)), (Err(Error::Code(-5000)), 3));

    // Of the closure itself, the same.
    let failed: Result<(), _> = group(|g| {
        g.spawn(waits)?;
        Err(Error::Code(-5001))
    });
    assert_eq!((failed, ended.swap(0, Relaxed)), (Err(Error::Code(-5001)), 1));

    // A closure that fails after a task has failed does not hide why.
    let failed = group(|g| {
        g.spawn(|| Err(Error::Code(-5002)))?;
        g.context().done()?.recv()
    });
    assert_eq!(failed, Err(Error::Code(-5002)));
}

#[test]
fn a_panic_goes_on_when_all_have_ended() {
    let ended = AtomicBool::new(false);
    let run = |task_panics: bool| {
        let (_to, from) = channel::<u32>(0).unwrap();
        catch_unwind(AssertUnwindSafe(|| {
            group(|g| -> Result<(), Error> {
                let (from, ended) = (&from, &ended);
                g.spawn(move || {
                    let got = from.recv();
                    yield_now();
                    ended.store(true, Relaxed);
                    got.map(drop)
                })?;
                match task_panics {
                    true => g.spawn(|| resume_unwind(Box::new(7u8))),
                    false => resume_unwind(Box::new(7u8)),
                }
            })
        }))
    };
    for task_panics in [false, true] {
        assert_eq!(run(task_panics).unwrap_err().downcast_ref(), Some(&7u8));
        assert!(ended.swap(false, Relaxed));
    }
}

#[test]
fn a_cancelled_caller_cancels_its_group_and_waits_for_it() {
    let ledger = Ledger::new(8);
    let (at, waits) = channel(0).unwrap();
    let values: Vec<_> = (0..3).map(|_| ledger.make()).collect();
    let task = spawn(move || {
        let ended = AtomicU32::new(0);
        let waited = group(|g| {
            for value in values {
                let (at, ended) = (at.clone(), &ended);
                g.spawn(move || {
                    let _value = value;
                    at.send(())?;
                    let slept = time::sleep(i64::MAX);
                    ended.fetch_add(1, Relaxed);
                    slept
                })?;
            }
            Ok(())
        });
        (waited, ended.into_inner())
    })
    .unwrap();
    (0..3).for_each(|_| waits.recv().unwrap());
    task.cancel().unwrap();
    assert_eq!(task.join().unwrap(), (Err(Error::Canceled), 3));
    ledger.balance();
}

/// Groups in groups, some of which fail: how many tasks have ended in it.
fn tree(seed: u64, depth: u32, ended: &AtomicU32) -> Result<(), Error> {
    let mut rng = Rng::new(seed);
    if depth == 0 {
        ended.fetch_add(1, Relaxed);
        return if rng.below(20) == 0 { Err(Error::Code(-5000)) } else { Ok(()) };
    }
    let started = AtomicU32::new(0);
    let own = AtomicU32::new(0);
    let result = group(|g| {
        for _ in 0..1 + rng.below(4) {
            let (seed, own, started) = (rng.bits(), &own, &started);
            g.spawn(move || {
                started.fetch_add(1, Relaxed);
                yield_now();
                let result = tree(seed, depth - 1, own);
                started.fetch_sub(1, Relaxed);
                result
            })?;
        }
        checkpoint()
    });
    assert_eq!(started.into_inner(), 0, "a task has outlived its group");
    ended.fetch_add(own.into_inner(), Relaxed);
    result
}

#[test]
fn no_task_outlives_its_group() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        let ended = AtomicU32::new(0);
        let result = tree(rng.bits(), 4, &ended);
        assert!(matches!(result, Ok(()) | Err(Error::Code(-5000) | Error::Canceled)), "{result:?}");
        assert!(result.is_err() || ended.into_inner() > 0);
    }
}
