//! Switches and starts of tasks as sanitizers and Valgrind are told of them (`primitive/sanitizer.rs`).
//!
//! Owns: the fibers of ThreadSanitizer, one for each stack that tasks have run on, a machine's own one included: tasks that follow each other on
//! a stack are one thread to it, as they are to the CPU. Nothing here is called where nobody watches.
//!
//! Always true: what the tool takes for the running stack is the one that runs: all switches go through [`switch_to`], and `Machine::current`
//! names the destination before it. A task that runs in place is on its joiner's stack and fiber.
//!
//! What is happening before what, between threads: making a task ready (`ready.rs`), its start, its end, an object's lock and unlock say so where they
//! are; a switch does by itself.

use super::Shared;
use crate::machine::{Commit, Machine};
use crate::primitive::sanitizer::{self, Fiber, Tool};
use crate::primitive::{tls, AtomicPtr, AtomicUsize, Ordering::*};
use crate::switch::{self, Sp};
use crate::sys::thread;
use crate::task::Task;
use std::ffi::c_void;
use std::ptr::null_mut;

/// More than ThreadSanitizer has fibers. A power of two.
const FIBERS: usize = 1 << 15;

/// The fiber of a stack, by the address of its low end. Places are taken and never given back: the slots of a later runtime lie at the same
/// addresses, or at others, of which there is room for some.
struct Place {
    low: AtomicUsize,
    fiber: AtomicPtr<c_void>,
}

static TABLE: [Place; FIBERS] =
    [const { Place { low: AtomicUsize::new(0), fiber: AtomicPtr::new(null_mut()) } }; FIBERS];

/// The place of a stack. The process ends if there is no room: what ThreadSanitizer would say from there on would not be true.
fn place(low: usize) -> &'static AtomicPtr<c_void> {
    let hash = (low >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    for step in 0..FIBERS {
        let place = &TABLE[(hash + step) % FIBERS];
        let there = place.low.load(Acquire);
        if there == low
            || there == 0 && place.low.compare_exchange(0, low, AcqRel, Acquire).map_or_else(|now| now == low, |_| true)
        {
            return &place.fiber;
        }
    }
    crate::sys::fault::say(b"gmp: more stacks than ThreadSanitizer can be told of\n");
    std::process::abort()
}

/// # Safety
/// ThreadSanitizer is there.
unsafe fn fiber_of(low: usize) -> Fiber {
    let place = place(low);
    let there = place.load(Acquire);
    if !there.is_null() {
        return there;
    }
    // SAFETY: the caller's promise. A stack is with one thread at a time, so nobody else makes its fiber now.
    let fiber = unsafe { sanitizer::create_fiber() };
    place.store(fiber, Release);
    fiber
}

/// The bounds of the stack that the machine's current task runs on; without one, the machine's own.
fn bounds(m: &Machine) -> (usize, usize) {
    // SAFETY: the machine's own runtime and task.
    let (s, current) = unsafe { (&*(m.shared as *const Shared), m.current.get().as_ref()) };
    match current.and_then(|t| s.depot.contains(t.limit.get())) {
        Some(place) => (place.limit, place.top),
        None => m.own_stack.get(),
    }
}

/// A machine's thread begins.
#[cold]
pub fn machine_begins(m: &Machine) {
    m.own_stack.set(thread::own_stack());
    if sanitizer::is_there(Tool::Thread) {
        // SAFETY: it is there.
        place(m.own_stack.get().0).store(unsafe { sanitizer::current_fiber() }, Release);
    }
}

/// The one switch, told.
///
/// # Safety
/// As for `switching::switch_to`.
#[cold]
#[inline(never)]
pub unsafe fn switch_to(save: *mut Sp, to: Sp) {
    // SAFETY: this thread is a machine's.
    let m = unsafe { &*(tls::get() as *const Machine) };
    let ends = matches!(m.commit.get(), Commit::Ended(_)) || !m.ended.get().is_null();
    let (low, top) = bounds(m);
    let mut kept = null_mut();
    let (address, thread) = (sanitizer::is_there(Tool::Address), sanitizer::is_there(Tool::Thread));
    // SAFETY: the tools that are asked are there; the caller's promise.
    unsafe {
        if thread {
            if !ends {
                // Whoever finds the task from here on sees what it did: see `ready::ready`.
                sanitizer::released(save);
                // Its park will be counted.
                sanitizer::released(&(*(m.shared as *const Shared)).quiet);
            }
            sanitizer::switch_to_fiber(fiber_of(low));
        }
        if address {
            sanitizer::start_switch(if ends { null_mut() } else { &mut kept }, low, top);
        }
        switch::switch(save, to, 0);
        if address {
            sanitizer::finish_switch(kept);
        }
        if thread {
            sanitizer::acquired(save);
        }
    }
}

/// The first thing on a stack that is used for the first time since it was taken.
#[cold]
#[inline(never)]
pub fn first_arrival() {
    if sanitizer::is_there(Tool::Address) {
        // SAFETY: it is there; the stack is a new one to it.
        unsafe { sanitizer::finish_switch(null_mut()) };
    }
}

/// A task was given a stack, on which nobody is.
///
/// # Safety
/// The slot is the task's own.
#[cold]
#[inline(never)]
pub unsafe fn equipped(t: &Task, low: usize, top: usize) {
    // A class's first hook runs before the task does.
    sanitizer::acquired(&t.sp);
    // SAFETY: the caller's promise.
    unsafe { sanitizer::forget_frames(low, top) };
    sanitizer::make_undefined(low, top);
}

/// The running task has left frames behind that did not return (`gmp_exit`).
///
/// # Safety
/// `t` is the current task, back at its root.
#[cold]
#[inline(never)]
pub unsafe fn abandoned(t: &Task) {
    let (low, mark) = (t.limit.get(), 0u8);
    // SAFETY: below our own frame there is none.
    unsafe { sanitizer::forget_frames(low, std::hint::black_box(&mark) as *const u8 as usize & !7) };
    if sanitizer::is_there(Tool::Thread) && t.host.get() == 0 {
        let place = place(low);
        // SAFETY: it is there; we are on the stack's fiber and leave it: it still believes in the frames.
        unsafe {
            let (old, new) = (place.load(Acquire), sanitizer::create_fiber());
            place.store(new, Release);
            sanitizer::switch_to_fiber(new);
            sanitizer::destroy_fiber(old);
        }
    }
}
