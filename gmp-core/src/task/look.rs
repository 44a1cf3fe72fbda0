//! Looking at a task that is not one's own: a copy of what its record says.
//!
//! Always true: the copy is taken without stopping anybody, so it may be torn; [`Look::is_still_so`] and the words that are
//! read on both sides of the copy say whether it was. Nothing in it is followed before they agree.
//!
//! Plain fields are read while their owner may write them: word-sized volatile reads, a data race by the letter of Rust's
//! model (`SAFETY.md` S39).
//! Called by: dumps. Never blocks.

use super::state::{status_of, Status};
use super::{Kind, Task};
use crate::primitive::{fence, Ordering::*};
use std::cell::Cell;

/// How often a record that changes is looked at again.
const TRIES: u32 = 16;

/// What a record said.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub status: Status,
    pub generation: u32,
    pub id: u64,
    /// A `Reason` by number.
    pub reason: u8,
    /// What a parked task waits for, by its address or number (`sched/wait.rs`).
    pub object: usize,
    /// See `Task::set_parked_at`.
    pub parked_at: u32,
    pub site: usize,
    /// A `stack::Class` by number.
    pub stack_class: u8,
    pub flags: u8,
    pub cancelled: bool,
    /// See `Task::host`.
    pub host: u32,
    pub has_extra: bool,
    pub sp: usize,
    pub stack: usize,
    status_word: u32,
    wait_word: u32,
}

/// # Safety
/// None but that of a torn or outdated value.
#[inline(always)]
fn read<T: Copy>(cell: &Cell<T>) -> T {
    // SAFETY: the cell is valid memory; `T` is an integer or raw pointer here, of which any bits are a value.
    unsafe { cell.as_ptr().read_volatile() }
}

/// An enumeration of one byte, as a number.
#[inline(always)]
fn read_byte<T: Copy>(cell: &Cell<T>) -> u8 {
    const { assert!(size_of::<T>() == 1) };
    // SAFETY: valid memory of one byte, which its owner has initialised.
    unsafe { (cell.as_ptr() as *const u8).read_volatile() }
}

impl Task {
    /// What the record says; None if it is no task's.
    pub fn look(&self) -> Option<Look> {
        let mut seen = self.look_once()?;
        for _ in 0..TRIES {
            if seen.is_still_so(self) {
                break;
            }
            seen = self.look_once()?;
        }
        Some(seen)
    }

    fn look_once(&self) -> Option<Look> {
        let status_word = self.status.raw();
        let status = status_of(status_word);
        if status == Status::Free || read_byte(&self.kind) != Kind::Task as u8 {
            return None;
        }
        let wait_word = self.wait.seen();
        Some(Look {
            status,
            generation: self.generation.load(Acquire),
            id: read(&self.id),
            reason: read_byte(&self.reason),
            object: read(&self.link) as usize,
            parked_at: read(&self.end_code) as u32,
            site: read(&self.site),
            stack_class: read_byte(&self.stack_class),
            flags: read(&self.flags),
            cancelled: self.is_cancelled(),
            host: read(&self.host),
            has_extra: !self.extra.shown().is_null(),
            sp: read(&self.sp),
            stack: read(&self.stack),
            status_word,
            wait_word,
        })
    }
}

impl Look {
    /// True while the record is in the same state and the same wait: then what was read between, of the record and of the
    /// stack of a parked task, belongs together.
    pub fn is_still_so(&self, t: &Task) -> bool {
        // What was read before stays before the second look at the words.
        fence(Acquire);
        t.status.raw() == self.status_word
            && t.generation.load(Relaxed) == self.generation
            && (self.status != Status::Parked || t.wait.seen() == self.wait_word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{reason_name, Reason};

    #[test]
    fn a_record_is_seen_as_it_is_and_a_change_is_noticed() {
        let t = Task::new(3);
        assert!(t.look().is_none());
        t.id.set(7);
        t.status.publish_new(Status::NewGlobal);
        let seen = t.look().unwrap();
        assert_eq!((seen.id, seen.status, seen.reason), (7, Status::NewGlobal, 0));
        assert!(seen.is_still_so(&t));
        t.status.start();
        assert!(!seen.is_still_so(&t));
        t.reason.set(Reason::Group);
        t.status.park();
        let parked = t.look().unwrap();
        assert_eq!(reason_name(parked.reason), "group");
        // Another wait of the same task.
        let _armed = t.wait.begin(crate::task::wait_word::Enders::Sole);
        assert!(!parked.is_still_so(&t));
        t.kind.set(Kind::ClassTicket);
        assert!(t.look().is_none());
    }

    #[test]
    fn reasons_have_their_names() {
        for (reason, name) in [(Reason::None, "none"), (Reason::JoinInPlace, "join-in-place"), (Reason::Group, "group")]
        {
            assert_eq!(reason_name(reason as u8), name);
        }
        assert_eq!(reason_name(200), "unknown");
    }
}
