//! A trace under way: a thread that takes the events out of their rings and writes them to a file.
//!
//! Owns: that thread, and the file.
//!
//! Always true:
//!  - T1. Memory is bounded: what comes faster than it is written is lost in its ring, counted, and told in the file.
//!  - T2. After a stop, and after the runtime's end, the file is complete, or the stop has told why not.
//!  - T3. A fork's child has neither: it has another runtime.
//!
//! Called by: `global.rs`, `runtime.rs`. Blocks: begin, while a thread is made; stop, until the rest is written.
//!
//! Tried and dropped: formatting when the trace stops (either the memory is not bounded, or the trace ends long before).

use super::timeline::Timeline;
use crate::base::error::{Error, Result};
use crate::primitive::Ordering::*;
use crate::sched::record::event::{Event, Kind, Track};
use crate::sched::record::{Control, Session, NAME};
use crate::sched::Shared;
use crate::sys::{clock, output, thread};
use std::cell::RefCell;
use std::ffi::{c_void, CStr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

/// How often events are taken: a ring that fills within this loses some.
const EVERY: i64 = 5_000_000;
/// The same while many come.
const BUSY: i64 = 500_000;
const MANY: usize = 4096;
const STACKS: thread::Stacks = thread::Stacks { size: 128 << 10, alternate: 0 };

struct Recorder {
    shared: *const Shared,
    file: OwnedFd,
    control: Arc<Control>,
    timeline: Timeline,
    /// What was taken, with its place in the order of taking.
    events: Vec<(Track, Event, u64)>,
    places: u64,
    /// How many each ring had lost when it was last looked at, and all of them before the trace.
    lost: Vec<(Track, u64)>,
    lost_before: u64,
    without: u32,
}

/// Begins a trace into a new file. `Busy` when one is under way: then the file is not touched. `NoMemory`, `Again`, what opening the
/// file fails with.
pub fn begin(s: &Shared, path: &CStr) -> Result<()> {
    let mut session = s.record.session.lock();
    if session.is_some() {
        return Err(Error::Busy);
    }
    let file = output::create(path)?;
    let control = Arc::new(Control::default());
    let recorder = Box::new(Recorder {
        shared: s,
        file,
        control: control.clone(),
        timeline: Timeline::new(clock::now())?,
        events: Vec::new(),
        places: 0,
        lost: lost_so_far(s)?,
        lost_before: s.events_lost(),
        without: 0,
    });
    let arg = Box::into_raw(recorder);
    s.begin_events();
    match thread::spawn(c"gmp-trace", STACKS, s.mask, recorder_main, arg as *mut c_void) {
        Ok(thread) => {
            *session = Some(Session { thread, control });
            Ok(())
        }
        Err(errno) => {
            s.end_events();
            // SAFETY: no thread has it.
            drop(unsafe { Box::from_raw(arg) });
            Err(errno.into())
        }
    }
}

/// How many events each ring has lost. Nobody else takes any out just now.
fn lost_so_far(s: &Shared) -> Result<Vec<(Track, u64)>> {
    let (mut lost, mut full) = (Vec::new(), false);
    s.take_events(
        |_, _| (),
        |track, n| match lost.try_reserve(1) {
            Ok(()) => lost.push((track, n)),
            Err(_) => full = true,
        },
    );
    if full {
        return Err(Error::NoMemory);
    }
    Ok(lost)
}

/// Ends the trace, and tells what went wrong with its file. `Misuse` when none is under way.
pub fn stop(s: &Shared) -> Result<()> {
    let mut session = s.record.session.lock();
    let Session { thread, control } = session.take().ok_or(Error::Misuse)?;
    s.end_events();
    control.stop.store(true, Release);
    control.note.wake();
    thread.join();
    let failed = *control.failed.lock();
    failed.map_or(Ok(()), Err)
}

extern "C" fn recorder_main(arg: *mut c_void) -> *mut c_void {
    // SAFETY: `begin` gave it to this thread alone.
    let mut recorder = unsafe { Box::from_raw(arg as *mut Recorder) };
    // SAFETY: the runtime ends after its trace.
    let s = unsafe { &*recorder.shared };
    s.record.tid.store(thread::current_tid(), Relaxed);
    let mut result = recorder.names_of_all(s);
    loop {
        let stops = recorder.control.stop.load(Acquire);
        let many = match result {
            Ok(()) => recorder.turn(s, stops).map(|many| many.then_some(())),
            // Nothing is written any more, but taken it is.
            Err(_) => {
                s.take_events(|_, _| (), |_, _| ());
                Ok(None)
            }
        };
        let busy = matches!(many, Ok(Some(())));
        if let Err(error) = many {
            *recorder.control.failed.lock() = Some(error);
            result = Err(error);
        }
        if stops {
            break;
        }
        recorder.control.note.sleep(Some(clock::now() + if busy { BUSY } else { EVERY }));
    }
    s.record.tid.store(0, Relaxed);
    std::ptr::null_mut()
}

impl Recorder {
    /// Takes what there is and writes what it can. True: there was much.
    ///
    /// Rings are taken one after the other, so what is seen may be without its cause, noted meanwhile in one that was taken
    /// before. What is older than this turn has its causes: who noted one after its ring was taken did so within this turn, and
    /// then came the effect, which waits for the next.
    fn turn(&mut self, s: &Shared, stops: bool) -> Result<bool> {
        let until = if stops { u64::MAX } else { clock::now() as u64 };
        let (events, places, timeline) = (RefCell::new(&mut self.events), &mut self.places, &mut self.timeline);
        let (lost, mut full) = (&mut self.lost, false);
        let mut add = |track, event| {
            *places += 1;
            let mut events = events.borrow_mut();
            full |= events.try_reserve(1).map(|()| events.push((track, event, *places))).is_err();
        };
        let add = RefCell::new(&mut add);
        self.without = s.take_events(
            |track, words| match Event::unpack(words) {
                Some(event) if event.kind == Kind::Name => {
                    let (bytes, len) = event.piece();
                    timeline.name(event.task, event.how == 0, &bytes[..len]);
                }
                Some(event) => (add.borrow_mut())(track, event),
                None => {}
            },
            |track, n| {
                let at = lost.iter().position(|(of, _)| *of == track);
                let before = at.map_or(0, |at| lost[at].1);
                if n == before || lost.try_reserve(1).is_err() {
                    return;
                }
                match at {
                    Some(at) => lost[at].1 = n,
                    None => lost.push((track, n)),
                }
                // Behind the last one that found room.
                let last = events.borrow().iter().rev().find(|(of, _, _)| *of == track).map(|(_, event, _)| event.at);
                (add.borrow_mut())(track, Event::lost(last.unwrap_or(until), n - before));
            },
        );
        if full {
            return Err(Error::NoMemory);
        }
        let events = &mut self.events;
        events.sort_unstable_by_key(|(_, event, place)| (event.at, *place));
        let now = events.partition_point(|(_, event, _)| event.at <= until);
        for (track, event, _) in events.drain(..now) {
            self.timeline.add(track, &event)?;
        }
        if stops {
            self.timeline.end(clock::now(), s.events_lost() - self.lost_before, self.without)?;
        }
        output::write_all(self.file.as_raw_fd(), &self.timeline.take()).map_err(Error::from)?;
        Ok(now > MANY)
    }

    /// The names of tasks that were there before the trace.
    fn names_of_all(&mut self, s: &Shared) -> Result<()> {
        for index in 0..s.slab.count() {
            let Some(task) = s.slab.get(index) else { break };
            // SAFETY: records are never freed while the runtime lives.
            let task = unsafe { &*task };
            let Some(look) = task.look().filter(|look| look.has_extra) else { continue };
            s.with_extra(task, look.generation, |extra| {
                self.timeline.name(look.id, true, &extra.name[..extra.name.len().min(NAME)]);
            });
        }
        Ok(())
    }
}
