//! The depot and the cache on real memory, with both kinds of guard.

use super::depot::Switches;
use super::*;
use crate::base::error::Error;
use crate::primitive::{yield_thread, AtomicUsize, Ordering};
use crate::sys::mem;

fn depot(guard_mappings: bool) -> Depot {
    Depot::with(Switches { first_failure: usize::MAX, guard_mappings })
}

fn failing_from(first_failure: usize) -> Depot {
    Depot::with(Switches { first_failure, guard_mappings: false })
}

fn take_all(depot: &Depot, class: Class, n: usize) -> Vec<Stack> {
    let mut stacks = Vec::new();
    while stacks.len() < n {
        let wanted = n - stacks.len();
        depot.take(class, &mut stacks, wanted).unwrap();
    }
    stacks
}

/// Writes the first and the last usable byte.
fn touch(stack: &Stack) {
    // SAFETY: both bytes are inside the slot, which the test owns.
    unsafe {
        stack.top().sub(1).write(1);
        stack.limit().write(2);
    }
}

fn resident(at: *mut u8) -> bool {
    let page = mem::page_size();
    let mut state = 0u8;
    // SAFETY: asks about one page of a slot of the test.
    let code = unsafe { libc::mincore(at.map_addr(|at| at & !(page - 1)).cast(), page, &mut state) };
    assert_eq!(code, 0);
    state & 1 == 1
}

/// How a child ends that writes to `at`: the signal, or 0.
fn signal_of_write(at: *mut u8) -> i32 {
    // SAFETY: the child restores the default action, writes, and leaves; it runs nothing else.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
            at.write_volatile(1);
            libc::_exit(0);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        if libc::WIFSIGNALED(status) {
            libc::WTERMSIG(status)
        } else {
            assert_eq!(libc::WEXITSTATUS(status), 0);
            0
        }
    }
}

#[test]
fn a_handle_is_a_word_and_an_option_of_it_too() {
    assert_eq!(size_of::<Stack>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Stack>>(), size_of::<usize>());
    let depot = depot(false);
    for class in Class::ALL {
        let mut stacks = take_all(&depot, class, 1);
        let stack = stacks.pop().unwrap();
        let (top, limit) = (stack.top(), stack.limit());
        assert_eq!(top as usize - limit as usize, class.usable());
        assert_eq!(top as usize % class.slot(), 0);
        assert!(stack.colour() < 1024 && stack.colour().is_multiple_of(64));
        let raw = stack.into_raw();
        assert_ne!(raw, 0);
        // SAFETY: the word of the line above, used once.
        let stack = unsafe { Stack::from_raw(raw) };
        assert_eq!((stack.top(), stack.limit(), stack.class()), (top, limit, class));
        stacks.push(stack);
        depot.give(&mut stacks);
    }
}

fn many_slots_are_distinct_usable_and_guarded(guard_mappings: bool) {
    let depot = depot(guard_mappings);
    const N: usize = 2000;
    depot.reserve(Class::Medium, N).unwrap();
    let mut stacks = take_all(&depot, Class::Medium, N);
    stacks.iter().for_each(touch);
    let mut tops: Vec<usize> = stacks.iter().map(|stack| stack.top() as usize).collect();
    tops.sort_unstable();
    assert!(tops.windows(2).all(|pair| pair[1] - pair[0] >= Class::Medium.slot()));
    if guard_mappings {
        assert!(depot.guards_are_mappings());
    }
    for stack in [&stacks[0], &stacks[31], &stacks[32], &stacks[N - 1]] {
        assert_eq!(signal_of_write(stack.limit()), 0);
        assert_eq!(signal_of_write(stack.limit().wrapping_sub(1)), libc::SIGSEGV);
        assert_eq!(signal_of_write(stack.limit().wrapping_sub(Class::Medium.guard())), libc::SIGSEGV);
        let place = depot.contains(stack.limit() as usize - 1).unwrap();
        assert_eq!((place.limit, place.top), (stack.limit() as usize, stack.top() as usize));
        assert!(place.class == Class::Medium && place.low == place.limit - Class::Medium.guard());
    }
    depot.check();
    let reserved = depot.bytes_reserved();
    depot.give(&mut stacks);
    let mut again = take_all(&depot, Class::Medium, N);
    assert_eq!(depot.bytes_reserved(), reserved, "slots that came back are used first");
    let mut tops_again: Vec<usize> = again.iter().map(|stack| stack.top() as usize).collect();
    tops_again.sort_unstable();
    assert_eq!(tops, tops_again);
    depot.give(&mut again);
    depot.unreserve(Class::Medium, N);
    depot.check();
}

#[test]
fn many_slots_with_marks_are_distinct_usable_and_guarded() {
    many_slots_are_distinct_usable_and_guarded(false);
}

#[test]
fn many_slots_with_mappings_are_distinct_usable_and_guarded() {
    many_slots_are_distinct_usable_and_guarded(true);
}

#[test]
fn every_class_is_guarded_in_both_ways() {
    for guard_mappings in [false, true] {
        let depot = depot(guard_mappings);
        for class in Class::ALL {
            let mut stacks = take_all(&depot, class, 1);
            touch(&stacks[0]);
            assert_eq!(signal_of_write(stacks[0].limit().wrapping_sub(1)), libc::SIGSEGV);
            depot.give(&mut stacks);
        }
    }
}

#[test]
fn guards_that_are_mappings_end_with_an_error_before_the_mappings_do() {
    let depot = depot(true);
    let most = mem::max_map_count() / 8 * 3;
    assert_eq!(depot.reserve(Class::Small, most + 1), Err(Error::NoMemory));
    assert_eq!(depot.bytes_reserved(), 0, "what fails changes nothing");
    depot.reserve(Class::Small, most - 10).unwrap();
    assert_eq!(depot.reserve(Class::Medium, 11), Err(Error::NoMemory));
    depot.reserve(Class::Medium, 10).unwrap();
    // The limit is on guards, not on credits of one class: the ten can all be had, though not in one batch.
    let mut stacks = take_all(&depot, Class::Medium, 10);
    assert_eq!(depot.take(Class::Medium, &mut stacks, 1), Err(Error::NoMemory));
    assert_eq!(stacks.len(), 10);
    depot.give(&mut stacks);
    depot.unreserve(Class::Small, most - 10);
    depot.reserve(Class::Medium, 100).unwrap();
    depot.unreserve(Class::Medium, 110);
    depot.check();
}

#[test]
fn an_overflow_is_told_from_a_foreign_address() {
    let depot = depot(false);
    assert_eq!(depot.contains(0), None);
    assert_eq!(depot.contains(&depot as *const Depot as usize), None);
    let mut stacks = take_all(&depot, Class::Small, 1);
    let (limit, top) = (stacks[0].limit() as usize, stacks[0].top() as usize);
    assert_eq!(depot.contains(top - 1), depot.contains(limit));
    assert_ne!(depot.contains(top), depot.contains(limit));
    assert_eq!(depot.contains(limit - Class::Small.guard()).unwrap().limit, limit);
    depot.give(&mut stacks);
    // SAFETY: the only slot is back.
    unsafe { depot.release_all() };
    assert_eq!((depot.contains(limit), depot.bytes_reserved()), (None, 0));
    let mut stacks = take_all(&depot, Class::Small, 1);
    touch(&stacks[0]);
    depot.give(&mut stacks);
    depot.check();
}

#[test]
fn a_reservation_that_fails_changes_nothing_and_credits_given_still_hold() {
    let depot = failing_from(2);
    depot.reserve(Class::Medium, 200).unwrap();
    let reserved = depot.bytes_reserved();
    assert_eq!(depot.reserve(Class::Medium, 1000), Err(Error::NoMemory));
    assert_eq!(depot.reserve(Class::Huge, 1), Err(Error::NoMemory));
    assert_eq!(depot.take(Class::Huge, &mut Vec::new(), 1), Err(Error::NoMemory));
    assert_eq!(depot.bytes_reserved(), reserved);
    depot.reserve(Class::Medium, 56).unwrap();
    assert_eq!(depot.reserve(Class::Medium, 1), Err(Error::NoMemory));
    let mut stacks = take_all(&depot, Class::Medium, 256);
    assert_eq!(depot.take(Class::Medium, &mut stacks, 1), Err(Error::NoMemory));
    assert_eq!(stacks.len(), 256);
    depot.give(&mut stacks);
    depot.check();
    assert_eq!(failing_from(1).reserve(Class::Small, 1), Err(Error::NoMemory));
    assert_eq!(depot.reserve(Class::Huge, usize::MAX), Err(Error::NoMemory));
}

#[test]
fn a_free_slot_loses_deep_pages_first_then_its_top_page_and_a_used_one_nothing() {
    let depot = depot(false);
    const N: usize = 100;
    let mut stacks = take_all(&depot, Class::Medium, N);
    stacks.iter().for_each(touch);
    let places: Vec<(*mut u8, *mut u8)> = stacks.iter().map(|s| (s.limit(), s.top().wrapping_sub(1))).collect();
    let count = |deep: bool| places.iter().filter(|place| resident(if deep { place.0 } else { place.1 })).count();
    assert_eq!(depot.trim(usize::MAX), 0);
    depot.give(&mut stacks);
    assert_eq!(depot.trim(usize::MAX), 0, "what came back just now may be wanted again at once");
    assert_eq!((count(true), count(false)), (N, N));
    let mut held = take_all(&depot, Class::Medium, 3);
    assert_eq!(depot.trim(10), 10);
    assert_eq!((count(true), count(false)), (N - 10, N));
    assert_eq!(depot.bytes_resident(), N * mem::page_size());
    assert_eq!(depot.trim(usize::MAX), 10 + (N - 3 - 10));
    assert_eq!((count(true), count(false)), (3, N - 10));
    assert_eq!(depot.trim(usize::MAX), N - 3 - 10);
    assert_eq!((count(true), count(false)), (3, 3));
    assert_eq!(depot.trim(usize::MAX), 0, "a clean slot is not cleaned again");
    assert_eq!(depot.bytes_resident(), 3 * mem::page_size());
    depot.check();
    held.extend(take_all(&depot, Class::Medium, N - 3));
    held.iter().for_each(touch);
    assert_eq!(signal_of_write(held[N - 1].limit().wrapping_sub(1)), libc::SIGSEGV, "a guard survives trimming");
    depot.give(&mut held);
}

#[test]
fn a_slot_used_between_two_trims_is_left_alone() {
    let depot = depot(false);
    let mut stacks = take_all(&depot, Class::Small, 50);
    depot.give(&mut stacks);
    depot.trim(usize::MAX);
    let mut used = take_all(&depot, Class::Small, 20);
    depot.give(&mut used);
    assert_eq!(depot.trim(usize::MAX), 30);
    depot.check();
}

#[test]
fn threads_share_a_depot_at_its_limit_while_it_is_trimmed() {
    // 64 slots in all, each covered by a credit: no thread may be refused, though a trim takes all 64 aside.
    const THREADS: usize = 2;
    const ROUNDS: usize = 300;
    let depot = failing_from(2);
    depot.reserve(Class::Large, 64).unwrap();
    let [started, finished, refused] = [0; 3].map(AtomicUsize::new);
    let all_have = |count: &AtomicUsize, n| {
        while count.load(Ordering::Acquire) < n {
            yield_thread();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut stacks = Vec::new();
                for round in 0..ROUNDS {
                    all_have(&started, round + 1);
                    while stacks.len() < 64 / THREADS {
                        let wanted = 1 + round % (64 / THREADS - stacks.len());
                        if depot.take(Class::Large, &mut stacks, wanted).is_err() {
                            refused.fetch_add(1, Ordering::Relaxed);
                            break;
                        }
                    }
                    stacks.iter().for_each(touch);
                    depot.give(&mut stacks);
                    finished.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        for round in 0..ROUNDS {
            depot.trim(0);
            started.store(round + 1, Ordering::Release);
            depot.trim(usize::MAX);
            all_have(&finished, (round + 1) * THREADS);
        }
    });
    assert_eq!(refused.into_inner(), 0);
    depot.check();
    let mut all = take_all(&depot, Class::Large, 64);
    depot.give(&mut all);
}

#[test]
fn whoever_has_a_credit_waits_for_slots_that_a_trim_has_aside() {
    let depot = failing_from(2);
    depot.reserve(Class::Huge, 8).unwrap();
    let mut stacks = take_all(&depot, Class::Huge, 8);
    depot.give(&mut stacks);
    std::thread::scope(|scope| {
        depot.with_hot_slots_aside(Class::Huge, || {
            let before = depot.attempts();
            let taker = scope.spawn(|| {
                let mut stacks = take_all(&depot, Class::Huge, 1);
                depot.give(&mut stacks);
            });
            // It asks for a chunk each time that it finds nothing: three times means that it comes again.
            while depot.attempts() < before + 6 {
                assert!(!taker.is_finished(), "it was refused");
                yield_thread();
            }
        });
    });
    depot.check();
}

#[test]
fn a_promise_is_kept_on_another_processor_when_nothing_more_can_be_had() {
    let depot = failing_from(2);
    let (mut here, mut there) = (Cache::new(), Cache::new());
    let mut promised = 0;
    while here.promise(&depot, Class::Medium).is_ok() {
        promised += 1;
    }
    assert_eq!(promised, 256, "one chunk is promised whole");
    // Some run and end here, so that idle slots lie in this cache; their credits serve new tasks.
    for _ in 0..40 {
        let stack = here.take(&depot, Class::Medium).unwrap();
        here.unpromise(&depot, Class::Medium);
        here.give(&depot, stack);
        here.promise(&depot, Class::Medium).unwrap();
    }
    let stacks: Vec<Stack> = (0..256).map(|_| there.take(&depot, Class::Medium).unwrap()).collect();
    for stack in stacks {
        there.unpromise(&depot, Class::Medium);
        there.give(&depot, stack);
    }
    here.drain(&depot);
    there.drain(&depot);
    depot.check();
    depot.reserve(Class::Medium, 256).unwrap();
}

#[test]
fn a_cache_that_only_gets_stacks_keeps_them_too() {
    let depot = depot(false);
    let (mut here, mut there) = (Cache::new(), Cache::new());
    let mut last = std::ptr::null_mut();
    for _ in 0..100 {
        here.promise(&depot, Class::Small).unwrap();
        let stack = here.take(&depot, Class::Small).unwrap();
        last = stack.top();
        there.unpromise(&depot, Class::Small);
        there.give(&depot, stack);
    }
    there.promise(&depot, Class::Small).unwrap();
    let stack = there.take(&depot, Class::Small).unwrap();
    assert_eq!(stack.top(), last);
    there.unpromise(&depot, Class::Small);
    there.give(&depot, stack);
    here.drain(&depot);
    there.drain(&depot);
    depot.check();
}

#[test]
fn a_limit_on_address_space_is_an_error_and_what_fits_is_given() {
    // SAFETY: the child changes its own limits and leaves; the C library makes its heap usable after fork.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let depot = depot(false);
            let small = depot.reserve(Class::Small, 1);
            let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
            let limited = libc::setrlimit(libc::RLIMIT_AS, &limit) == 0;
            let refused = depot.reserve(Class::Huge, 1) == Err(Error::NoMemory);
            let still = depot.reserve(Class::Small, (64 << 20) / Class::Small.slot() - 1);
            libc::_exit(if small.is_ok() && limited && refused && still.is_ok() { 0 } else { 1 });
        }
        let mut status = -1;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status}");
    }
}

#[test]
fn a_cache_goes_to_the_depot_in_batches_and_reuses_the_hottest() {
    let depot = depot(false);
    let mut cache = Cache::new();
    let mut stacks = Vec::new();
    for _ in 0..500 {
        cache.promise(&depot, Class::Medium).unwrap();
        stacks.push(cache.take(&depot, Class::Medium).unwrap());
    }
    let hottest = stacks.last().unwrap().top();
    for stack in stacks {
        cache.unpromise(&depot, Class::Medium);
        cache.give(&depot, stack);
    }
    cache.promise(&depot, Class::Medium).unwrap();
    let stack = cache.take(&depot, Class::Medium).unwrap();
    assert_eq!(stack.top(), hottest);
    cache.unpromise(&depot, Class::Medium);
    cache.give(&depot, stack);
    cache.drain(&depot);
    depot.check();
}
