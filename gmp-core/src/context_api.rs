//! Contexts and cancellation as a whole process has them: with the runtime for their timers and for the functions that are
//! called after their end.
//!
//! Owns: nothing. Called by: any task or thread. Blocks: nothing.

use crate::base::error::{Error, Result};
use crate::context::hook::{self, Call, Hook};
use crate::context::{member, Context, ContextRef, Kind};
use crate::sched::enter;
use crate::task::handle::Handle;
use crate::{cancel, global, join};

/// A context below `parent`; None: below the calling task's own, or a root outside a task.
pub fn new(parent: Option<&Context>, kind: Kind) -> Result<ContextRef> {
    let parent = match parent {
        Some(parent) => Some(parent),
        None => member::parent()?,
    };
    let made = Context::make(parent, kind)?;
    if let Some(overdue) = made.overdue() {
        end(overdue, Error::TimedOut.code(), 0)?;
    } else if made.needs_timer() {
        global::with(|i, s| made.start_timer(i, s))?;
    }
    Ok(made)
}

/// Ends a context and all below it; nothing if it has ended. An error: a function to be called after it was not started.
pub fn end(context: &Context, error: i32, cause: i32) -> Result<()> {
    context.is_here()?;
    let i = enter::enter();
    let ended = context.end(i, error, cause);
    if i.is_some() {
        join::exit_current();
    }
    ended.start(|call| start(&call))
}

fn start(call: &Call) -> Result<()> {
    global::spawn(|s, _| Ok(call.spawn(s))).map(drop)
}

/// A context's error; one whose deadline has passed ends here if its timer has not come to it.
pub fn error(context: &Context) -> i32 {
    if let Some(overdue) = context.overdue() {
        // What could not be started is told to who ends a context, not to who asks.
        let _not_started = end(overdue, Error::TimedOut.code(), 0);
    }
    context.error()
}

/// Has `call` started when the context ends; at once if it has. The handle.
pub fn after(context: &Context, call: Call) -> Result<*const Hook> {
    error(context);
    let (handle, over) = hook::add(context, call)?;
    if over {
        if let Err(e) = start(&call) {
            // SAFETY: the handle is ours until it is given away.
            let _used_up = unsafe { hook::stop(handle) };
            return Err(e);
        }
    }
    Ok(handle)
}

/// Cancels a task by its handle.
pub fn cancel_task(handle: u64) -> Result<()> {
    let name = Handle::unpack(handle);
    let found = global::look(|s| cancel::mark(s, name)).unwrap_or(Err(Error::Invalid));
    if !found.map_err(|e| global::stale(handle, e))? {
        return Ok(());
    }
    let told = global::look(|s| cancel::tell(s, name, |own| end(own, Error::Canceled.code(), 0)));
    match (told, global::with_running(|i, s| cancel::end_wait(s, i, name))) {
        // It was joined meanwhile.
        (None | Some(Err(Error::Invalid)), _) | (_, Err(Error::Invalid)) => Ok(()),
        (Some(told), ended) => told.and(ended),
    }
}
