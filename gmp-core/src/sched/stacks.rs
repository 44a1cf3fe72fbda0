//! Giving tasks their stacks: at their first run, never before.
//!
//! Owns: when a task gets a stack and when it goes back. Always true: a task that was spawned holds a credit from
//! spawn to end (`stack/cache.rs`), so it will find a stack; one that has not started owns none.

use super::Inside;
use crate::stack::Stack;
use crate::task::Task;
use std::mem::ManuallyDrop;

/// Gives a task that never ran a stack of its class. False: the kernel had no memory for it just now.
#[inline]
pub fn equip(i: Inside, t: &Task) -> bool {
    // SAFETY: the cache belongs to the processor, which is ours.
    let cache = unsafe { &mut *i.p().stacks.get() };
    match cache.take(&i.s().depot, t.stack_class.get()) {
        Ok(stack) => {
            t.limit.set(stack.limit() as usize);
            t.stack.set(stack.into_raw());
            true
        }
        Err(_) => false,
    }
}

/// Looks at a task's stack without owning it.
pub fn view(raw: usize) -> ManuallyDrop<Stack> {
    debug_assert!(raw != 0);
    // SAFETY: `raw` is the word of a slot that its task owns; this copy is only looked at and never dropped.
    ManuallyDrop::new(unsafe { Stack::from_raw(raw) })
}

/// A stack that nobody runs on any more goes back.
///
/// # Safety
/// `raw` is its word, and this is the last use of it.
#[inline]
pub unsafe fn recycle(i: Inside, raw: usize) {
    // SAFETY: the caller's promise; the cache belongs to the processor, which is ours.
    unsafe { (*i.p().stacks.get()).give(&i.s().depot, Stack::from_raw(raw)) };
}
