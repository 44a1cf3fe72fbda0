//! Seeded stress of timers: set, stopped, received from and freed by tasks and threads at once, while processors come and go
//! and while the runtime ends and starts again. Prints its seed; `GMP_TEST_SEED` runs one again, `GMP_TEST_ROUNDS` makes it
//! longer.

use gmp_core::base::rng::Rng;
use gmp_core::timer::Timer;
use gmp_core::{global, runtime, spawn, time, yield_now, Error};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const HOUR: i64 = 3_600_000_000_000;
const SOON: i64 = 20_000_000_000;

/// The runtime is the process's, and one of the tests ends it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(matches!(global::start(&runtime::Config::default()), Ok(()) | Err(Error::Busy)));
    alone
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn rounds() -> u64 {
    env("GMP_TEST_ROUNDS", 60)
}

fn seed() -> u64 {
    let seed = env("GMP_TEST_SEED", time::now() as u64);
    eprintln!("seed {seed} (run again with GMP_TEST_SEED={seed})");
    seed
}

/// Runs `f(seed)` in `tasks` tasks and `threads` threads, each with a seed of its own, and changes the number of processors
/// meanwhile.
fn everywhere(rng: &mut Rng, tasks: usize, threads: usize, f: impl Fn(u64) + Send + Sync + 'static) {
    let f = Arc::new(f);
    let mut party = || {
        let (f, seed) = (f.clone(), rng.bits());
        move || f(seed)
    };
    let tasks: Vec<_> = (0..tasks).map(|_| spawn(party()).unwrap()).collect();
    let threads: Vec<_> = (0..threads).map(|_| std::thread::spawn(party())).collect();
    for _ in 0..rng.below(4) {
        global::max_procs(1 + rng.below(4) as i32).unwrap();
    }
    threads.into_iter().for_each(|t| t.join().unwrap());
    tasks.into_iter().for_each(|t| t.join().unwrap());
    global::max_procs(2).unwrap();
}

unsafe extern "C-unwind" fn count(counter: *mut c_void) -> *mut c_void {
    // SAFETY: the counter of a running test.
    unsafe { (*(counter as *const AtomicI64)).fetch_add(1, Relaxed) };
    counter
}

fn counting(counter: &'static AtomicI64) -> Timer {
    // SAFETY: static.
    unsafe { Timer::func(count, counter as *const AtomicI64 as *mut c_void, 0) }.unwrap()
}

fn reset(timer: &Timer, ns: i64) -> bool {
    global::with(|i, s| timer.reset(i, s, ns)).unwrap()
}

fn receive(timer: &Timer, deadline: i64) -> Result<i64, Error> {
    let mut value = 0i64;
    // SAFETY: an element is an i64.
    unsafe { timer.chan().unwrap().recv((&raw mut value).cast(), deadline) }.map(|()| value)
}

fn pending() -> i64 {
    global::stats().timers_pending
}

/// Mostly soon, so that it fires at the moment of the next change; else never.
fn some_time(rng: &mut Rng) -> i64 {
    match rng.below(8) {
        0 => HOUR,
        1 => i64::MAX,
        2 => -(rng.below(3) as i64),
        _ => rng.below(20_000) as i64,
    }
}

#[test]
fn every_setting_is_prevented_or_fires_and_not_both() {
    const TIMERS: u32 = 24;
    static FIRED: AtomicI64 = AtomicI64::new(0);
    static SET: AtomicI64 = AtomicI64::new(0);
    static PREVENTED: AtomicI64 = AtomicI64::new(0);
    static RECEIVED: AtomicI64 = AtomicI64::new(0);
    let _alone = alone();
    let mut rng = Rng::new(seed());
    for round in 0..rounds() {
        let timers: Arc<Vec<Timer>> = Arc::new(
            (0..TIMERS).map(|n| if n % 2 == 0 { counting(&FIRED) } else { Timer::channel().unwrap() }).collect(),
        );
        let changed = timers.clone();
        everywhere(&mut rng, 3, 2, move |seed| {
            let mut rng = Rng::new(seed);
            for _ in 0..600 {
                let timer = &changed[rng.below(TIMERS) as usize];
                let prevented = match rng.below(6) {
                    0 => timer.stop(),
                    1..3 if timer.chan().is_some() => {
                        let patience =
                            if rng.below(2) == 0 { time::NOWAIT } else { time::after(rng.below(5_000) as i64) };
                        if receive(timer, patience).is_ok() {
                            RECEIVED.fetch_add(1, Relaxed);
                        }
                        false
                    }
                    1 => {
                        yield_now();
                        false
                    }
                    _ => {
                        SET.fetch_add(1, Relaxed);
                        reset(timer, some_time(&mut rng))
                    }
                };
                PREVENTED.fetch_add(i64::from(prevented), Relaxed);
            }
        });
        for timer in timers.iter() {
            PREVENTED.fetch_add(i64::from(timer.stop()), Relaxed);
            assert!(!timer.stop());
        }
        drop(timers);
        global::wait_idle(time::after(SOON)).unwrap();
        let outcomes = FIRED.load(Relaxed) + PREVENTED.load(Relaxed) + RECEIVED.load(Relaxed);
        assert_eq!(outcomes, SET.load(Relaxed), "round {round}");
        assert_eq!(pending(), 0, "round {round}");
    }
    assert!(FIRED.load(Relaxed) > 0 && RECEIVED.load(Relaxed) > 0);
}

#[test]
fn tickers_keep_step_while_processors_come_and_go() {
    let _alone = alone();
    let mut rng = Rng::new(seed());
    for _ in 0..rounds() / 4 + 1 {
        everywhere(&mut rng, 4, 2, |seed| {
            let mut rng = Rng::new(seed);
            let ticker = Timer::ticker().unwrap();
            for setting in 0..3 {
                let period = 1 + rng.below(300_000) as i64;
                let from = time::after(period);
                assert_eq!(reset(&ticker, period), setting > 0);
                let to = time::after(period);
                let first = receive(&ticker, time::after(SOON)).unwrap();
                assert!((from..=to).contains(&first), "a tick of the setting before");
                let mut last = first;
                for _ in 0..1 + rng.below(10) {
                    let tick = receive(&ticker, time::after(SOON)).unwrap();
                    assert!(tick > last && (tick - first) % period == 0 && tick <= time::now());
                    last = tick;
                    if rng.below(4) == 0 {
                        time::sleep(rng.below(200_000) as i64).unwrap();
                    }
                }
            }
            assert!(ticker.stop());
            assert_eq!(receive(&ticker, time::NOWAIT), Err(Error::Again));
        });
        assert_eq!(pending(), 0);
    }
}

/// The last of a timer may be its own function.
#[test]
fn timers_are_freed_at_any_moment_and_by_their_functions() {
    struct Own {
        timer: Mutex<Option<Timer>>,
        again: AtomicI64,
        ended: &'static AtomicUsize,
    }
    unsafe extern "C-unwind" fn free_own(own: *mut c_void) -> *mut c_void {
        // SAFETY: leaked by its maker.
        let own = unsafe { &*(own as *const Own) };
        let timer = loop {
            match own.timer.lock().unwrap().take() {
                Some(timer) => break timer,
                None => std::thread::yield_now(),
            }
        };
        if own.again.fetch_sub(1, Relaxed) > 0 {
            let raw = timer.as_raw();
            *own.timer.lock().unwrap() = Some(timer);
            // SAFETY: it lies in `own`, and is taken out by this function's next run only, which this starts.
            let timer = unsafe { std::mem::ManuallyDrop::new(Timer::from_raw(raw)) };
            reset(&timer, 1000);
        } else {
            drop(timer);
            own.ended.fetch_add(1, Relaxed);
        }
        std::ptr::null_mut()
    }
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    static FIRED: AtomicI64 = AtomicI64::new(0);
    let _alone = alone();
    let mut rng = Rng::new(seed());
    let rounds = rounds() as usize;
    for _ in 0..rounds {
        everywhere(&mut rng, 2, 1, |seed| {
            let mut rng = Rng::new(seed);
            for _ in 0..50 {
                let own: &'static Own = Box::leak(Box::new(Own {
                    timer: Mutex::new(None),
                    again: AtomicI64::new(rng.below(3) as i64),
                    ended: &ENDED,
                }));
                // SAFETY: leaked.
                let timer = unsafe { Timer::func(free_own, own as *const Own as *mut c_void, 0) }.unwrap();
                let after = rng.below(20_000) as i64;
                reset(&timer, after);
                *own.timer.lock().unwrap() = Some(timer);
                let brief = counting(&FIRED);
                reset(&brief, rng.below(3_000) as i64);
                if rng.below(2) == 0 {
                    yield_now();
                }
            }
        });
    }
    until(|| ENDED.load(Relaxed) == rounds * 150);
    assert_eq!(pending(), 0);
}

#[test]
fn the_runtime_ends_and_starts_again_under_timers_in_use() {
    const TIMERS: u32 = 12;
    static FIRED: AtomicI64 = AtomicI64::new(0);
    let _alone = alone();
    let mut rng = Rng::new(seed());
    let over = Arc::new(AtomicBool::new(false));
    let timers: Arc<Vec<Timer>> = Arc::new(
        (0..TIMERS)
            .map(|n| match n % 3 {
                0 => counting(&FIRED),
                1 => Timer::channel().unwrap(),
                _ => Timer::ticker().unwrap(),
            })
            .collect(),
    );
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (timers, over, seed) = (timers.clone(), over.clone(), rng.bits());
            std::thread::spawn(move || {
                let mut rng = Rng::new(seed);
                while !over.load(Relaxed) {
                    let timer = &timers[rng.below(TIMERS) as usize];
                    match rng.below(4) {
                        0 => drop(timer.stop()),
                        1 if timer.chan().is_some() => drop(receive(timer, time::NOWAIT)),
                        _ => {
                            let ns = some_time(&mut rng).max(1);
                            let set = global::with(|i, s| timer.reset(i, s, ns));
                            assert!(matches!(set, Ok(_) | Err(Error::Stopped)), "{set:?}");
                        }
                    }
                    if rng.below(32) == 0 {
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    for _ in 0..rounds() {
        std::thread::yield_now();
        global::shutdown(time::after(SOON)).unwrap();
        global::start(&runtime::Config::default()).unwrap();
    }
    over.store(true, Relaxed);
    threads.into_iter().for_each(|t| t.join().unwrap());
    for timer in timers.iter() {
        timer.stop();
    }
    assert_eq!(pending(), 0);
    // They are whole: each fires once more.
    global::wait_idle(time::after(SOON)).unwrap();
    let before = FIRED.load(Relaxed);
    for timer in timers.iter() {
        assert!(!reset(timer, 1));
        if timer.chan().is_some() {
            receive(timer, time::after(SOON)).unwrap();
        }
    }
    until(|| FIRED.load(Relaxed) == before + i64::from(TIMERS / 3));
}

fn until(what: impl Fn() -> bool) {
    let end = time::after(SOON);
    while !what() {
        assert!(time::now() < end, "in time");
        time::sleep(100_000).unwrap();
    }
}

/// Nobody looks at the heap of a processor whose task computes, or that was taken out of use, but the others.
#[test]
fn timers_fire_although_their_processor_is_away() {
    static FIRED: AtomicI64 = AtomicI64::new(0);
    let _alone = alone();
    for round in 0..20 {
        global::max_procs(4).unwrap();
        let before = FIRED.load(Relaxed);
        let computing = spawn(move || {
            let timer = counting(&FIRED);
            reset(&timer, round * 50_000);
            let end = time::after(SOON);
            while FIRED.load(Relaxed) == before && time::now() < end {
                std::hint::spin_loop();
            }
        });
        computing.unwrap().join().unwrap();
        assert_eq!(FIRED.load(Relaxed), before + 1, "round {round}");
        let setting: Vec<_> = (0..8)
            .map(|_| {
                let set = move || {
                    let timer = counting(&FIRED);
                    reset(&timer, 1_000_000 + round * 50_000);
                    yield_now();
                    timer
                };
                spawn(set).unwrap()
            })
            .collect();
        let timers: Vec<Timer> = setting.into_iter().map(|t| t.join().unwrap()).collect();
        global::max_procs(1).unwrap();
        until(|| FIRED.load(Relaxed) == before + 9);
        drop(timers);
    }
    global::max_procs(2).unwrap();
}

#[test]
fn those_that_are_due_together_run_in_the_order_of_their_times() {
    const TIMERS: usize = 60;
    static ORDER: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    unsafe extern "C-unwind" fn note(n: *mut c_void) -> *mut c_void {
        ORDER.lock().unwrap().push(n as usize);
        n
    }
    let _alone = alone();
    global::max_procs(1).unwrap();
    for _ in 0..20 {
        ORDER.lock().unwrap().clear();
        // No call in here lets others go first: they are all due by the time that the task ends.
        let setting = spawn(move || -> Vec<Timer> {
            let one = |n| {
                // SAFETY: a number.
                let timer = unsafe { Timer::func(note, n as *mut c_void, 0) }.unwrap();
                reset(&timer, 0);
                let distinct = time::after(1000);
                while time::now() < distinct {
                    std::hint::spin_loop();
                }
                timer
            };
            (0..TIMERS).map(one).collect()
        });
        let timers = setting.unwrap().join().unwrap();
        until(|| ORDER.lock().unwrap().len() == TIMERS);
        let order = ORDER.lock().unwrap();
        assert!(order.is_sorted(), "{order:?}");
        drop(timers);
    }
    global::max_procs(2).unwrap();
}
