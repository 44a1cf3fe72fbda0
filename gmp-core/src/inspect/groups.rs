//! Tasks grouped by what they do and where they were spawned.
//!
//! Owns: the counting. Always true: every task that was added is counted in exactly one group, or in `others` when there are too
//! many groups.

use super::tasks::{State, TaskSeen};
use crate::base::error::{Error, Result};

/// More groups than this are not told apart.
const MOST: usize = 4096;

/// What the tasks of one group have in common: state, reason, spawn site.
pub type Key = (State, u8, usize);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub key: Key,
    pub tasks: u64,
    /// The one that has been parked longest; the first, where none is.
    pub oldest: TaskSeen,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Groups {
    /// By key while they grow.
    list: Vec<Group>,
    pub others: u64,
}

impl Groups {
    /// Counts a task. Gives how many of its group came before it.
    pub fn add(&mut self, seen: &TaskSeen) -> Result<u64> {
        let key = (seen.state, seen.reason, seen.look.site);
        let at = match self.list.binary_search_by_key(&key, |group| group.key) {
            Ok(at) => at,
            Err(_) if self.list.len() == MOST => {
                self.others += 1;
                return Ok(u64::MAX);
            }
            Err(at) => {
                self.list.try_reserve(1).map_err(|_| Error::NoMemory)?;
                self.list.insert(at, Group { key, tasks: 0, oldest: *seen });
                at
            }
        };
        let group = &mut self.list[at];
        group.tasks += 1;
        if seen.age > group.oldest.age {
            group.oldest = *seen;
        }
        Ok(group.tasks - 1)
    }

    /// The groups, most tasks first.
    pub fn by_size(mut self) -> Vec<Group> {
        self.list.sort_unstable_by_key(|group| (std::cmp::Reverse(group.tasks), group.key));
        self.list
    }
}
