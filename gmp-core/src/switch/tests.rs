//! The contract, the same for every backend.

use super::*;
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::hint::black_box;
use std::panic::catch_unwind;
use std::ptr::null_mut;

/// Memory for one context.
pub struct Stack(Box<[u128]>);

impl Stack {
    pub fn new() -> Stack {
        Stack(vec![0; (256 << 10) / 16].into_boxed_slice())
    }

    /// A fresh context on this stack.
    pub fn start(&mut self, entry: unsafe extern "C" fn(usize) -> !) -> Sp {
        let limit = self.0.as_mut_ptr().cast::<u8>();
        // SAFETY: the box is ours, and the tests keep it until the context is done.
        unsafe { init(limit.add(size_of_val(&*self.0)), limit, entry) }
    }
}

/// Two contexts: the test's own, and `other`, which finds this through its first argument.
pub struct Pair {
    pub test: Cell<Sp>,
    pub other: Cell<Sp>,
    seen: Cell<usize>,
}

impl Pair {
    pub fn new(stack: &mut Stack, entry: unsafe extern "C" fn(usize) -> !) -> Pair {
        Pair { test: Cell::new(0), other: Cell::new(stack.start(entry)), seen: Cell::new(0) }
    }

    /// From the test to the other.
    pub fn go(&self, arg: usize) -> usize {
        // SAFETY: `other` is parked, and its stack outlives the test.
        unsafe { switch(self.test.as_ptr(), self.other.get(), arg) }
    }

    /// Starts the other, which gets this pair.
    pub fn first(&self) -> usize {
        self.go(self as *const Pair as usize)
    }

    /// From the other to the test.
    pub unsafe fn back(pair: *const Pair, arg: usize) -> usize {
        // SAFETY: the test waits in `go`.
        unsafe { switch((*pair).other.as_ptr(), (*pair).test.get(), arg) }
    }
}

/// Repetitions: a switch between OS threads is a thousand times dearer.
const ROUNDS: usize = if USES_STACK { 1_000_000 } else { 500 };

#[test]
fn arguments_travel_both_ways_a_million_times() {
    unsafe extern "C" fn echo(arg: usize) -> ! {
        let pair = arg as *const Pair;
        let mut answer = 0;
        loop {
            // SAFETY: the test waits in `go`.
            answer = unsafe { Pair::back(pair, answer) } * 2 + 1;
        }
    }
    let mut stack = Stack::new();
    let pair = Pair::new(&mut stack, echo);
    assert_eq!(pair.first(), 0);
    for i in 0..ROUNDS {
        assert_eq!(pair.go(i), i * 2 + 1);
    }
}

#[test]
fn a_stack_can_be_started_again_and_again() {
    unsafe extern "C" fn once(arg: usize) -> ! {
        let pair = arg as *const Pair;
        // SAFETY: the test waits in `go`, and starts the stack anew afterwards.
        unsafe {
            (*pair).seen.set((*pair).seen.get() + 1);
            Pair::back(pair, 7);
        }
        unreachable!("a context that ended was continued")
    }
    let mut stack = Stack::new();
    let pair = Pair::new(&mut stack, once);
    for i in 1..=1200 {
        assert_eq!(pair.first(), 7);
        assert_eq!(pair.seen.get(), i);
        pair.other.set(stack.start(once));
    }
}

#[test]
fn contexts_can_switch_in_a_ring() {
    struct Ring {
        at: [Sp; 3],
        laps: usize,
    }
    unsafe extern "C" fn station(arg: usize) -> ! {
        let ring = (arg & !3) as *mut Ring;
        let me = arg & 3;
        let next = (me + 1) % 3;
        // SAFETY: the next station is parked or fresh, and the test keeps the ring.
        unsafe {
            loop {
                (*ring).laps += 1;
                switch(&raw mut (*ring).at[me], (*ring).at[next], ring as usize | next);
            }
        }
    }
    let mut stacks = [Stack::new(), Stack::new()];
    let mut ring = Ring { at: [0, stacks[0].start(station), stacks[1].start(station)], laps: 0 };
    let ring = &raw mut ring;
    for i in 1..=100 {
        // SAFETY: the ring comes back here, as place 0.
        unsafe {
            switch(&raw mut (*ring).at[0], (*ring).at[1], ring as usize | 1);
            assert_eq!((*ring).laps, i * 2);
        }
    }
}

#[test]
fn the_stack_is_aligned_at_the_entry() {
    #[repr(align(16))]
    struct Aligned([u8; 48]);
    unsafe extern "C" fn entry(arg: usize) -> ! {
        let local = black_box(Aligned([1; 48]));
        // Formats with vector registers spilled to the stack.
        let text = format!("{:?}", local.0.map(f64::from));
        let address = &raw const local as usize + (text.len() - text.len() % 16) % 16;
        // SAFETY: the test waits in `go`.
        unsafe { Pair::back(arg as *const Pair, address % 16) };
        unreachable!()
    }
    let mut stack = Stack::new();
    assert_eq!(Pair::new(&mut stack, entry).first(), 0);
}

#[test]
fn a_backtrace_ends_at_the_root_of_the_context() {
    #[inline(never)]
    fn this_is_the_test(pair: &Pair) -> usize {
        black_box(pair.first())
    }
    unsafe extern "C" fn this_is_the_entry(arg: usize) -> ! {
        let text = Box::new(Backtrace::force_capture().to_string());
        // SAFETY: the test waits in `go`, and takes the box.
        unsafe { Pair::back(arg as *const Pair, Box::into_raw(text) as usize) };
        unreachable!()
    }
    let mut stack = Stack::new();
    let text = this_is_the_test(&Pair::new(&mut stack, this_is_the_entry));
    // SAFETY: the entry made it.
    let text = unsafe { *Box::from_raw(text as *mut String) };
    assert!(text.contains("this_is_the_entry"), "{text}");
    assert!(!text.contains("this_is_the_test"), "{text}");
}

#[test]
fn a_panic_can_be_caught_inside_a_context() {
    unsafe extern "C" fn entry(arg: usize) -> ! {
        let caught = catch_unwind(|| resume_unwind_deep(20)).is_err();
        // SAFETY: the test waits in `go`.
        unsafe { Pair::back(arg as *const Pair, caught as usize) };
        unreachable!()
    }
    let mut stack = Stack::new();
    assert_eq!(Pair::new(&mut stack, entry).first(), 1);
    assert!(!std::thread::panicking());
}

/// Panics, without the message, `depth` frames up.
fn resume_unwind_deep(depth: usize) -> usize {
    if depth == 0 {
        std::panic::resume_unwind(Box::new("deep"));
    }
    black_box(resume_unwind_deep(black_box(depth - 1))) + 1
}

unsafe extern "C-unwind" fn add_one(arg: *mut c_void) -> *mut c_void {
    arg.wrapping_byte_add(1)
}

fn call_it(f: Function, arg: *mut c_void) -> Ended {
    let mut frame = 0;
    // SAFETY: the functions of these tests fit their arguments.
    unsafe { call(f, arg, &mut frame) }
}

#[test]
fn call_returns_what_the_function_returns() {
    assert_eq!(call_it(add_one, 41 as *mut c_void), Ended { how: RETURNED, value: 42 as *mut c_void });
}

/// Three calls, one in the other. `leave` says which of them the innermost function leaves.
struct Nest {
    frames: [Sp; 3],
    leave: usize,
    how: [Option<usize>; 3],
}

unsafe extern "C-unwind" fn nested<const LEVEL: usize>(arg: *mut c_void) -> *mut c_void {
    let nest = arg.cast::<Nest>();
    // SAFETY: the test gave a `Nest`, and each frame named is that of a call still running.
    unsafe {
        let inner: Function = match LEVEL {
            0 => nested::<1>,
            1 => nested::<2>,
            _ => exit_to((*nest).frames[(*nest).leave]),
        };
        let ended = call(inner, arg, &raw mut (*nest).frames[LEVEL + 1]);
        (*nest).how[LEVEL + 1] = Some(ended.how);
    }
    arg
}

#[test]
fn exit_ends_the_named_call_and_leaves_the_outer_ones_intact() {
    for leave in 0..3 {
        let mut nest = Nest { frames: [0; 3], leave, how: [None; 3] };
        let nest = &raw mut nest;
        // SAFETY: `nested` takes a `Nest`.
        unsafe {
            let ended = call(nested::<0>, nest.cast(), &raw mut (*nest).frames[0]);
            (*nest).how[0] = Some(ended.how);
            for level in 0..3 {
                let expected = match level {
                    _ if level < leave => Some(RETURNED),
                    _ if level == leave => Some(EXITED),
                    _ => None,
                };
                assert_eq!((*nest).how[level], expected, "leaving {leave}, level {level}");
            }
        }
    }
}

#[test]
fn exits_in_two_contexts_do_not_meet() {
    unsafe extern "C-unwind" fn park_then_exit(arg: *mut c_void) -> *mut c_void {
        // SAFETY: the test waits in `go` and continues us; the frame is that of our call, written before we ran.
        unsafe {
            let (pair, frame) = arg.cast::<(*const Pair, Sp)>().read();
            Pair::back(pair, 0);
            exit_to(frame)
        }
    }
    unsafe extern "C" fn entry(arg: usize) -> ! {
        let pair = arg as *const Pair;
        let mut given = (pair, 0);
        let given = &raw mut given;
        // SAFETY: the function takes such a pair; the test waits in `go`.
        unsafe {
            let ended = call(park_then_exit, given.cast(), &raw mut (*given).1);
            Pair::back(pair, ended.how);
        }
        unreachable!()
    }
    let mut stacks = [Stack::new(), Stack::new()];
    let [a, b] = &mut stacks;
    let (a, b) = (Pair::new(a, entry), Pair::new(b, entry));
    a.first();
    b.first();
    assert_eq!(a.go(0), EXITED);
    assert_eq!(b.go(0), EXITED);
}

#[test]
fn a_panic_stops_at_call_and_its_payload_is_freed() {
    unsafe extern "C-unwind" fn panics(arg: *mut c_void) -> *mut c_void {
        // SAFETY: the test gave an `Arc`.
        let token = unsafe { (*arg.cast::<std::sync::Arc<()>>()).clone() };
        let _also_dropped_on_the_way = token.clone();
        std::panic::resume_unwind(Box::new(token))
    }
    let token = std::sync::Arc::new(());
    for _ in 0..3 {
        assert_eq!(call_it(panics, (&raw const token).cast_mut().cast()).how, THREW);
        assert_eq!(std::sync::Arc::strong_count(&token), 1);
        assert!(!std::thread::panicking());
    }
    assert_eq!(call_it(add_one, null_mut()).how, RETURNED);
}

#[test]
fn a_payload_that_panics_when_dropped_stops_at_call_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("from the payload"));
        }
    }
    unsafe extern "C-unwind" fn panics(_: *mut c_void) -> *mut c_void {
        std::panic::resume_unwind(Box::new(Bomb))
    }
    assert_eq!(call_it(panics, null_mut()).how, THREW);
    assert!(!std::thread::panicking());
}

#[test]
fn a_backtrace_in_a_called_function_goes_on_to_the_callers() {
    unsafe extern "C-unwind" fn innermost(arg: *mut c_void) -> *mut c_void {
        // SAFETY: the test gave a `String`.
        unsafe { *arg.cast::<String>() = Backtrace::force_capture().to_string() };
        arg
    }
    #[inline(never)]
    fn the_function_that_calls(text: &mut String) -> usize {
        black_box(call_it(innermost, (text as *mut String).cast())).how
    }
    let mut text = String::new();
    assert_eq!(the_function_that_calls(&mut text), RETURNED);
    assert!(text.contains("innermost") && text.contains("the_function_that_calls"), "{text}");
}
