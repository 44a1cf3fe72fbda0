//! A list of tasks on their way to a queue, linked through the records.
//!
//! Owns: the order. Always true: a task is in at most one list; pushing and taking allocate nothing.

use super::Task;
use std::ptr::null_mut;

/// A first-in first-out list of tasks.
#[derive(Debug)]
pub struct ReadyList {
    head: *mut Task,
    tail: *mut Task,
    len: usize,
}

// SAFETY: the list owns the right to queue its tasks; moving it moves that right.
unsafe impl Send for ReadyList {}

impl Default for ReadyList {
    fn default() -> Self {
        ReadyList::new()
    }
}

impl ReadyList {
    pub const fn new() -> ReadyList {
        ReadyList { head: null_mut(), tail: null_mut(), len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a task at the end.
    ///
    /// # Safety
    /// `task` is a valid record that the caller may queue and that is in no list.
    pub unsafe fn push(&mut self, task: *mut Task) {
        // SAFETY: `task` and `tail` are valid records of this list's owner.
        unsafe {
            (*task).link.set(null_mut());
            if self.tail.is_null() {
                self.head = task;
            } else {
                (*self.tail).link.set(task);
            }
        }
        self.tail = task;
        self.len += 1;
    }

    /// Looks at the first task.
    pub fn first(&self) -> Option<*mut Task> {
        (!self.head.is_null()).then_some(self.head)
    }

    /// Takes the first task.
    pub fn pop(&mut self) -> Option<*mut Task> {
        let task = self.head;
        if task.is_null() {
            return None;
        }
        // SAFETY: a linked record is valid and ours.
        self.head = unsafe { (*task).link.get() };
        if self.head.is_null() {
            self.tail = null_mut();
        }
        self.len -= 1;
        Some(task)
    }

    /// Moves all of `other` to the end of this list.
    pub fn append(&mut self, other: &mut ReadyList) {
        if other.is_empty() {
            return;
        }
        if self.tail.is_null() {
            self.head = other.head;
        } else {
            // SAFETY: `tail` is a valid record of this list.
            unsafe { (*self.tail).link.set(other.head) };
        }
        self.tail = other.tail;
        self.len += other.len;
        *other = ReadyList::new();
    }

    /// Moves all of this list in front of `queue`.
    pub fn prepend_to(&mut self, queue: &mut ReadyList) {
        let mut rest = std::mem::take(queue);
        queue.append(self);
        queue.append(&mut rest);
    }
}
