//! What an event says, and how it lies in three words.
//!
//! Owns: the kinds, and the form. Called by: `record.rs`, and who reads a trace's events (`inspect/`). Never blocks.

use crate::base::ring::Words;

/// Bytes of a name in one event.
pub const PIECE: usize = 12;
/// No processor.
pub const NOWHERE: u16 = u16::MAX;

/// What happened.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The machine goes on with `task` (0: its own stack); `how` the one before left it, and for which `reason`.
    Switch = 1,
    /// The first instruction of `task`.
    Start,
    /// `task` is over.
    End,
    /// `task` was made ready.
    Ready,
    /// `task` was made.
    Create,
    /// Piece number `how` of the name of `task`, `reason` bytes long, in place of the time and `arg`.
    Name,
    /// A declared blocking section begins ...
    Block,
    /// ... and ends.
    Unblock,
    /// The machine asked the kernel about descriptors.
    Poll,
    /// The machine took tasks from another processor.
    Steal,
    /// Machine `arg` got `processor` ...
    Assign,
    /// ... and has it no more.
    Unassign,
    /// The monitor took `processor` from machine `arg`: `how` is a `Taken`.
    Retake,
    /// Machine `arg` handed `processor` off as it began to block.
    HandOff,
    /// No ring's: `task` events were lost here.
    Lost,
}

impl Kind {
    const ALL: [Kind; 15] = [
        Kind::Switch,
        Kind::Start,
        Kind::End,
        Kind::Ready,
        Kind::Create,
        Kind::Name,
        Kind::Block,
        Kind::Unblock,
        Kind::Poll,
        Kind::Steal,
        Kind::Assign,
        Kind::Unassign,
        Kind::Retake,
        Kind::HandOff,
        Kind::Lost,
    ];
}

/// How a machine left a task.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It had none, or that is told by another event.
    Silent = 0,
    Parked,
    Yielded,
    /// It goes on elsewhere: to the global queue.
    Displaced,
}

/// Why the monitor took a processor.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Declared = 1,
    Blocked,
    Running,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds of the system's clock; of a `Name`, eight bytes of it.
    pub at: u64,
    pub task: u64,
    pub kind: Kind,
    pub how: u8,
    /// A `Reason` by number.
    pub reason: u8,
    pub processor: u16,
    pub arg: u32,
}

impl Event {
    /// With nothing else to say.
    pub fn of(kind: Kind, task: u64, at: i64) -> Event {
        Event { at: at as u64, task, kind, how: 0, reason: 0, processor: NOWHERE, arg: 0 }
    }

    /// Piece number `n` of a task's name, at most [`PIECE`] bytes.
    pub fn name(task: u64, n: u8, piece: &[u8]) -> Event {
        let mut bytes = [0; PIECE];
        bytes[..piece.len()].copy_from_slice(piece);
        let at = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
        let arg = u32::from_le_bytes(bytes[8..].try_into().expect("four bytes"));
        Event { at, arg, how: n, reason: piece.len() as u8, ..Event::of(Kind::Name, task, 0) }
    }

    pub fn pack(self) -> Words {
        // How and kind share a byte.
        let head = self.kind as u64 | (self.how as u64) << 4 | (self.reason as u64) << 8;
        [self.at, self.task, head | (self.processor as u64) << 16 | (self.arg as u64) << 32]
    }

    /// So many were lost after `at`.
    pub fn lost(at: u64, n: u64) -> Event {
        Event { at, ..Event::of(Kind::Lost, n, 0) }
    }

    /// None for what no event is packed as.
    pub fn unpack(words: Words) -> Option<Event> {
        let [at, task, rest] = words;
        let kind = *Kind::ALL.get((rest as usize & 15).checked_sub(1)?)?;
        let how = (rest >> 4 & 15) as u8;
        let (reason, processor, arg) = ((rest >> 8) as u8, (rest >> 16) as u16, (rest >> 32) as u32);
        Some(Event { at, task, kind, how, reason, processor, arg })
    }

    /// The bytes of a piece of a name.
    pub fn piece(&self) -> ([u8; PIECE], usize) {
        let mut bytes = [0; PIECE];
        bytes[..8].copy_from_slice(&self.at.to_le_bytes());
        bytes[8..].copy_from_slice(&self.arg.to_le_bytes());
        (bytes, (self.reason as usize).min(PIECE))
    }
}

/// Where events go that no machine notes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// The scheduler's lock's.
    Lock,
    /// Threads that are no machines.
    Outside,
    Machine(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_names_are_read_as_they_were_written() {
        for piece in [b"".as_slice(), b"x", b"twelve bytes"] {
            let event = Event::unpack(Event::name(7, 2, piece).pack()).unwrap();
            let (bytes, len) = event.piece();
            assert_eq!((event.task, event.how, &bytes[..len]), (7, 2, piece));
        }
    }

    #[test]
    fn events_are_unpacked_as_they_were_packed() {
        for kind in Kind::ALL {
            let event =
                Event { at: u64::MAX - 5, task: 1 << 40, kind, how: 3, reason: 17, processor: 4095, arg: u32::MAX - 1 };
            assert_eq!(Event::unpack(event.pack()), Some(event));
        }
        assert_eq!(Event::unpack([0, 0, 0]), None);
    }
}
