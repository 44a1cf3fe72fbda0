//! Seeded stress of the sync objects: tasks and threads in random mixes, with random deadlines, while the number of
//! processors changes. Prints its seed; `GMP_TEST_SEED` runs one again, `GMP_TEST_ROUNDS` makes it longer.

use gmp_core::base::rng::Rng;
use gmp_core::sync::{cond::Cond, mutex::Mutex, once::Once, rwlock::RwLock, semaphore::Semaphore};
use gmp_core::{global, spawn, time, yield_now, Error, JoinHandle};
use std::cell::UnsafeCell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::*};
use std::sync::Arc;

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn rounds() -> u64 {
    env("GMP_TEST_ROUNDS", 60)
}

fn seed() -> Rng {
    let seed = env("GMP_TEST_SEED", time::now() as u64);
    eprintln!("seed {seed} (run again with GMP_TEST_SEED={seed})");
    Rng::new(seed)
}

/// A plain value that only the object under test protects.
struct Plain<T>(UnsafeCell<T>);

// SAFETY: the object under test lets one party in at a time, or readers only; that it does is what is tested.
unsafe impl<T: Send> Sync for Plain<T> {}

impl<T> Plain<T> {
    fn new(value: T) -> Plain<T> {
        Plain(UnsafeCell::new(value))
    }

    #[allow(clippy::mut_from_ref)]
    fn get(&self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.get() }
    }
}

enum Party {
    Task(JoinHandle<()>),
    Thread(std::thread::JoinHandle<()>),
}

/// Runs `body` in `n` parties, each a task or a thread, while the number of processors changes.
fn together(rng: &mut Rng, n: usize, body: impl Fn(usize, Rng) + Send + Sync + 'static) {
    let body = Arc::new(body);
    let parties: Vec<Party> = (0..n)
        .map(|k| {
            let (body, seed) = (body.clone(), rng.bits());
            match rng.below(4) {
                0 => Party::Thread(std::thread::spawn(move || body(k, Rng::new(seed)))),
                _ => Party::Task(spawn(move || body(k, Rng::new(seed))).unwrap()),
            }
        })
        .collect();
    for _ in 0..rng.below(3) {
        global::max_procs(1 + rng.below(4) as i32).unwrap();
    }
    for party in parties {
        match party {
            Party::Task(t) => t.join().unwrap(),
            Party::Thread(t) => t.join().unwrap(),
        }
    }
}

/// For ever, or not for long, or not at all.
fn deadline(rng: &mut Rng) -> i64 {
    match rng.below(8) {
        0 => time::NOWAIT,
        1 => 1,
        2..=4 => time::after(rng.below(60_000) as i64),
        _ => time::FOREVER,
    }
}

/// True when it was had; else the answer fits the deadline.
fn had(result: Result<(), Error>, deadline: i64) -> bool {
    match result {
        Ok(()) => true,
        Err(Error::Again) => {
            assert_eq!(deadline, time::NOWAIT);
            false
        }
        Err(Error::TimedOut) => {
            assert!(deadline != time::FOREVER && deadline <= time::now());
            false
        }
        Err(e) => panic!("{e}"),
    }
}

/// What somebody does while they have it.
fn dawdle(rng: &mut Rng) {
    match rng.below(16) {
        0 | 1 => yield_now(),
        2 => time::sleep(rng.below(20_000) as i64).unwrap(),
        3 => (0..rng.below(2_000)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

#[test]
fn mutex_lets_one_in_at_a_time() {
    let mut rng = seed();
    for _ in 0..rounds() {
        let (mutex, sum, wanted) = (Mutex::default(), Plain::new(0u64), AtomicU64::new(0));
        let all = Arc::new((mutex, sum, wanted));
        let shared = all.clone();
        together(&mut rng, 6, move |_, mut rng| {
            let (mutex, sum, wanted) = &*shared;
            for _ in 0..200 {
                let until = deadline(&mut rng);
                if !had(mutex.lock(until), until) {
                    continue;
                }
                let before = *sum.get();
                dawdle(&mut rng);
                *sum.get() = before + 1;
                wanted.fetch_add(1, Relaxed);
                mutex.unlock().unwrap();
            }
        });
        let (mutex, sum, wanted) = &*all;
        assert_eq!(*sum.get(), wanted.load(Relaxed));
        assert_eq!(mutex.unlock(), Err(Error::Misuse));
        assert!(mutex.try_lock());
    }
}

#[test]
fn rwlock_keeps_writers_alone_and_loses_nobody() {
    let mut rng = seed();
    for _ in 0..rounds() {
        let all = Arc::new((RwLock::default(), Plain::new([0u64; 2]), AtomicI64::new(0)));
        let shared = all.clone();
        together(&mut rng, 6, move |_, mut rng| {
            let (lock, pair, readers) = &*shared;
            for _ in 0..150 {
                let until = deadline(&mut rng);
                if rng.below(3) == 0 {
                    if had(lock.write(until), until) {
                        assert_eq!(readers.load(Relaxed), 0);
                        pair.get()[0] += 1;
                        dawdle(&mut rng);
                        pair.get()[1] += 1;
                        lock.write_unlock().unwrap();
                    }
                } else if had(lock.read(until), until) {
                    readers.fetch_add(1, Relaxed);
                    let before = pair.get()[0];
                    dawdle(&mut rng);
                    assert_eq!(*pair.get(), [before; 2]);
                    readers.fetch_sub(1, Relaxed);
                    lock.read_unlock().unwrap();
                }
            }
        });
        let lock = &all.0;
        assert_eq!(lock.read_unlock(), Err(Error::Misuse));
        assert_eq!(lock.write_unlock(), Err(Error::Misuse));
        assert!(lock.try_write());
    }
}

/// A bounded queue: a mutex, and a condition each for "not empty" and "not full".
#[derive(Default)]
struct Bounded {
    mutex: Mutex,
    filled: Cond,
    emptied: Cond,
}

#[test]
fn condition_loses_no_wake() {
    const EACH: u64 = 300;
    let mut rng = seed();
    for _ in 0..rounds() {
        let all = Arc::new((Bounded::default(), Plain::new((0u64, 0u64)), AtomicU64::new(0)));
        let shared = all.clone();
        together(&mut rng, 6, move |k, mut rng| {
            let (queue, in_and_out, taken) = (&shared.0, &shared.1, &shared.2);
            for _ in 0..EACH {
                queue.mutex.lock(time::FOREVER).unwrap();
                let puts = k % 2 == 0;
                let (wait, wake) = if puts { (&queue.emptied, &queue.filled) } else { (&queue.filled, &queue.emptied) };
                while in_and_out.get().0 == if puts { 3 } else { 0 } {
                    // A wait without deadline is only safe if no wake is lost.
                    let until = deadline(&mut rng);
                    had(wait.wait(&queue.mutex, until), until);
                    if until == time::NOWAIT || until == 1 {
                        queue.mutex.unlock().unwrap();
                        yield_now();
                        queue.mutex.lock(time::FOREVER).unwrap();
                    }
                }
                in_and_out.get().0 = if puts { in_and_out.get().0 + 1 } else { in_and_out.get().0 - 1 };
                in_and_out.get().1 += 1;
                if rng.below(2) == 0 {
                    wake.signal();
                    queue.mutex.unlock().unwrap();
                } else {
                    queue.mutex.unlock().unwrap();
                    if rng.below(4) == 0 {
                        wake.broadcast();
                    } else {
                        wake.signal();
                    }
                }
                if !puts {
                    taken.fetch_add(1, Relaxed);
                }
            }
        });
        assert_eq!(*all.1.get(), (0, 6 * EACH));
        assert_eq!(all.2.load(Relaxed), 3 * EACH);
        assert_eq!(all.0.mutex.unlock(), Err(Error::Misuse));
    }
}

#[test]
fn semaphore_gives_out_what_it_has() {
    const PERMITS: u32 = 5;
    let mut rng = seed();
    for _ in 0..rounds() {
        let all = Arc::new((Semaphore::default(), AtomicI64::new(0)));
        all.0.release(PERMITS).unwrap();
        let shared = all.clone();
        together(&mut rng, 6, move |_, mut rng| {
            let (semaphore, out) = &*shared;
            for _ in 0..200 {
                let (n, until) = (rng.below(PERMITS + 1), deadline(&mut rng));
                if !had(semaphore.acquire(n, until), until) {
                    continue;
                }
                let now_out = out.fetch_add(n as i64, Relaxed) + n as i64;
                assert!(now_out <= PERMITS as i64);
                dawdle(&mut rng);
                out.fetch_sub(n as i64, Relaxed);
                let first = rng.below(n + 1);
                semaphore.release(first).unwrap();
                semaphore.release(n - first).unwrap();
            }
        });
        assert!(all.0.try_acquire(PERMITS) && !all.0.try_acquire(1));
        assert_eq!(all.0.release(u32::MAX), Ok(()));
        assert_eq!(all.0.release(1), Err(Error::Misuse));
    }
}

#[test]
fn once_runs_once_however_it_ends() {
    const ONCES: usize = 100;
    let mut rng = seed();
    for _ in 0..rounds() {
        let all: Arc<Vec<_>> =
            Arc::new((0..ONCES).map(|_| (Once::default(), Plain::new(0u32), rng.below(4))).collect());
        let shared = all.clone();
        together(&mut rng, 5, move |_, mut rng| {
            for (once, ran, how) in shared.iter() {
                let result = catch_unwind(AssertUnwindSafe(|| {
                    once.call(|| {
                        // (A panic in flight must not change its thread: it begins after the wait.)
                        dawdle(&mut rng);
                        *ran.get() += 1;
                        if *how == 0 {
                            resume_unwind(Box::new(()));
                        }
                    })
                }));
                assert!(result.is_err() && *how == 0 || result.is_ok_and(|done| done == Ok(())));
                assert_eq!(*ran.get(), 1);
            }
        });
    }
}

/// What a freed object's memory is filled with.
const POISON: u8 = 0x5a;

#[repr(C)]
struct Counted {
    mutex: Mutex,
    parties: u64,
}

/// Whoever unlocks last frees: later touches by those whose unlock is still returning would show.
#[test]
fn mutex_may_be_freed_by_whoever_unlocks_it_last() {
    const PARTIES: usize = 4;
    const OBJECTS: usize = 200;
    let mut rng = seed();
    for _ in 0..rounds() {
        let fresh = || Counted { mutex: Mutex::default(), parties: PARTIES as u64 };
        let objects: Arc<Vec<Plain<Counted>>> = Arc::new((0..OBJECTS).map(|_| Plain::new(fresh())).collect());
        let shared = objects.clone();
        together(&mut rng, PARTIES, move |_, mut rng| {
            for object in shared.iter() {
                let at = object.0.get();
                // SAFETY: an object is written over only by the last of its parties.
                let last = unsafe {
                    (*at).mutex.lock(time::FOREVER).unwrap();
                    if rng.below(8) == 0 {
                        yield_now();
                    }
                    (*at).parties -= 1;
                    let last = (*at).parties == 0;
                    (*at).mutex.unlock().unwrap();
                    last
                };
                if last {
                    // SAFETY: as above; nobody reads it as an object any more.
                    unsafe { at.cast::<u8>().write_bytes(POISON, size_of::<Counted>()) };
                }
            }
        });
        for object in objects.iter() {
            // SAFETY: plain bytes.
            let bytes = unsafe { std::slice::from_raw_parts(object.0.get().cast::<u8>(), size_of::<Counted>()) };
            assert!(bytes.iter().all(|&byte| byte == POISON), "touched after it was free: {bytes:x?}");
        }
        // (Its fields need no drop.)
    }
}
