//! Giving tasks their stacks: at their first run, never before.
//!
//! Owns: when a task gets a stack and when it goes back. Always true: a task that was spawned holds a credit from
//! spawn to end (`stack/cache.rs`), so it will find a stack; one that has not started owns none.

use super::{watched, Inside};
use crate::base::error::Result;
use crate::primitive::sanitizer;
use crate::processor::Processor;
use crate::stack::{Class, Depot, Stack};
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
            if sanitizer::watches() {
                // SAFETY: the slot is the task's own from now on.
                unsafe { watched::equipped(t, stack.limit() as usize, stack.top() as usize) };
            }
            t.stack.set(stack.into_raw());
            true
        }
        Err(_) => false,
    }
}

/// Credits that move between a processor and its stack cache at a time.
const CREDITS: u32 = 32;

/// Takes a credit for a task to be spawned.
#[inline(always)]
pub fn promise(i: Inside, class: Class) -> Result<()> {
    let credits = &i.p().credits;
    if class != i.s().settings.stack_class || credits.get() == 0 {
        return more_credits(i, class);
    }
    credits.set(credits.get() - 1);
    Ok(())
}

#[cold]
fn more_credits(i: Inside, class: Class) -> Result<()> {
    let p = i.p();
    // SAFETY: the cache belongs to the processor, which is ours.
    let cache = unsafe { &mut *p.stacks.get() };
    cache.promise(&i.s().depot, class)?;
    if class == i.s().settings.stack_class {
        // As many more as can be had: near the limit none.
        while p.credits.get() < CREDITS && cache.promise(&i.s().depot, class).is_ok() {
            p.credits.set(p.credits.get() + 1);
        }
    }
    Ok(())
}

/// Gives the credit of a task that has ended back.
#[inline(always)]
pub fn unpromise(i: Inside, class: Class) {
    let credits = &i.p().credits;
    if class != i.s().settings.stack_class || credits.get() >= 2 * CREDITS {
        return fewer_credits(i, class);
    }
    credits.set(credits.get() + 1);
}

#[cold]
fn fewer_credits(i: Inside, class: Class) {
    let p = i.p();
    // SAFETY: the cache belongs to the processor, which is ours.
    let cache = unsafe { &mut *p.stacks.get() };
    cache.unpromise(&i.s().depot, class);
    if class == i.s().settings.stack_class {
        give_credits_back(p, &i.s().depot, class, CREDITS);
    }
}

/// Gives all but `keep` of a processor's credits to its stack cache.
pub fn give_credits_back(p: &Processor, depot: &Depot, class: Class, keep: u32) {
    while p.credits.get() > keep {
        p.credits.set(p.credits.get() - 1);
        // SAFETY: the caller owns the processor.
        unsafe { (*p.stacks.get()).unpromise(depot, class) };
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
