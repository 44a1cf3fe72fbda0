//! Foreign threads that have called in: the process's list of them, and how a thread comes into it and leaves it.
//!
//! Owns: the list (`base/attached.rs` has what is counted), which belongs to the process as the runtimes come and go, and each
//! thread's word that names its slot.
//!
//! Always true:
//!  - C1. A thread is in the list from the first call in which it enters, takes a lock or a permit, or waits, to its end: the destructor of a
//!        POSIX key takes it out. A call that another destructor makes after that puts it in again; what the C library does not
//!        come back to (it goes round four times) is taken out by the next look for a deadlock, which asks the kernel.
//!  - C2. Coming in makes no system call, unless the process has more than [`FIRST`] such threads or it is the first of all.
//!  - C3. In a fork's child the list has the forking thread, if it was in it, and nobody else.
//!
//! Calls that only look (clocks, names of codes, statistics, ids) and task-local values do not bring a thread in.
//!
//! Called by: the cold branch of `enter.rs` and of the locks' short ways. Blocks: nothing.

use crate::base::alloc::try_box;
use crate::base::attached::{Attached, Place, Slot};
use crate::primitive::{tls, AtomicBool, AtomicPtr, AtomicUsize, Ordering::*};
use crate::sys::thread_table::Table;
use crate::sys::{peers, process};
use std::ffi::c_void;
use std::ptr::null_mut;

/// Slots that need no memory.
const FIRST: usize = 256;

/// Slots, and more of them.
struct Chunk {
    slots: [Slot; FIRST],
    more: AtomicPtr<Chunk>,
}

#[allow(clippy::declare_interior_mutable_const, reason = "what an array is filled with")]
const EMPTY: Slot = Slot::new();

struct List {
    all: Attached,
    first: Chunk,
    /// Slots from here on were never used.
    used: AtomicUsize,
    end: Table,
    /// Somebody has asked for the fork handler.
    at_fork: AtomicBool,
    /// Called when nobody is up any more (`fn()`); 0: nobody to call.
    nobody_is_up: AtomicUsize,
}

static LIST: List = List {
    all: Attached::new(),
    first: Chunk { slots: [EMPTY; FIRST], more: AtomicPtr::new(null_mut()) },
    used: AtomicUsize::new(0),
    end: Table::new(ended),
    at_fork: AtomicBool::new(false),
    nobody_is_up: AtomicUsize::new(0),
};

/// In a thread's word: it is counted, but there was no memory for a slot. It is up until it ends.
static NO_SLOT: Slot = Slot::new();

/// How many are up.
pub fn all() -> &'static Attached {
    &LIST.all
}

/// What is to be done when nobody is up any more: somebody should look for a deadlock.
pub fn when_nobody_is_up(f: fn()) {
    LIST.nobody_is_up.store(f as usize, Release);
}

/// The calling thread calls in. Nothing for a machine.
#[cold]
#[inline(never)]
pub fn note() {
    if tls::get().is_null() && tls::slot().is_null() {
        come();
    }
}

/// What [`note`] is for, in front of a short way that looks at no machine.
#[inline(always)]
pub fn note_foreign() {
    if tls::get().is_null() {
        note();
    }
}

/// The calling thread's slot, if it can lie down: none for code on a machine's own stack.
pub fn slot() -> Option<&'static Slot> {
    note();
    // SAFETY: the word is null or names a slot; those are never freed.
    let slot = unsafe { (tls::slot() as *const Slot).as_ref() };
    slot.filter(|&slot| tls::get().is_null() && !std::ptr::eq(slot, &NO_SLOT))
}

/// The calling thread, whose slot this is, lies from now on: its wait has begun, and somebody else will end it.
pub fn lie_down(slot: &Slot, place: Place) {
    slot.lie(place);
    if LIST.all.lie_down() {
        tell();
    }
}

/// Only a planted bug leaves it to the woken thread.
pub fn get_up() {
    LIST.all.get_up();
}

fn tell() {
    let f = LIST.nobody_is_up.load(Acquire);
    if f != 0 {
        // SAFETY: stored by `when_nobody_is_up`, a `fn()`.
        unsafe { std::mem::transmute::<usize, fn()>(f)() };
    }
}

fn chunks() -> impl Iterator<Item = &'static Chunk> {
    // SAFETY: chunks are never freed.
    std::iter::successors(Some(&LIST.first), |chunk| unsafe { chunk.more.load(Acquire).as_ref() })
}

/// All slots that were ever used, and perhaps more.
pub fn slots() -> impl Iterator<Item = &'static Slot> {
    chunks().flat_map(|chunk| &chunk.slots).take(LIST.used.load(Acquire))
}

fn come() {
    if !LIST.at_fork.load(Relaxed) && !LIST.at_fork.swap(true, Relaxed) {
        process::at_fork(nothing, nothing, forked);
    }
    let tid = peers::own_tid();
    // Before the list has it: who finds it there, and then nobody up, may rely on that.
    LIST.all.get_up();
    let slot = match slots().find(|slot| slot.tid() == tid) {
        Some(slot) => {
            // It ended unseen (C1), and its number is used again: it is counted already.
            let _nobody = LIST.all.lie_down();
            slot
        }
        None => slots().find(|slot| slot.tid() == 0 && slot.pass(0, tid)).or_else(|| fresh(tid)).unwrap_or(&NO_SLOT),
    };
    let word = slot as *const Slot as *mut c_void;
    tls::set_slot(word as *mut ());
    // If that fails the thread is taken out of the list when its end is noticed (C1).
    let _noted = LIST.end.set(word);
}

/// A slot that nobody has used; None without memory.
fn fresh(tid: i32) -> Option<&'static Slot> {
    loop {
        let index = LIST.used.fetch_add(1, AcqRel);
        let mut chunk = &LIST.first;
        for _ in 0..index / FIRST {
            if chunk.more.load(Acquire).is_null() {
                let more = Box::into_raw(try_box(Chunk { slots: [EMPTY; FIRST], more: AtomicPtr::default() }).ok()?);
                if chunk.more.compare_exchange(null_mut(), more, AcqRel, Acquire).is_err() {
                    // SAFETY: just made, and shown to nobody.
                    drop(unsafe { Box::from_raw(more) });
                }
            }
            // SAFETY: chunks are never freed.
            chunk = unsafe { &*chunk.more.load(Acquire) };
        }
        let slot = &chunk.slots[index % FIRST];
        if slot.pass(0, tid) {
            return Some(slot);
        }
    }
}

/// The thread whose word is `slot` leaves the list.
unsafe extern "C" fn ended(slot: *mut c_void) {
    tls::set_slot(null_mut());
    // SAFETY: set by `come`; slots are never freed.
    let slot = unsafe { &*(slot as *const Slot) };
    let tid = slot.tid();
    let listed = std::ptr::eq(slot, &NO_SLOT) || tid != 0 && slot.pass(tid, 0);
    if listed && LIST.all.lie_down() {
        tell();
    }
}

/// C1: takes out who has ended unseen. True: there was such a one.
pub fn sweep() -> bool {
    let mut found = false;
    for slot in slots() {
        let tid = slot.tid();
        if tid != 0 && !slot.lies() && !peers::has_thread(tid) && slot.pass(tid, 0) {
            found = true;
            let _nobody = LIST.all.lie_down();
        }
    }
    found
}

extern "C" fn nothing() {}

/// C3.
extern "C" fn forked() {
    let own = tls::slot() as *const Slot;
    for slot in slots() {
        slot.reset(if std::ptr::eq(slot, own) { peers::own_tid() } else { 0 });
    }
    LIST.all.reset(u32::from(!own.is_null()));
}
