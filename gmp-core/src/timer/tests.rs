//! Timers without machines: states, references, and the end of a runtime.

use super::*;
use crate::base::rng::Rng;
use crate::sched::Settings;
use crate::source::timer::NEVER;
use crate::sys::clock;
use crate::task::local::Keys;
use std::sync::atomic::{AtomicUsize, Ordering::*};

static KEYS: Keys = Keys::new();
const HOUR: i64 = 3_600_000_000_000;

fn runtime() -> Box<Shared> {
    let s = Shared::new(Settings {
        overflow_handler: false,
        max_procs: 2,
        follow_procs: false,
        max_threads: 10,
        idle_thread: i64::MAX,
        stack_class: crate::stack::Class::for_size(0).unwrap(),
        exact_stack: false,
        seeded: false,
        virtual_time: false,
        seed: 1,
        deadlock_abort: false,
        deadlock_ns: 0,
        on_deadlock: |_| (),
        keys: &KEYS,
        epoch: 0,
    });
    s.make_procs();
    s
}

fn pending(s: &Shared) -> usize {
    s.procs().map(|p| p.timers.len()).sum()
}

unsafe extern "C-unwind" fn nothing(arg: *mut c_void) -> *mut c_void {
    arg
}

fn func() -> Timer {
    // SAFETY: `nothing` may be called with anything.
    unsafe { Timer::func(nothing, std::ptr::null_mut(), 0) }.unwrap()
}

fn refs(timer: &Timer) -> u32 {
    timer.record().refs()
}

#[test]
fn stop_and_reset_answer_whether_a_setting_was_in_force() {
    let s = runtime();
    for timer in [func(), Timer::channel().unwrap(), Timer::ticker().unwrap()] {
        assert!(!timer.stop());
        assert_eq!(timer.reset(None, &s, HOUR), Ok(false));
        assert_eq!((pending(&s), refs(&timer)), (1, 2));
        assert_eq!(timer.reset(None, &s, i64::MAX), Ok(true));
        assert_eq!((pending(&s), refs(&timer)), (1, 2));
        assert!(timer.stop());
        assert!(!timer.stop());
        assert_eq!((pending(&s), refs(&timer)), (0, 1));
        assert_eq!(timer.reset(None, &s, 1), Ok(false));
        drop(timer);
        assert_eq!(pending(&s), 0);
    }
}

#[test]
fn a_ticker_refuses_what_is_no_period_and_goes_on() {
    let s = runtime();
    let ticker = Timer::ticker().unwrap();
    assert_eq!(ticker.reset(None, &s, HOUR), Ok(false));
    for ns in [0, -1, i64::MIN] {
        assert!(!ticker.takes(ns));
        assert_eq!(ticker.reset(None, &s, ns), Err(Error::Invalid));
    }
    assert!(ticker.stop());
    assert!(func().takes(i64::MIN));
}

#[test]
fn times_are_kept_from_overflowing() {
    let s = runtime();
    let (past, far) = (func(), func());
    let before = clock::now();
    past.reset(None, &s, i64::MIN).unwrap();
    assert!((before..=clock::now()).contains(&s.earliest_timer()));
    assert!(past.stop());
    far.reset(None, &s, i64::MAX).unwrap();
    assert_eq!(s.earliest_timer(), NEVER);
    assert!(far.stop());
}

#[test]
fn a_functions_timer_is_refused_while_no_task_is_taken() {
    let s = runtime();
    s.refusing.store(true, Relaxed);
    assert_eq!(func().reset(None, &s, 0), Err(Error::Stopped));
    assert_eq!(Timer::channel().unwrap().reset(None, &s, HOUR), Ok(false));
    assert_eq!(pending(&s), 0);
}

#[test]
fn the_end_of_a_runtime_stops_its_timers_and_the_next_one_takes_them() {
    let timers = [func(), Timer::channel().unwrap(), Timer::ticker().unwrap()];
    for _ in 0..3 {
        let s = runtime();
        for timer in &timers {
            assert_eq!(timer.reset(None, &s, HOUR), Ok(false));
        }
        // SAFETY: there are no machines.
        unsafe { s.end_timers() };
        drop(s);
        for timer in &timers {
            assert_eq!(refs(timer), 1);
            assert!(!timer.stop());
        }
    }
}

fn receive(timer: &Timer) -> Result<i64> {
    let mut value = 0i64;
    // SAFETY: an element is an i64.
    unsafe { timer.chan().unwrap().recv((&raw mut value).cast(), crate::sched::wait::NOWAIT) }.map(|()| value)
}

#[test]
fn a_receive_finds_what_is_due_without_a_machine() {
    let s = runtime();
    let timer = Timer::channel().unwrap();
    let before = clock::now();
    timer.reset(None, &s, 0).unwrap();
    assert!((before..=clock::now()).contains(&receive(&timer).unwrap()));
    assert_eq!((pending(&s), refs(&timer)), (0, 1));
    assert_eq!(receive(&timer), Err(Error::Again));
    assert_eq!(timer.reset(None, &s, 0), Ok(false));
    assert!(timer.stop());
    assert_eq!(receive(&timer), Err(Error::Again));
    timer.reset(None, &s, HOUR).unwrap();
    assert_eq!(receive(&timer), Err(Error::Again));
    let kept = timer.chan().unwrap().clone();
    drop(timer);
    // SAFETY: the value is thrown away.
    assert_eq!(unsafe { kept.recv(std::ptr::null_mut(), crate::sched::wait::NOWAIT) }, Err(Error::Again));
}

#[test]
fn a_late_receive_finds_one_tick_of_the_past() {
    const PERIOD: i64 = 1_000_000;
    let s = runtime();
    let ticker = Timer::ticker().unwrap();
    let before = clock::now();
    ticker.reset(None, &s, PERIOD).unwrap();
    let after = clock::now();
    while clock::now() < after + 5 * PERIOD {
        std::hint::spin_loop();
    }
    let came = clock::now();
    let first = receive(&ticker).unwrap();
    assert!((before + PERIOD..=after + PERIOD).contains(&first));
    let next = loop {
        match receive(&ticker) {
            Ok(tick) => break tick,
            Err(_) => std::hint::spin_loop(),
        }
    };
    assert!(next > came && (next - first) % PERIOD == 0);
    assert_eq!(pending(&s), 1);
    assert!(ticker.stop());
    assert_eq!(receive(&ticker), Err(Error::Again));
}

/// The heap goes away while timers in it are stopped, set in the next runtime, and freed.
#[test]
fn the_end_of_a_runtime_may_meet_a_stop_and_a_reset() {
    const TIMERS: usize = 4;
    let mut rng = Rng::new(5);
    let next = runtime();
    for _ in 0..300 {
        let mut timers: Vec<Timer> =
            (0..TIMERS).map(|n| if n % 2 == 0 { func() } else { Timer::ticker().unwrap() }).collect();
        let s = runtime();
        for timer in &timers {
            timer.reset(None, &s, HOUR).unwrap();
        }
        let ready = AtomicUsize::new(0);
        let meet = || {
            ready.fetch_add(1, SeqCst);
            while ready.load(SeqCst) < 2 {
                std::hint::spin_loop();
            }
        };
        let (seed, meet, next) = (rng.bits(), &meet, &next);
        std::thread::scope(|scope| {
            let timers = &mut timers;
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                meet();
                while !timers.is_empty() {
                    let timer = &timers[rng.below(timers.len() as u32) as usize];
                    match rng.below(3) {
                        0 => drop(timer.stop()),
                        1 => drop(timer.reset(None, next, HOUR)),
                        _ => drop(timers.swap_remove(0)),
                    }
                }
            });
            meet();
            // SAFETY: there are no machines.
            unsafe { s.end_timers() };
            drop(s);
        });
        assert_eq!(pending(next), 0);
    }
}
