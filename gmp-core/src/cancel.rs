//! Cancelling one task by its handle, and what a task does about its own cancellation.
//!
//! Owns: the order: the mark, the contexts made for the task, its class, and last the end of the wait that it is in.
//! Called by: any task or thread. Blocks: nothing.

use crate::base::error::{Error, Result};
use crate::context::{member, Context};
use crate::join::find;
use crate::sched::wait::is_cancelled;
use crate::sched::{cancel, enter, Inside, Shared};
use crate::task::handle::Handle;
use crate::task::join::Seen;
use crate::task::ready_list::ReadyList;
use crate::task::FLAG_SHIELDED;

/// First: the mark. False: the task has ended, there is nothing to cancel.
pub fn mark(s: &Shared, handle: Handle) -> Result<bool> {
    let t = find(s, handle)?;
    if t.join.is_detached() {
        return Err(Error::Invalid);
    }
    if t.join.look() == Seen::Ended {
        return Ok(false);
    }
    if !cancel::mark_if(t, handle.generation) {
        return Err(Error::Invalid);
    }
    Ok(true)
}

/// Last: the wait that the task is in.
pub fn end_wait(s: &Shared, i: Option<Inside>, handle: Handle) -> Result<()> {
    let t = find(s, handle)?;
    s.cancel_barrier(); // F5
    let mut tasks = ReadyList::new();
    cancel::end_wait(t, handle.generation, &mut tasks);
    cancel::ready_cancelled(s, i, &mut tasks);
    Ok(())
}

/// Then, outside the runtime: the task's own context ends (by `end`), and its class is told, before the task can go on because of
/// it.
pub fn tell(s: &Shared, handle: Handle, end: impl FnOnce(&Context) -> Result<()>) -> Result<()> {
    let t = find(s, handle)?;
    // What is pinned keeps the task from ending: so the context is ended after that, as it may make us wait for a processor.
    let own = s.with_extra(t, handle.generation, member::own_of).flatten();
    // SAFETY: `own_of` gave a reference.
    let result = unsafe {
        own.and_then(|own| own.as_ref()).map_or(Ok(()), |own| {
            let result = end(own);
            Context::release(own);
            result
        })
    };
    // A task of a class ends on its machine's own stack, and waits there as in a declared section.
    s.with_extra(t, handle.generation, |extra| {
        // SAFETY: a class lives as long as its runtime, and the task is kept from ending.
        unsafe {
            if let Some(class) = extra.class.as_ref() {
                class.cancelled(extra.class_data);
            }
        }
    });
    result
}

/// Makes the calling task's waits ignore cancellation, or not any more; the previous state. `Permission` outside a task.
pub fn shield(on: bool) -> Result<bool> {
    let me = enter::current().ok_or(Error::Permission)?;
    let flags = me.flags.get();
    me.flags.set(if on { flags | FLAG_SHIELDED } else { flags & !FLAG_SHIELDED });
    Ok(flags & FLAG_SHIELDED != 0)
}

/// True when the calling task was cancelled and does not shield itself.
#[inline]
pub fn is_requested() -> bool {
    enter::current().is_some_and(is_cancelled)
}
