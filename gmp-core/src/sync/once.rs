//! The once: a function that runs in one call of all, and those who wait until it has ended (§22.18).
//!
//! Owns: 16 bytes: a word, who runs the function, and the wait queue.
//!
//! Always true:
//!  - N1. The function is called outside the runtime and with nothing locked. However it ends, it has run: by a return; by an
//!        exception, which goes on in the caller; or by `exit` of the task, which leaves its frames without a trace, so a
//!        deferred call of the task stands by while the function runs.
//!  - N2. The word's upper half names the running party (task or thread), set in the step that starts the run. Only that
//!        party can find itself there.
//!  - N3. The queue is touched with `LOCK` set only. The step that sets `DONE` is the running side's last touch: who finds
//!        it, or was woken after it, may free the memory.
//!
//! Called by: any task or thread. Blocks: parks the task, or blocks a thread that is no task, while another runs it.
//! Tried and dropped: a `switch::call` around the function to catch `exit`: it would stop exceptions, and the task's deferred
//! calls would come before the end of the run.

use super::sema::{inside, wake, Place, Queued};
use crate::base::error::{Error, Result};
use crate::base::lock::Pause;
use crate::primitive::{sanitizer, AtomicU64, Ordering::*};
use crate::sched::wait::{self, FOREVER};
use crate::sched::{attach, enter, ready};
use crate::sys::thread::current_tid;
use crate::task::extra::{DeferFn, Extra};
use crate::task::wait_queue::{Claimed, Node, WaitQueue};
use crate::task::{Reason, Task};
use std::ffi::c_void;
use std::ptr;

const LOCK: u64 = 1;
const WAITERS: u64 = 2;
const RUNNING: u64 = 4;
const DONE: u64 = 8;
/// Where the name of the running party begins, and what tells a task's from a thread's.
const SHIFT: u32 = 32;
const OF_A_TASK: u64 = 1 << 31;

/// See the module.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Once {
    state: AtomicU64,
    queue: WaitQueue,
}

impl Once {
    /// True once the function has ended, and what it did is visible.
    #[inline(always)]
    pub fn is_done(&self) -> bool {
        let done = self.state.load(Acquire) & DONE != 0;
        if done {
            sanitizer::acquired(self);
        }
        done
    }

    /// Calls `f`, or waits until another call's function has ended. `Deadlock` from within that function; `Canceled` for a
    /// cancelled task that would have to wait; `NoMemory`, before anything, when the task has no room for N1's call.
    #[inline(always)]
    pub fn call(&self, f: impl FnOnce()) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        self.call_slowly(f)
    }

    #[inline(never)]
    fn call_slowly(&self, f: impl FnOnce()) -> Result<()> {
        let me = name_of_caller();
        let state = self.state.load(Acquire);
        if state == 0 {
            let run = Run::prepare(self)?;
            if self.state.compare_exchange(0, RUNNING | me << SHIFT, Acquire, Acquire).is_ok() {
                f();
                return run.end();
            }
            run.cancel();
        }
        if self.state.load(Acquire) >> SHIFT == me {
            return Err(Error::Deadlock);
        }
        self.wait()
    }

    fn wait(&self) -> Result<()> {
        inside(|i| {
            if self.is_done() {
                return Ok(());
            }
            wait::may_wait(i, FOREVER)?;
            // SAFETY: inside if a task.
            unsafe { wait::wait(i, Reason::Once, FOREVER, &Place::new(self, 0), |_| ()) }?;
            sanitizer::acquired(self);
            Ok(())
        })
    }

    /// The function has ended: these are to be woken.
    fn finish(&self) -> Claimed {
        sanitizer::released(self);
        let mut state = self.state.load(Relaxed);
        let mut pause = Pause::new();
        loop {
            if state & LOCK != 0 {
                pause.once();
                state = self.state.load(Relaxed);
                continue;
            }
            let next = if state & WAITERS != 0 { state | LOCK } else { DONE };
            // Release: what the function did is visible to who finds it done.
            match self.state.compare_exchange_weak(state, next, AcqRel, Relaxed) {
                Ok(_) if state & WAITERS != 0 => break,
                Ok(_) => return Claimed::none(),
                Err(now) => state = now,
            }
        }
        let mut claimed = Claimed::none();
        self.queue.claim_all(|node| claimed.push(node));
        self.unlock(DONE);
        claimed
    }

    fn unlock(&self, rest: u64) {
        let waiters = if self.queue.is_empty() { 0 } else { WAITERS };
        self.state.store(rest & !(LOCK | WAITERS) | waiters, Release);
    }
}

impl Queued for &Once {
    fn enlist(&self, node: &Node, arm: impl FnOnce() -> bool) -> Option<bool> {
        let mut pause = Pause::new();
        let state = loop {
            let state = self.state.load(Acquire);
            if state & DONE != 0 {
                return None;
            }
            let locked = state | LOCK | WAITERS;
            if state & LOCK == 0 && self.state.compare_exchange(state, locked, Acquire, Relaxed).is_ok() {
                break state;
            }
            pause.once();
        };
        self.queue.push(node);
        let armed = arm();
        if !armed {
            self.queue.remove(node);
        }
        self.unlock(state);
        Some(armed)
    }

    fn address(&self) -> usize {
        &raw const **self as usize
    }

    fn leave(&self, node: &Node) -> Claimed {
        let mut pause = Pause::new();
        let state = loop {
            let state = self.state.load(Relaxed);
            if state & LOCK == 0 && self.state.compare_exchange_weak(state, state | LOCK, Acquire, Relaxed).is_ok() {
                break state;
            }
            pause.once();
        };
        self.queue.remove(node);
        self.unlock(state);
        Claimed::none()
    }
}

/// The calling task; None for a thread.
fn current<'a>() -> Option<&'a Task> {
    let m = enter::task_machine();
    // SAFETY: this thread's machine, whose current task is the caller and lives while it runs.
    unsafe { m.as_ref().map(|m| &*m.current.get()) }
}

/// Never 0.
fn name_of_caller() -> u64 {
    match current() {
        Some(t) => OF_A_TASK | t.index as u64,
        None => {
            attach::note();
            current_tid() as u64
        }
    }
}

/// One run of the function. Dropped while its exception passes.
struct Run<'a> {
    once: &'a Once,
    in_task: bool,
}

impl<'a> Run<'a> {
    /// Has the end of the run called at the task's end, should the function exit.
    fn prepare(once: &'a Once) -> Result<Run<'a>> {
        let task = current();
        if let Some(t) = task {
            if t.extra.get().is_null() {
                t.extra.set(Extra::new()?);
            }
            // SAFETY: the task's own box.
            unsafe { (*t.extra.get()).defer(exited as DeferFn, once as *const Once as *mut c_void) }?;
        }
        Ok(Run { once, in_task: task.is_some() })
    }

    /// Takes the deferred call back, from below those that the function has added. False: it has been made.
    fn take_back(&self) -> bool {
        let Some(t) = current().filter(|_| self.in_task) else { return true };
        // SAFETY: the task's own box, which `prepare` saw to.
        let defers = unsafe { &mut (*t.extra.get()).defers };
        let arg = self.once as *const Once as *mut c_void;
        let at = defers.iter().rposition(|&(f, a)| ptr::eq(a, arg) && ptr::fn_addr_eq(f, exited as DeferFn));
        at.map(|at| defers.remove(at)).is_some()
    }

    /// Somebody else runs it.
    fn cancel(self) {
        self.take_back();
        std::mem::forget(self);
    }

    /// The function has returned.
    fn end(self) -> Result<()> {
        self.take_back();
        wake(self.once.finish());
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // Where `exit` unwinds, it comes by here after its deferred calls: then all is done, and the object perhaps gone.
        if self.take_back() {
            // Not from inside: entering may move the task to another thread, and a Rust panic must stay on its own.
            // SAFETY: claimed by us.
            unsafe { ready::finish_all(None, self.once.finish()) };
        }
    }
}

/// The task has left the function by `exit`.
unsafe extern "C-unwind" fn exited(once: *mut c_void) {
    // SAFETY: the object stays while its function has not ended.
    wake(unsafe { (*(once as *const Once)).finish() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::panic::{catch_unwind, AssertUnwindSafe};

    #[test]
    fn runs_once_and_recursion_is_told() {
        let (o, runs) = (Once::default(), Cell::new(0));
        let mut inner = Ok(());
        o.call(|| {
            runs.set(runs.get() + 1);
            inner = o.call(|| unreachable!("it runs already"));
        })
        .unwrap();
        assert_eq!(inner, Err(Error::Deadlock));
        o.call(|| unreachable!("it has run")).unwrap();
        assert_eq!((runs.get(), o.state.load(Relaxed)), (1, DONE));
        assert_eq!(std::mem::size_of::<Once>(), 16);
    }

    #[test]
    fn panic_goes_on_and_counts_as_done() {
        let o = Once::default();
        let caught = catch_unwind(AssertUnwindSafe(|| o.call(|| std::panic::resume_unwind(Box::new(7)))));
        assert_eq!(caught.unwrap_err().downcast_ref::<i32>(), Some(&7));
        assert!(o.is_done());
    }

    #[test]
    fn threads_wait_for_the_one_that_runs_it() {
        let (o, value) = (Once::default(), std::sync::atomic::AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    o.call(|| {
                        std::thread::yield_now();
                        assert_eq!(value.fetch_add(1, Relaxed), 0);
                    })
                    .unwrap();
                    assert_eq!(value.load(Relaxed), 1);
                });
            }
        });
    }
}
