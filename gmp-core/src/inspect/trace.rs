//! Where a parked task waits: its frames, below its line.
//!
//! Owns: which frames are shown. Those of this library are not, but the function that the task called.

use super::place;
use super::tasks::{State, TaskSeen};
use super::text::Text;
use crate::base::error::Result;
use crate::sched::Shared;
use crate::stack::Class;
use crate::switch::trace::{Frames, Mirror};
use crate::sys::symbol;
use crate::task::state::Status;

/// Writes frames; made once a dump.
#[derive(Debug)]
pub struct Tracer {
    /// None: it cannot be done here.
    mirror: Option<Mirror>,
    /// Where the object with our own code is loaded.
    own: usize,
}

impl Tracer {
    pub fn new() -> Tracer {
        let own = symbol::find(Tracer::new as *const () as usize, |symbol| symbol.base).unwrap_or(0);
        Tracer { mirror: Mirror::new(Class::Huge.slot()).ok(), own }
    }

    /// The frames of a task that is parked still.
    pub fn write(&self, s: &Shared, text: &mut Text, seen: &TaskSeen) -> Result<()> {
        let look = &seen.look;
        let Some(mirror) = self.mirror.as_ref().filter(|_| look.status == Status::Parked) else { return Ok(()) };
        debug_assert_eq!(seen.state, State::Parked);
        let Some(place) = s.depot.contains(look.sp).filter(|place| look.sp >= place.limit) else { return Ok(()) };
        // SAFETY: records are never freed while the runtime lives.
        let task = unsafe { &*seen.task };
        // SAFETY: the usable part of a slot is readable while the runtime lives. A task that is parked in the wait that was seen
        // is parked at the pointer that was read then, and its stack is the slot around it.
        let frames = unsafe { mirror.frames(look.sp, place.top, || look.is_still_so(task)) };
        match frames {
            Some(frames) => self.write_frames(text, &frames),
            None => text.push(b"    went on meanwhile\n"),
        }
    }

    fn write_frames(&self, text: &mut Text, frames: &Frames) -> Result<()> {
        let all = &frames.at[..frames.len];
        let theirs = |&at: &usize| symbol::find(at - 1, |symbol| symbol.base) != Some(self.own);
        // Where the library is part of the program there is no telling which are its own: all are shown.
        let first = all.iter().position(theirs).map_or(0, |at| at.saturating_sub(1));
        let end = all.iter().rposition(theirs).map_or(all.len(), |at| at + 1);
        for &at in &all[first..end] {
            text.push(b"    at ")?;
            place::write(text, at)?;
            text.push(b"\n")?;
        }
        text.push(if frames.more { b"    and more\n" } else { b"" })
    }
}
