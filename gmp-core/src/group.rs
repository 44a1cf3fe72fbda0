//! Groups: tasks that are waited for together, of which the first failure cancels the rest.
//!
//! Owns: the record of a group: its context, a wait group, and the first failure.
//!
//! Always true: no task outlives its group. A task counts from before it is started until it has ended; `wait` gives the group
//! back only when the count is zero; a wait that its caller's context ends cancels the group and waits on.
//!
//! Called by: any task or thread. Blocks: `wait`.

use crate::base::alloc::try_box;
use crate::base::error::{Error, Result};
use crate::context::{Context, ContextRef, Kind};
use crate::primitive::{AtomicI32, Ordering::*};
use crate::sched::spawn::{self, Spawn};
use crate::sched::{Inside, Shared};
use crate::sync::wait_group::WaitGroup;
use crate::task::EndFn;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

/// What a task of a group runs: 0, or the code of its failure.
pub type JobFn = unsafe extern "C-unwind" fn(*mut c_void) -> c_int;

/// See the module.
#[derive(Debug)]
pub struct Group {
    context: ContextRef,
    tasks: WaitGroup,
    /// The first result that was not 0.
    first: AtomicI32,
}

struct Job {
    group: *const Group,
    f: JobFn,
    arg: *mut c_void,
    result: c_int,
}

impl Group {
    /// An empty one, below `parent`.
    pub fn new(parent: Option<&Context>) -> Result<Box<Group>> {
        let context = Context::make(parent, Kind::default())?;
        try_box(Group { context, tasks: WaitGroup::default(), first: AtomicI32::new(0) })
    }

    /// What its tasks are in.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Starts `f(arg)` in the group, by `spawn` (from a task or a thread).
    ///
    /// # Safety
    /// The group stays until `wait` has given it back.
    pub unsafe fn go(
        &self,
        f: JobFn,
        arg: *mut c_void,
        site: usize,
        spawn: impl FnOnce(&dyn Fn(&Shared) -> Result<Spawn>) -> Result<()>,
    ) -> Result<()> {
        self.context.is_here()?;
        // A task that does not come to its end (exit, exception) has failed.
        let job = Box::into_raw(try_box(Job { group: self, f, arg, result: Error::Panicked.code() })?);
        let _none = self.tasks.add(1).expect("a group has less than 2^61 tasks");
        let spawned = spawn(&|s| {
            let at_end = Some((end as EndFn, job as *mut c_void));
            let mut what = Spawn { at_end, ..Spawn::plain(s, run, job as *mut c_void, site) };
            crate::context::member::give(s, &mut what, &self.context).map(|()| what)
        });
        if spawned.is_err() {
            // SAFETY: no task has it.
            drop(unsafe { Box::from_raw(job) });
            self.tasks.change(-1)?;
        }
        spawned
    }

    /// Waits until all its tasks have ended; the first failure or 0.
    pub fn wait(&self, deadline: i64) -> Result<c_int> {
        self.context.is_here()?;
        self.tasks.wait(deadline)?;
        Ok(self.first.load(Acquire))
    }

    /// The same, whatever becomes of the caller. In a fork's child there is nobody to wait for.
    pub fn wait_shielded(&self) {
        if self.context.is_here().is_ok() {
            self.tasks.wait_shielded();
        }
    }
}

unsafe extern "C-unwind" fn run(job: *mut c_void) -> *mut c_void {
    // SAFETY: the task's own job until its end.
    unsafe {
        let job = job as *mut Job;
        (*job).result = ((*job).f)((*job).arg);
    }
    null_mut()
}

/// The end of a task of a group.
unsafe fn end(job: *mut c_void) {
    // SAFETY: called inside, once; the group stays while the task counts in it.
    unsafe {
        let i = Inside::current();
        let job = Box::from_raw(job as *mut Job);
        let group = &*job.group;
        if job.result != 0 && group.first.compare_exchange(0, job.result, AcqRel, Relaxed).is_ok() {
            let ended = group.context.end(Some(i), Error::Canceled.code(), 0);
            let started = ended.start(|call| spawn::spawn_fired(i, &call.spawn(i.s())).map(drop));
            if let Err(e) = started {
                eprintln!("gmp: a function to be called after a group's end was not started: {e}");
            }
        }
        let _counted = group.tasks.change_inside(Some(i), -1);
    }
}
