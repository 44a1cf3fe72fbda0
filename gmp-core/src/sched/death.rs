//! A task ends its machine's thread: `pthread_exit` in it, or `pthread_cancel` of the thread.
//!
//! Owns: what becomes of the task, the machine and the processor then. The C library unwinds the task's frames by force (cleanup
//! handlers and destructors run), passes its root ([`Root`]) and goes on on the thread's own stack with the destructors of
//! thread-specific data. One of those is ours: it ends the task, as `exit` does, and replaces the machine.
//!
//! Always true:
//!  - From the root on the thread has no current task: what runs there is a foreign thread's, and no switch leaves that stack.
//!  - The task's deferred calls and the destructors of its locals run then, on the dying thread, before anybody is told.
//!  - Tasks that ran in place on one stack end together: the frames of all were unwound.
//!  - A machine that something is pinned to gets a new thread; where none can be had, it goes on in the destructor. Else it ends.
//!
//! Called by: the unwinder and the C library. Blocks: as deferred calls and hooks do, with the processor open to be taken.
//! On the `context` switch, whose first frame is a Rust one that catches, such an unwind aborts the process.

use super::entry::{self, Outcome};
use super::{bound, hooks, in_place, run, serving, spawn, stacks, Inside, Shared};
use crate::machine::{Duty, Machine};
use crate::primitive::{tls, Ordering::*};
use crate::switch::{Ended, EXITED};
use crate::sys::thread_table::Table;
use crate::task::Task;
use std::ffi::c_void;
use std::ptr::null_mut;

static THREADS: Table = Table::new(thread_ends);

/// The calling thread's end shall be noticed. Without memory for that it is not, as for any thread-specific value.
pub fn watch(m: &Machine) {
    let _ = THREADS.set(m as *const Machine as *mut c_void);
}

/// Lies below all frames of a task that has its own stack. Dropped by a forced unwind only.
pub struct Root<'a> {
    pub t: &'a Task,
    /// What the frame of the entry call hides in the record.
    pub at_end: usize,
}

impl Drop for Root<'_> {
    fn drop(&mut self) {
        self.t.frame.set(self.at_end);
        // SAFETY: the thread of a machine whose current task was just unwound.
        let m = unsafe { &*(tls::get() as *const Machine) };
        m.died.set(m.current.replace(null_mut()));
    }
}

unsafe extern "C" fn thread_ends(m: *mut c_void) {
    // SAFETY: set by `watch`; machines are not freed before their threads are joined.
    let m = unsafe { &*(m as *const Machine) };
    if !std::ptr::eq(tls::get() as *const Machine, m) {
        // The ordinary end.
        return;
    }
    // Without unwind information the root was not passed: what the task wanted to be called at its end is lost.
    let rooted = !m.died.get().is_null();
    let t = if rooted { m.died.replace(null_mut()) } else { m.current.replace(null_mut()) };
    if t.is_null() {
        // A hook on the machine's own stack.
        return;
    }
    // SAFETY: this thread's machine, outside, whose task has died; the runtime outlives its machines.
    unsafe {
        let s = &*(m.shared as *const Shared);
        end_tasks(s, m, &*t, rooted);
        replace(s, m);
    }
}

/// The tasks on one stack, the innermost first.
unsafe fn end_tasks(s: &Shared, m: &Machine, innermost: &Task, rooted: bool) {
    let each = |f: &dyn Fn(&Task)| {
        let mut t = innermost;
        loop {
            let host = t.host.get();
            f(t);
            match host.checked_sub(1) {
                // SAFETY: a host is parked below the task that it hosts.
                Some(index) => t = unsafe { &*s.slab.at(index) },
                None => break,
            }
        }
    };
    // SAFETY: the tasks have died, so all that is theirs is ours; `outside` comes back inside with a processor.
    unsafe {
        hooks::outside(m, true, || {
            each(&|t| {
                if !t.extra.get().is_null() {
                    entry::run_deferred(t);
                    spawn::destroy_locals(s, t);
                }
            });
        });
        each(&|t| {
            let i = Inside::assume(m);
            // (One that ran in place has nothing to be called: who has is detached, and joined by nobody.)
            if !rooted || t.host.get() != 0 {
                t.end_arg.set(null_mut());
            }
            let at_end = t.frame.get();
            let outcome = Outcome { ended: Ended { how: EXITED, value: null_mut() }, at_end };
            let class = t.class();
            if t.host.get() != 0 {
                i.p().counters.wakes.inc();
                in_place::over(i, t, at_end);
            } else if class.is_null() {
                let stack = t.stack.get();
                entry::finish(i, t, outcome);
                stacks::recycle(i, stack);
            } else {
                entry::store(t, outcome);
                hooks::ending(i, t);
                serving::finish(i, t, &*class);
            }
        });
        serving::put_down(m);
    }
}

/// The machine goes on on another thread, or ends.
fn replace(s: &Shared, m: &Machine) {
    m.duty.set(Duty::End);
    if !m.processor.load(Relaxed).is_null() {
        // SAFETY: inside, on the machine's own stack, with a processor.
        bound::hand_over(unsafe { Inside::assume(m) }, false);
    }
    hooks::machine_ends(m);
    tls::set(null_mut());
    m.tid.store(0, Relaxed);
    if !m.is_needed() || s.stopping.load(Relaxed) {
        s.resign(m);
        if !s.stopping.load(Relaxed) {
            s.thread_over(m);
        }
        return;
    }
    m.renew();
    if !s.replace_thread(m) {
        run::machine_main(m);
    }
}
