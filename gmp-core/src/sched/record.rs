//! Events for a trace: what the scheduler notes while one is under way.
//!
//! Owns: the rings that events go to (`record/event.rs` has their kinds), and who is told to note them.
//!
//! Always true:
//!  - E1. Nothing is noted while `Machine::events` is null: one relaxed load where tasks switch, start, end and are made ready.
//!  - E2. A ring has one writer at a time: a machine's own thread has its machine's; the holder of the scheduler's lock and the
//!        holder of `Shared::foreign` have one each.
//!  - E3. Rings are not freed while the runtime lives: who has just seen one may write to it after the trace's end, and what
//!        it writes is older than the next trace.
//!  - E4. What makes a task ready, or makes it, is noted before anybody can run the task.
//!
//! Called by: the scheduler, wherever something of this happens; `inspect/recording.rs`, which takes the events out. Never
//! blocks, but for the lock of the list when a machine is made.

pub mod event;

use super::{Inside, Shared};
use crate::base::error::Error;
use crate::base::note::Note;
use crate::base::ring::{Ring, Words};
use crate::machine::{Commit, Machine};
use crate::primitive::{AtomicBool, AtomicI32, AtomicPtr, Mutex, Ordering::*};
use crate::processor::Processor;
use crate::sys::clock;
use crate::sys::thread::Thread;
use crate::task::{Reason, Task};
use event::{Event, How, Kind, Taken, Track, NOWHERE, PIECE};
use std::ptr::null_mut;
use std::sync::Arc;

/// Events that a machine may note until somebody takes them.
const EVENTS: usize = 1 << 15;
/// So many machines at most have a ring: 200 MB.
const MACHINES: usize = 256;
/// So much of a name is kept.
pub const NAME: usize = 48;

/// What who stops a trace says to the thread that writes it, and hears.
#[derive(Default)]
pub struct Control {
    pub stop: AtomicBool,
    pub note: Note,
    /// Why the file is not complete.
    pub failed: Mutex<Option<Error>>,
}

/// The thread that writes the trace which is under way.
pub struct Session {
    pub thread: Thread,
    pub control: Arc<Control>,
}

/// The runtime's rings, and who empties them.
#[derive(Default)]
pub struct Record {
    /// Held while a trace begins or stops.
    pub session: Mutex<Option<Session>>,
    /// The kernel's number of that thread, 0 without one.
    pub tid: AtomicI32,
    rings: Mutex<Rings>,
    /// Null while there is no trace. Under the scheduler's lock.
    lock: AtomicPtr<Ring>,
    /// The same, under `Shared::foreign`.
    outside: AtomicPtr<Ring>,
}

#[derive(Default)]
struct Rings {
    on: bool,
    all: Vec<(Track, Arc<Ring>)>,
    /// Machines that could have none.
    without: u32,
}

impl Rings {
    /// The ring of a track, made if it has none.
    fn of(&mut self, track: Track) -> *mut Ring {
        if let Some((_, ring)) = self.all.iter().find(|(of, _)| *of == track) {
            return Arc::as_ptr(ring).cast_mut();
        }
        let room = self.all.len() < MACHINES + 2 && self.all.try_reserve(1).is_ok();
        let Some(ring) = room.then(|| Ring::new(EVENTS)).flatten() else {
            self.without += 1;
            return null_mut();
        };
        let ring = Arc::new(ring);
        let address = Arc::as_ptr(&ring).cast_mut();
        self.all.push((track, ring));
        address
    }
}

impl Shared {
    /// From now on events are noted. What the rings hold is older.
    pub fn begin_events(&self) {
        let locked = self.lock.lock();
        let mut rings = self.record.rings.lock();
        rings.on = true;
        rings.without = 0;
        for (_, ring) in &rings.all {
            ring.take(|_| ());
        }
        self.record.lock.store(rings.of(Track::Lock), Release);
        self.record.outside.store(rings.of(Track::Outside), Release);
        for m in locked.machines.iter() {
            m.events.store(rings.of(Track::Machine(m.index)), Release);
        }
        for p in self.procs() {
            // SAFETY: machines are not freed while the runtime lives.
            if let Some(m) = unsafe { (p.machine.load(Relaxed) as *const Machine).as_ref() } {
                assigned(self, m, p);
            }
        }
    }

    /// No events are noted any more, but for what is being noted just now.
    pub fn end_events(&self) {
        let locked = self.lock.lock();
        self.record.rings.lock().on = false;
        self.record.lock.store(null_mut(), Relaxed);
        self.record.outside.store(null_mut(), Relaxed);
        for m in locked.machines.iter() {
            m.events.store(null_mut(), Relaxed);
        }
    }

    /// A machine was made, or is used again. Under the scheduler's lock.
    pub fn record_machine(&self, m: &Machine) {
        let mut rings = self.record.rings.lock();
        if rings.on {
            m.events.store(rings.of(Track::Machine(m.index)), Release);
        }
    }

    /// Takes out what was noted, ring by ring; then says how many each ring has lost so far. Gives how many machines have none.
    pub fn take_events(&self, mut each: impl FnMut(Track, Words), mut lost: impl FnMut(Track, u64)) -> u32 {
        for at in 0.. {
            // Not under the lock: a machine may be made meanwhile.
            let Some((track, ring)) = self.record.rings.lock().all.get(at).cloned() else { break };
            ring.take(|words| each(track, words));
            lost(track, ring.lost());
        }
        self.record.rings.lock().without
    }

    /// How many events found no room since the runtime's start.
    pub fn events_lost(&self) -> u64 {
        self.record.rings.lock().all.iter().map(|(_, ring)| ring.lost()).sum()
    }
}

/// # Safety
/// The caller is the ring's one writer (E2).
unsafe fn put(ring: &AtomicPtr<Ring>, event: Event) {
    // SAFETY: E3.
    if let Some(ring) = unsafe { ring.load(Acquire).as_ref() } {
        ring.put(event.pack());
    }
}

fn event(kind: Kind, task: u64) -> Event {
    Event::of(kind, task, clock::now())
}

fn processor_of(m: &Machine) -> u16 {
    // SAFETY: processors are not freed while the runtime lives; the index never changes.
    unsafe { m.processor.load(Relaxed).as_ref() }.map_or(NOWHERE, |p| p.index as u16)
}

/// True while this machine notes events (E1).
#[inline(always)]
pub fn is_on(m: &Machine) -> bool {
    !m.events.load(Relaxed).is_null()
}

/// Notes something of the calling machine's.
#[cold]
#[inline(never)]
fn note(m: &Machine, kind: Kind, task: u64) {
    // SAFETY: the calling thread is `m`'s.
    unsafe { put(&m.events, Event { processor: processor_of(m), ..event(kind, task) }) };
}

/// After a switch, before what left is made visible.
#[inline(always)]
pub fn switched(m: &Machine) {
    if is_on(m) {
        switched_now(m);
    }
}

#[cold]
#[inline(never)]
fn switched_now(m: &Machine) {
    // SAFETY: what left is not visible to others yet, and what goes on is ours; the calling thread is `m`'s.
    unsafe {
        let (how, reason) = match m.commit.get() {
            _ if !m.yielded.get().is_null() => (How::Yielded, Reason::None),
            Commit::Park(t, _, _) => (How::Parked, (*t).reason.get()),
            Commit::Global(_) => (How::Displaced, Reason::None),
            Commit::None | Commit::Ended(_) => (How::Silent, Reason::None),
        };
        let task = m.current.get().as_ref().map_or(0, |t| t.id.get());
        let (how, reason, processor) = (how as u8, reason as u8, processor_of(m));
        put(&m.events, Event { how, reason, processor, ..event(Kind::Switch, task) });
    }
}

/// The current task, which is new, begins.
#[inline(always)]
pub fn started(m: &Machine, t: &Task) {
    if is_on(m) {
        note(m, Kind::Start, t.id.get());
    }
}

/// `t` is over.
#[inline(always)]
pub fn ended(m: &Machine, t: &Task) {
    if is_on(m) {
        note(m, Kind::End, t.id.get());
    }
}

/// `t` runs on the stack of its joiner from now on, or that goes on.
#[inline(always)]
pub fn in_place(m: &Machine, t: &Task) {
    if is_on(m) {
        in_place_now(m, t);
    }
}

#[cold]
#[inline(never)]
fn in_place_now(m: &Machine, t: &Task) {
    let (how, reason, processor) = (How::Parked as u8, Reason::JoinInPlace as u8, processor_of(m));
    // SAFETY: the calling thread is `m`'s.
    unsafe { put(&m.events, Event { how, reason, processor, ..event(Kind::Switch, t.id.get()) }) };
}

/// The calling machine makes `t` ready.
#[inline(always)]
pub fn ready(i: Inside, t: &Task) {
    if is_on(i.m()) {
        note(i.m(), Kind::Ready, t.id.get());
    }
}

/// The calling machine has made `t`, which nobody else sees yet.
#[inline(always)]
pub fn created(i: Inside, t: &Task) {
    if is_on(i.m()) {
        created_now(&i.m().events, t);
    }
}

#[cold]
#[inline(never)]
fn created_now(ring: &AtomicPtr<Ring>, t: &Task) {
    // SAFETY: nobody else sees the task yet, so its box is ours; the callers are the ring's writers.
    unsafe {
        if let Some(extra) = t.extra.get().as_ref() {
            let name = &extra.name[..extra.name.len().min(NAME)];
            for (n, piece) in name.chunks(PIECE).enumerate() {
                put(ring, Event::name(t.id.get(), n as u8, piece));
            }
        }
        put(ring, event(Kind::Create, t.id.get()));
    }
}

/// The same by a thread that is no machine, under `Shared::foreign`.
#[inline(always)]
pub fn created_outside(s: &Shared, t: &Task) {
    if !s.record.outside.load(Relaxed).is_null() {
        created_now(&s.record.outside, t);
    }
}

/// `t` is made ready by a thread that is no machine, under `Shared::foreign`.
#[inline(always)]
pub fn ready_outside(s: &Shared, t: &Task) {
    if !s.record.outside.load(Relaxed).is_null() {
        // SAFETY: under the lock.
        unsafe { put(&s.record.outside, event(Kind::Ready, t.id.get())) };
    }
}

/// A declared blocking section begins (or ends) on the calling machine.
#[inline(always)]
pub fn blocks(m: &Machine, begins: bool) {
    if is_on(m) {
        note(m, if begins { Kind::Block } else { Kind::Unblock }, 0);
    }
}

/// The calling machine asks the kernel about descriptors.
#[inline(always)]
pub fn polls(i: Inside) {
    if is_on(i.m()) {
        note(i.m(), Kind::Poll, 0);
    }
}

/// The calling machine took tasks from another processor's queue.
#[inline(always)]
pub fn steals(i: Inside) {
    if is_on(i.m()) {
        note(i.m(), Kind::Steal, 0);
    }
}

fn of_processor(s: &Shared, kind: Kind, how: u8, m: &Machine, p: &Processor) {
    if !s.record.lock.load(Relaxed).is_null() {
        let here = Event { how, processor: p.index as u16, arg: m.index, ..event(kind, 0) };
        // SAFETY: the callers hold the scheduler's lock.
        unsafe { put(&s.record.lock, here) };
    }
}

/// `m` has got `p`. This and the next: under the scheduler's lock.
pub fn assigned(s: &Shared, m: &Machine, p: &Processor) {
    of_processor(s, Kind::Assign, 0, m, p);
}

/// `m` has `p` no more.
pub fn unassigned(s: &Shared, m: &Machine, p: &Processor) {
    of_processor(s, Kind::Unassign, 0, m, p);
}

/// The monitor takes `p` from `m`.
pub fn retaken(s: &Shared, m: &Machine, p: &Processor, why: Taken) {
    of_processor(s, Kind::Retake, why as u8, m, p);
}

/// `m` hands `p` off as it begins to block.
pub fn handed_off(s: &Shared, m: &Machine, p: &Processor) {
    of_processor(s, Kind::HandOff, 0, m, p);
}
