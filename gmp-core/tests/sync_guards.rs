//! Guards: what they let through, what they give back and when; in tasks and threads, through panics and cancellations.

mod ledger;

use gmp_core::base::rng::Rng;
use gmp_core::{channel, global, shield, spawn, time, yield_now, Error, JoinHandle};
use gmp_core::{
    Condvar, Mutex, MutexGuard, Once, OnceCell, Permit, ReadGuard, RwLock, Semaphore, WaitGroup, WriteGuard,
};
use ledger::{rounds, seeded, Ledger};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::*};
use std::sync::Arc;

/// Runs `f(n, seed)` in some tasks and a thread at once.
fn everywhere(rng: &mut Rng, tasks: u32, f: impl Fn(u32, u64) + Send + Sync + 'static) {
    let f = Arc::new(f);
    let mut party = |n| {
        let (f, seed) = (f.clone(), rng.bits());
        move || f(n, seed)
    };
    let tasks: Vec<_> = (0..tasks).map(|n| spawn(party(n)).unwrap()).collect();
    let thread = std::thread::spawn(party(tasks.len() as u32));
    tasks.into_iter().for_each(|task| task.join().unwrap());
    thread.join().unwrap();
}

/// How many of them ended by a panic.
fn panicked(tasks: Vec<JoinHandle<()>>) -> usize {
    tasks.into_iter().map(|task| catch_unwind(AssertUnwindSafe(|| task.join()))).filter(Result::is_err).count()
}

#[test]
fn objects_and_guards_go_where_their_values_may() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<MutexGuard<'_, u8>>();
    sync::<MutexGuard<'_, u8>>();
    send::<MutexGuard<'_, std::cell::Cell<u8>>>();
    sync::<Mutex<std::cell::Cell<u8>>>();
    send::<RwLock<std::cell::Cell<u8>>>();
    sync::<RwLock<u8>>();
    send::<ReadGuard<'_, u8>>();
    send::<WriteGuard<'_, u8>>();
    sync::<OnceCell<String>>();
    send::<Permit<'_>>();
    send::<WaitGroup>();
    send::<gmp_core::Sender<std::cell::Cell<u8>>>();
    sync::<gmp_core::Receiver<std::cell::Cell<u8>>>();
    send::<gmp_core::Context>();
    send::<gmp_core::After>();
    sync::<gmp_core::Timer>();
    send::<gmp_core::Call>();
    sync::<gmp_core::Group<'_, '_>>();
}

#[test]
fn one_at_a_time_has_the_value() {
    let mut rng = seeded();
    let sum = Arc::new(Mutex::new(0u64));
    let counted = sum.clone();
    everywhere(&mut rng, 6, move |_, seed| {
        let mut rng = Rng::new(seed);
        for _ in 0..2_000 {
            let mut sum = match rng.below(3) {
                0 => match counted.try_lock() {
                    Some(guard) => guard,
                    None => continue,
                },
                1 => match counted.lock_until(time::after(rng.below(3_000) as i64)) {
                    Ok(guard) => guard,
                    Err(e) => {
                        assert_eq!(e, Error::TimedOut);
                        continue;
                    }
                },
                _ => counted.lock().unwrap(),
            };
            let before = *sum;
            if rng.below(50) == 0 {
                yield_now();
            }
            *sum = before + 1;
            assert_eq!(*sum, before + 1);
        }
    });
    let sum = Arc::try_unwrap(sum).unwrap().into_inner();
    assert!((2_000..=14_000).contains(&sum), "{sum}");
}

#[test]
fn a_failed_try_unlocks_nothing() {
    let (m, l, s) = (Mutex::new(1), RwLock::new(1), Semaphore::new(1));
    let (held, written, taken) = (m.lock().unwrap(), l.write().unwrap(), s.acquire(1).unwrap());
    for _ in 0..2 {
        assert!(
            m.try_lock().is_none() && l.try_read().is_none() && l.try_write().is_none() && s.try_acquire(1).is_none()
        );
    }
    drop((held, written, taken));
    assert!(m.try_lock().is_some() && l.try_write().is_some() && l.try_read().is_some() && s.try_acquire(1).is_some());
    let reading = l.read().unwrap();
    assert!(l.try_write().is_none() && l.try_read().is_some());
    drop(reading);
    assert_eq!(format!("{m:?} {l:?}"), "Mutex { value: 1 } RwLock { value: 1 }");
}

#[test]
fn a_guard_may_be_given_to_another_task() {
    static VALUE: Mutex<u32> = Mutex::new(1);
    let mut guard = VALUE.lock().unwrap();
    let (waits, done) = channel(0).unwrap();
    let waiter = spawn(move || {
        let seen = *VALUE.lock().unwrap();
        waits.send(seen)
    })
    .unwrap();
    spawn(move || {
        *guard = 2;
        yield_now();
        drop(guard);
    })
    .unwrap()
    .join()
    .unwrap();
    assert_eq!(done.recv(), Ok(2));
    assert!(waiter.join().unwrap().is_ok());
}

#[test]
fn panics_give_everything_back_and_poison_nothing() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        let all = Arc::new((Mutex::new(0), RwLock::new(0), Semaphore::new(2), WaitGroup::new()));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (all, seed, working) = (all.clone(), rng.bits(), all.3.working().unwrap());
                spawn(move || {
                    let (mut rng, _working) = (Rng::new(seed), working);
                    for _ in 0..20 {
                        let caught = catch_unwind(AssertUnwindSafe(|| {
                            let _permit = all.2.acquire(1).unwrap();
                            let read = (rng.below(2) == 0).then(|| all.1.read().unwrap());
                            let mut write = read.is_none().then(|| all.1.write().unwrap());
                            let mut sum = all.0.lock().unwrap();
                            *sum += 1;
                            write.iter_mut().for_each(|n| **n += 1);
                            yield_now();
                            resume_unwind(Box::new(()));
                        }));
                        assert!(caught.is_err() && !std::thread::panicking());
                    }
                    resume_unwind(Box::new(()));
                })
                .unwrap()
            })
            .collect();
        all.3.wait().unwrap();
        assert_eq!(panicked(tasks), 8);
        assert_eq!(*all.0.try_lock().unwrap(), 160);
        assert!(all.1.try_write().is_some() && all.2.try_acquire(2).is_some());
    }
}

#[test]
fn readers_share_and_writers_are_alone() {
    let mut rng = seeded();
    let shared = Arc::new((RwLock::new([0u64; 4]), AtomicI64::new(0)));
    let used = shared.clone();
    everywhere(&mut rng, 6, move |_, seed| {
        let mut rng = Rng::new(seed);
        let (lock, inside) = &*used;
        for _ in 0..1_000 {
            if rng.below(4) == 0 {
                let mut all = lock.write().unwrap();
                assert_eq!(inside.swap(-1, AcqRel), 0);
                all.iter_mut().for_each(|n| *n += 1);
                if rng.below(20) == 0 {
                    yield_now();
                }
                inside.store(0, Release);
            } else {
                let all = match rng.below(2) {
                    0 => lock.read_until(time::after(1_000_000_000_000)).unwrap(),
                    _ => lock.read().unwrap(),
                };
                assert!(inside.fetch_add(1, AcqRel) >= 0);
                assert!(all.iter().all(|n| *n == all[0]));
                inside.fetch_sub(1, AcqRel);
            }
        }
    });
    assert_eq!(shared.1.load(Relaxed), 0);
    let mut lock = Arc::try_unwrap(shared).unwrap().0;
    assert!(lock.get_mut()[3] > 0);
}

#[test]
fn a_cancelled_wait_has_no_guard_and_a_shielded_one_waits_on() {
    type Four = (Mutex<i32>, RwLock<i32>, Semaphore, WaitGroup);
    let m: Arc<Four> = Arc::new((Mutex::new(0), RwLock::new(0), Semaphore::new(0), WaitGroup::new()));
    let working = m.3.working().unwrap();
    let (held, read) = (m.0.lock().unwrap(), m.1.read().unwrap());
    let run = |f: fn(&Four) -> Option<Error>| {
        let m = m.clone();
        let task = spawn(move || f(&m)).unwrap();
        task.cancel().unwrap();
        assert_eq!(task.join().unwrap(), Some(Error::Canceled));
    };
    run(|m| m.0.lock().err());
    run(|m| m.1.write().err());
    run(|m| m.2.acquire(1).err());
    run(|m| m.3.wait().err());
    assert!(m.1.try_read().is_some());

    let (at, ready) = channel(0).unwrap();
    let other = m.clone();
    let task = spawn(move || {
        shield(|| {
            at.send(())?;
            *other.0.lock()? += 1;
            Ok::<(), Error>(())
        })
    })
    .unwrap();
    ready.recv().unwrap();
    task.cancel().unwrap();
    drop((held, read, working));
    assert_eq!(task.join().unwrap(), Ok(()));
    assert_eq!(*m.0.lock().unwrap(), 1);
}

#[test]
fn a_queue_under_a_condition_loses_nothing() {
    const EACH: u32 = 500;
    struct Queue {
        values: Mutex<(Vec<u32>, u32)>,
        changed: Condvar,
    }
    let mut rng = seeded();
    let queue = Arc::new(Queue { values: Mutex::new((Vec::new(), 3)), changed: Condvar::new() });
    let taken = Arc::new(AtomicU32::new(0));
    let (used, count) = (queue.clone(), taken.clone());
    everywhere(&mut rng, 5, move |n, seed| {
        let mut rng = Rng::new(seed);
        if n < 3 {
            for _ in 0..EACH {
                used.values.lock().unwrap().0.push(1);
                used.changed.notify_one();
            }
            used.values.lock().unwrap().1 -= 1;
            used.changed.notify_all();
            return;
        }
        let mut guard = used.values.lock().unwrap();
        loop {
            if rng.below(3) == 0 {
                let waited = used.changed.wait_until(&mut guard, time::after(rng.below(10_000) as i64));
                assert!(matches!(waited, Ok(()) | Err(Error::TimedOut)));
            } else {
                used.changed.wait_while(&mut guard, |(values, left)| values.is_empty() && *left > 0).unwrap();
            }
            match guard.0.pop() {
                Some(n) => _ = count.fetch_add(n, Relaxed),
                None if guard.1 == 0 => return,
                None => {}
            }
        }
    });
    assert_eq!(taken.load(Relaxed), 3 * EACH);
}

#[test]
fn a_cancelled_condition_wait_has_the_mutex_again() {
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    let other = shared.clone();
    let (at, waits) = channel(0).unwrap();
    let task = spawn(move || {
        let mut guard = other.0.lock().unwrap();
        at.send(()).unwrap();
        let waited = other.1.wait_while(&mut guard, |n| *n == 0);
        *guard += 10;
        waited
    })
    .unwrap();
    waits.recv().unwrap();
    drop(shared.0.lock().unwrap());
    task.cancel().unwrap();
    assert_eq!(task.join().unwrap(), Err(Error::Canceled));
    assert_eq!(*shared.0.lock().unwrap(), 10);
}

#[test]
fn a_cell_is_made_once_and_dropped_once() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        let ledger = Ledger::new(8);
        let cell = Arc::new(OnceCell::new());
        let (made, used) = (ledger.clone(), cell.clone());
        everywhere(&mut rng, 4, move |_, _| {
            let value = used.get_or_init(|| {
                yield_now();
                made.make()
            });
            assert!(std::ptr::eq(value.unwrap(), used.get().unwrap()));
        });
        assert_eq!((ledger.made(), ledger.left()), (1, 1));
        drop(cell);
        ledger.balance();
    }
}

#[test]
fn a_panic_of_the_one_run_is_told_to_the_others() {
    let cell = OnceCell::<u32>::new();
    let caught = catch_unwind(AssertUnwindSafe(|| cell.get_or_init(|| resume_unwind(Box::new(1)))));
    assert!(caught.is_err());
    assert_eq!((cell.get_or_init(|| 2), cell.get()), (Err(Error::Panicked), None));
    assert_eq!(cell.into_inner(), None);

    let (once, runs) = (Once::new(), AtomicU32::new(0));
    let inner = once.call(|| {
        runs.fetch_add(1, Relaxed);
        assert_eq!(once.call(|| unreachable!()), Err(Error::Deadlock));
    });
    assert_eq!((inner, once.is_done(), runs.load(Relaxed)), (Ok(()), true, 1));
}

#[test]
fn permits_bound_who_is_in_and_come_back() {
    let mut rng = seeded();
    let shared = Arc::new((Semaphore::new(3), AtomicI64::new(3)));
    let used = shared.clone();
    everywhere(&mut rng, 6, move |_, seed| {
        let mut rng = Rng::new(seed);
        for _ in 0..500 {
            let n = 1 + rng.below(3);
            let permit = match rng.below(2) {
                0 => used.0.acquire_until(n, time::after(rng.below(30_000) as i64)).ok(),
                _ => used.0.acquire(n).ok(),
            };
            let Some(permit) = permit else { continue };
            assert_eq!(permit.count(), n);
            assert!(used.1.fetch_sub(n as i64, AcqRel) >= n as i64);
            if rng.below(10) == 0 {
                yield_now();
            }
            used.1.fetch_add(n as i64, AcqRel);
        }
    });
    shared.0.try_acquire(3).unwrap().forget();
    assert!(shared.0.try_acquire(1).is_none());
    shared.0.release(u32::MAX).unwrap();
    assert_eq!(shared.0.release(1), Err(Error::Misuse));
}

#[test]
fn a_wait_group_waits_for_all_who_work_then_and_again() {
    let mut rng = seeded();
    for _ in 0..rounds() {
        global::max_procs(1 + rng.below(3) as i32).unwrap();
        let (group, done) = (WaitGroup::new(), Arc::new(AtomicU32::new(0)));
        for round in 1..3 {
            let tasks: Vec<_> = (0..5)
                .map(|_| {
                    let (working, done) = (group.working().unwrap(), done.clone());
                    spawn(move || {
                        yield_now();
                        done.fetch_add(1, Relaxed);
                        drop(working);
                    })
                    .unwrap()
                })
                .collect();
            let other = group.clone();
            let waiter = spawn(move || other.wait()).unwrap();
            group.wait().unwrap();
            assert_eq!(done.load(Relaxed), 5 * round);
            waiter.join().unwrap().unwrap();
            drop(tasks);
        }
    }
}
