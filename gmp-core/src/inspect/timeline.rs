//! Events as the trace event format has them, which chrome://tracing and Perfetto open.
//!
//! Owns: what is known of each track while events come in, and the form of each line.
//!
//! Two processes stand for the two kinds of tracks: machines, on which tasks are slices, and processors, on which machines are.
//! Arrows lead from who made a task, or made it ready, to where it goes on.
//!
//! Always true: slices of one track do not overlap but for a section inside a task's; what memory is not there for is
//! left out. What is known of a task is forgotten at its end; of at most [`TASKS`] tasks anything is known.
//!
//! Called by: `recording.rs`, with the events in the order of their times, but that one ring's always keep their order.
//! Blocks nothing.

use super::text::Text;
use crate::base::error::{Error, Result};
use crate::sched::record::event::{Event, How, Kind, Taken, Track, NOWHERE};
use crate::task::{reason_name, Reason};
use std::collections::HashMap;

const MACHINES: u32 = 1;
const PROCESSORS: u32 = 2;
/// The track of threads that are no machines; machines follow.
const OUTSIDE: u32 = 0;
const TASKS: usize = 1 << 20;

/// What a track shows just now.
#[derive(Default)]
struct Line {
    named: bool,
    /// Since when, and what: a task; for a processor one more than its machine's index. 0: nothing.
    at: i64,
    what: u64,
    processor: u16,
    /// A declared blocking section has begun.
    blocks: Option<i64>,
    /// When it was last told anything.
    last: i64,
}

#[derive(Default)]
struct Known {
    name: Vec<u8>,
    /// Made ready, or made: when, on which track, and whether it is new.
    wake: Option<(i64, u32, bool)>,
    ran: i64,
}

/// See the module.
pub struct Timeline {
    text: Text,
    /// Times are told from here.
    began: i64,
    lines: HashMap<(u32, u32), Line>,
    known: HashMap<u64, Known>,
    arrows: u64,
    pub events: u64,
}

impl Timeline {
    pub fn new(began: i64) -> Result<Timeline> {
        let (lines, known) = (HashMap::new(), HashMap::new());
        let mut new = Timeline { text: Text::default(), began, lines, known, arrows: 0, events: 0 };
        new.text.push(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
        for (process, name) in [(MACHINES, "machines"), (PROCESSORS, "processors")] {
            new.text.add(format_args!(
                "{{\"ph\":\"M\",\"pid\":{process},\"tid\":0,\"name\":\"process_name\",\"args\":{{\"name\":\"{name}\"}}}},\n"
            ))?;
        }
        new.line((MACHINES, OUTSIDE))?;
        Ok(new)
    }

    /// The text so far, which is the caller's now.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text).into_bytes()
    }

    /// A task is called so; the first piece begins anew.
    pub fn name(&mut self, task: u64, first: bool, piece: &[u8]) {
        if let Some(known) = self.know(task) {
            if first {
                known.name.clear();
            }
            if known.name.try_reserve(piece.len()).is_ok() {
                known.name.extend_from_slice(piece);
            }
        }
    }

    fn know(&mut self, task: u64) -> Option<&mut Known> {
        if !self.known.contains_key(&task) && (self.known.len() >= TASKS || self.known.try_reserve(1).is_err()) {
            return None;
        }
        Some(self.known.entry(task).or_default())
    }

    /// Something happened.
    pub fn add(&mut self, track: Track, event: &Event) -> Result<()> {
        self.events += 1;
        let at = event.at as i64;
        if at < self.began {
            return Ok(());
        }
        let thread = match track {
            Track::Lock => return self.processor(event),
            Track::Outside => OUTSIDE,
            Track::Machine(index) => index + 1,
        };
        let track = (MACHINES, thread);
        match event.kind {
            // Told before, by `name`.
            Kind::Name => {}
            Kind::Switch => {
                self.close(track, at, Some((event.how, event.reason)))?;
                self.open(track, at, event.task, event.processor)?;
            }
            Kind::Start => {
                if self.lines.get(&track).is_none_or(|line| line.what != event.task) {
                    self.close(track, at, None)?;
                    self.open(track, at, event.task, event.processor)?;
                }
            }
            Kind::End => {
                if self.lines.get(&track).is_some_and(|line| line.what == event.task) {
                    self.close_as(track, at, "ended")?;
                }
                self.known.remove(&event.task);
            }
            Kind::Ready | Kind::Create => {
                if thread == OUTSIDE {
                    // Something for the arrow to begin at.
                    let what = if event.kind == Kind::Ready { "ready" } else { "create" };
                    self.slice(track, at, at, what)?;
                    self.text.add(format_args!(",\"args\":{{\"task\":{}}}}},\n", event.task))?;
                }
                if let Some(known) = self.know(event.task) {
                    if known.ran <= at {
                        known.wake = Some((at, thread, event.kind == Kind::Create));
                    }
                }
            }
            Kind::Block => self.line(track)?.blocks = Some(at),
            Kind::Unblock => self.unblock(track, at)?,
            Kind::Poll => self.instant(track, at, "poll")?,
            Kind::Steal => self.instant(track, at, "steal")?,
            Kind::Lost => return self.gap(track, event.task),
            Kind::Assign | Kind::Unassign | Kind::Retake | Kind::HandOff => {}
        }
        self.line(track)?.last = at;
        Ok(())
    }

    /// Events of a ring were lost after the last ones that were told: what the track shows is not known until the next.
    fn gap(&mut self, track: (u32, u32), lost: u64) -> Result<()> {
        let at = self.line(track)?.last;
        self.close_as(track, at, "events-lost")?;
        let since = self.since(at);
        self.text.add(format_args!(
            "{{\"ph\":\"i\",\"s\":\"t\",\"pid\":{MACHINES},\"tid\":{},\"ts\":{since},\"name\":\"{lost} events lost\"}},\n",
            track.1
        ))
    }

    /// The trace ends: what goes on just now ends with it.
    pub fn end(&mut self, at: i64, lost: u64, without: u32) -> Result<()> {
        let mut open = Vec::new();
        open.try_reserve(self.lines.len()).map_err(|_| Error::NoMemory)?;
        open.extend(self.lines.keys().copied());
        for track in open {
            let last = self.lines.get(&track).map_or(at, |line| line.last.max(at));
            self.close_as(track, last, "trace-stopped")?;
        }
        let (since, events) = (self.since(at), self.events);
        self.text.add(format_args!(
            "{{\"ph\":\"i\",\"s\":\"g\",\"pid\":{MACHINES},\"tid\":{OUTSIDE},\"ts\":{since},\"name\":\"trace stopped\"}}\n],\
             \"otherData\":{{\"producer\":\"gmp {}\",\"events\":{events},\"lost\":{lost},\"machines-not-shown\":{without}}}}}\n",
            env!("CARGO_PKG_VERSION")
        ))
    }

    /// Processors: their machines.
    fn processor(&mut self, event: &Event) -> Result<()> {
        let (track, at) = ((PROCESSORS, event.processor as u32), event.at as i64);
        match event.kind {
            Kind::Assign => {
                self.close_as(track, at, "")?;
                self.open(track, at, event.arg as u64 + 1, NOWHERE)?;
            }
            Kind::Unassign => self.close_as(track, at, "")?,
            Kind::HandOff => self.instant(track, at, "handed off")?,
            Kind::Retake => {
                let why = match event.how {
                    how if how == Taken::Declared as u8 => "retaken from a blocking section",
                    how if how == Taken::Blocked as u8 => "retaken from code that blocks",
                    _ => "retaken from code that computes",
                };
                self.instant(track, at, why)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn since(&self, at: i64) -> Micros {
        Micros(at - self.began)
    }

    /// What a track shows; it is named when it is first used.
    fn line(&mut self, track: (u32, u32)) -> Result<&mut Line> {
        if !self.lines.contains_key(&track) {
            self.lines.try_reserve(1).map_err(|_| Error::NoMemory)?;
        }
        let line = self.lines.entry(track).or_default();
        if !std::mem::replace(&mut line.named, true) {
            let (process, thread) = track;
            let text = &mut self.text;
            text.add(format_args!(
                "{{\"ph\":\"M\",\"pid\":{process},\"tid\":{thread},\"name\":\"thread_name\",\"args\":"
            ))?;
            match track {
                (MACHINES, OUTSIDE) => text.push(b"{\"name\":\"other threads\"}},\n")?,
                (MACHINES, _) => text.add(format_args!("{{\"name\":\"machine {}\"}}}},\n", thread - 1))?,
                _ => text.add(format_args!("{{\"name\":\"processor {thread}\"}}}},\n"))?,
            }
        }
        Ok(line)
    }

    fn open(&mut self, track: (u32, u32), at: i64, what: u64, processor: u16) -> Result<()> {
        let line = self.line(track)?;
        (line.at, line.what, line.processor) = (at, what, processor);
        if what == 0 || track.0 != MACHINES {
            return Ok(());
        }
        let Some(known) = self.know(what) else { return Ok(()) };
        known.ran = at;
        let Some((from, thread, new)) = known.wake.take() else { return Ok(()) };
        self.arrows += 1;
        let (id, name) = (self.arrows, if new { "create" } else { "wake" });
        let (from, to) = (self.since(from), self.since(at));
        self.text.add(format_args!(
            "{{\"ph\":\"s\",\"id\":{id},\"pid\":{MACHINES},\"tid\":{thread},\"ts\":{from},\"name\":\"{name}\",\"cat\":\"wake\"}},\n\
             {{\"ph\":\"f\",\"bp\":\"e\",\"id\":{id},\"pid\":{MACHINES},\"tid\":{},\"ts\":{to},\"name\":\"{name}\",\"cat\":\"wake\"}},\n",
            track.1
        ))
    }

    fn close(&mut self, track: (u32, u32), at: i64, left: Option<(u8, u8)>) -> Result<()> {
        let how = match left {
            Some((how, reason)) if how == How::Parked as u8 && reason == Reason::None as u8 => "parked",
            Some((how, reason)) if how == How::Parked as u8 => reason_name(reason),
            Some((how, _)) if how == How::Yielded as u8 => "yield",
            Some((how, _)) if how == How::Displaced as u8 => "displaced",
            _ => "",
        };
        self.close_as(track, at, how)
    }

    fn close_as(&mut self, track: (u32, u32), at: i64, how: &str) -> Result<()> {
        self.unblock(track, at)?;
        let line = self.line(track)?;
        let (from, what, processor) = (line.at, std::mem::take(&mut line.what), line.processor);
        if what == 0 {
            return Ok(());
        }
        if track.0 == PROCESSORS {
            let machine = what - 1;
            let (from, length) = (self.since(from), Micros(at - from));
            return self.text.add(format_args!(
                "{{\"ph\":\"X\",\"pid\":{PROCESSORS},\"tid\":{},\"ts\":{from},\"dur\":{length},\"name\":\"machine {machine}\"}},\n",
                track.1
            ));
        }
        let (text, known) = (&mut self.text, self.known.get(&what));
        text.add(format_args!(
            "{{\"ph\":\"X\",\"pid\":{MACHINES},\"tid\":{},\"ts\":{},\"dur\":{},\"cat\":\"task\",\"name\":\"",
            track.1,
            Micros(from - self.began),
            Micros(at - from)
        ))?;
        match known.filter(|known| !known.name.is_empty()) {
            Some(known) => escape(text, &known.name)?,
            None => text.add(format_args!("task {what}"))?,
        }
        text.add(format_args!("\",\"args\":{{\"task\":{what}"))?;
        if processor != NOWHERE {
            text.add(format_args!(",\"processor\":{processor}"))?;
        }
        if !how.is_empty() {
            text.add(format_args!(",\"left\":\"{how}\""))?;
        }
        text.push(b"}},\n")
    }

    fn unblock(&mut self, track: (u32, u32), at: i64) -> Result<()> {
        let Some(from) = self.line(track)?.blocks.take() else { return Ok(()) };
        self.slice(track, from, at, "blocking")?;
        self.text.push(b"},\n")
    }

    /// The beginning of a slice's line.
    fn slice(&mut self, track: (u32, u32), from: i64, to: i64, name: &str) -> Result<()> {
        self.line(track)?;
        let (from, length) = (self.since(from), Micros(to - from));
        self.text.add(format_args!(
            "{{\"ph\":\"X\",\"pid\":{},\"tid\":{},\"ts\":{from},\"dur\":{length},\"cat\":\"runtime\",\"name\":\"{name}\"",
            track.0, track.1
        ))
    }

    fn instant(&mut self, track: (u32, u32), at: i64, name: &str) -> Result<()> {
        self.line(track)?;
        let since = self.since(at);
        self.text.add(format_args!(
            "{{\"ph\":\"i\",\"s\":\"t\",\"pid\":{},\"tid\":{},\"ts\":{since},\"cat\":\"runtime\",\"name\":\"{name}\"}},\n",
            track.0, track.1
        ))
    }
}

/// Nanoseconds as microseconds with three decimals.
struct Micros(i64);

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ns = self.0.max(0);
        write!(f, "{}.{:03}", ns / 1000, ns % 1000)
    }
}

/// Somebody else's bytes inside a string of JSON's.
fn escape(text: &mut Text, bytes: &[u8]) -> Result<()> {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.push(&[b'\\', c as u8])?,
                '\0'..='\x1f' | '\x7f' => text.add(format_args!("\\u{:04x}", c as u32))?,
                _ => text.add(format_args!("{c}"))?,
            }
        }
        if !chunk.invalid().is_empty() {
            text.push("\u{fffd}".as_bytes())?;
        }
    }
    Ok(())
}
