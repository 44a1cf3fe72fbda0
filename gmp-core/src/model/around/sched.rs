//! The scheduler of a model: as much of it as waiting, cancelling and timers ask for. The rest of their code is the real one.
//!
//! A task is a thread of the model that has said so ([`as_task`]); all others are foreign. A task that parks sleeps until it
//! is made ready, and its commit is run by itself before that or, as with a machine that goes on with another task, by
//! a thread that the task does not wait for ([`Commits`]).

#[path = "../../sched/attention.rs"]
pub mod attention;
#[path = "../../sched/cancel.rs"]
pub mod cancel;
#[path = "../../sched/idle.rs"]
pub mod idle;
#[path = "../../sched/wait.rs"]
pub mod wait;

use crate::base::fence::Barrier;
use crate::base::lock::Lock;
use crate::base::rng::Rng;
use crate::machine::{Machine, Unasked};
use crate::primitive::{tls, AtomicBool, AtomicU32};
use crate::source::timer::Timers;
use crate::task::handle::Handle;
use crate::task::Task;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::ptr::{null, NonNull};

/// Who runs the commits of parks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commits {
    /// The task itself, before it sleeps.
    First,
    /// Another thread: the task may go on while its commit does.
    Beside,
}

/// What all threads of a model see of the runtime: one processor, and some tasks.
pub struct Shared {
    pub settings: Settings,
    pub barrier: Barrier,
    pub slab: Slab,
    pub refusing: AtomicBool,
    pub visitors: AtomicU32,
    pub extras: [Lock; 1],
    pub monitor: Monitor,
    pub idle: Busy,
    pub processor: Processor,
    commits: Commits,
    /// Threads that run commits.
    beside: RefCell<Vec<loom::thread::JoinHandle<()>>>,
    /// Tasks that were spawned.
    pub spawned: AtomicU32,
}

pub struct Settings {
    pub epoch: u8,
}

pub struct Processor {
    pub timers: Timers,
    pub rng: UnsafeCell<Rng>,
}

pub struct Monitor;

impl Monitor {
    pub fn attend_until(&self, _when: i64) {}
}

/// Every processor has a machine.
pub struct Busy;

impl Busy {
    pub fn hungry(&self) -> bool {
        false
    }
}

pub struct Slab(Vec<Task>);

impl Slab {
    pub fn find(&self, handle: Handle) -> Option<NonNull<Task>> {
        let task = self.0.get(handle.index as usize)?;
        (task.generation() == handle.generation).then_some(NonNull::from(task))
    }

    pub fn at(&self, index: u32) -> *const Task {
        &self.0[index as usize]
    }
}

// SAFETY: loom runs the threads of a model in turn, and its cells and atomics check every access.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    /// With so many tasks.
    pub fn new(tasks: u32, commits: Commits) -> Shared {
        Shared {
            settings: Settings { epoch: 0 },
            barrier: Barrier::fences(),
            slab: Slab((0..tasks).map(Task::new).collect()),
            refusing: AtomicBool::new(false),
            visitors: AtomicU32::new(0),
            extras: [Lock::new()],
            monitor: Monitor,
            idle: Busy,
            processor: Processor { timers: Timers::default(), rng: UnsafeCell::new(Rng::new(1)) },
            commits,
            beside: RefCell::default(),
            spawned: AtomicU32::new(0),
        }
    }

    pub fn task(&self, n: usize) -> &Task {
        &self.slab.0[n]
    }

    /// What names a task.
    pub fn handle(&self, n: usize) -> Handle {
        Handle { index: n as u32, generation: self.task(n).generation(), epoch: 0 }
    }

    /// At the end of a model: waits for the commits.
    pub fn end(&self) {
        for commit in self.beside.take() {
            commit.join().expect("loom ends the test when a thread panics");
        }
    }

    pub fn procs(&self) -> impl Iterator<Item = &Processor> {
        std::iter::once(&self.processor)
    }

    pub fn procs_wanted(&self) -> u32 {
        2
    }
}

fn machine(s: *const Shared, current: *const Task) -> Machine {
    Machine { shared: s as *const (), current: Cell::new(current as *mut Task), owner: Unasked }
}

/// Runs `f` as task `n`.
pub fn as_task<R>(s: &Shared, n: usize, f: impl FnOnce() -> R) -> R {
    let machine = machine(s, s.task(n));
    tls::set(&raw const machine as *mut ());
    let result = f();
    tls::set(std::ptr::null_mut());
    result
}

/// Runs `f` as a machine that looks for work.
pub fn as_machine<R>(s: &Shared, f: impl FnOnce(Inside) -> R) -> R {
    let machine = machine(s, null());
    tls::set(&raw const machine as *mut ());
    // SAFETY: set just now.
    let result = f(unsafe { Inside::current() });
    tls::set(std::ptr::null_mut());
    result
}

/// A thread of the model that is a machine's.
#[derive(Clone, Copy)]
pub struct Inside {
    machine: *const Machine,
}

impl Inside {
    /// # Safety
    /// The calling thread is a task's or a machine's.
    pub unsafe fn current() -> Inside {
        Inside { machine: tls::get() as *const Machine }
    }

    pub fn m<'a>(self) -> &'a Machine {
        // SAFETY: it stands as long as the thread is a task or machine.
        unsafe { &*self.machine }
    }

    pub fn p<'a>(self) -> &'a Processor {
        &self.s().processor
    }

    pub fn s<'a>(self) -> &'a Shared {
        // SAFETY: the world outlives its threads.
        unsafe { &*(self.m().shared as *const Shared) }
    }

    pub fn exit(self) {}
}

pub mod attach {
    //! Nobody looks for a deadlock; that is `model/deadlock.rs`'s.

    use crate::base::attached::{Attached, Place, Slot};

    pub fn note() {}

    pub fn note_foreign() {}

    pub fn all() -> *const Attached {
        std::ptr::null()
    }

    pub fn slot() -> Option<&'static Slot> {
        None
    }

    pub fn lie_down(_: &Slot, _: Place) {}

    pub fn get_up() {}
}

pub mod enter {
    //! Entering costs nothing; who owns a processor is `model/owner.rs`'s.

    use super::{tls, Inside, Machine, Task};

    pub fn current<'a>() -> Option<&'a Task> {
        let m = tls::get() as *const Machine;
        // SAFETY: a machine of this thread; a task's record stands as long as the world.
        unsafe { m.as_ref().and_then(|m| m.current.get().as_ref()) }
    }

    pub fn enter() -> Option<Inside> {
        // SAFETY: a task's thread.
        current().map(|_| unsafe { Inside::current() })
    }
}

pub mod park {
    use super::{tls, Commits, Inside, Shared, Task};
    use crate::task::Reason;
    use std::ffi::c_void;
    use std::ptr::null;

    pub fn me<'a>(i: Inside) -> &'a Task {
        // SAFETY: a task's thread; its record stands as long as the world.
        unsafe { &*i.m().current.get() }
    }

    struct Commit(*const Shared, unsafe fn(*mut c_void), *mut c_void);

    // SAFETY: handed over to one thread.
    unsafe impl Send for Commit {}

    impl Commit {
        fn run(self) {
            let machine = super::machine(self.0, null());
            tls::set(&raw const machine as *mut ());
            // SAFETY: the parked task's.
            unsafe { (self.1)(self.2) };
            tls::set(std::ptr::null_mut());
        }
    }

    /// # Safety
    /// As of the real one.
    pub unsafe fn park(i: Inside, _reason: Reason, commit: unsafe fn(*mut c_void), data: *mut c_void) {
        match i.s().commits {
            // SAFETY: as promised.
            Commits::First => unsafe { commit(data) },
            Commits::Beside => {
                let commit = Commit(i.s(), commit, data);
                let thread = loom::thread::spawn(move || commit.run());
                i.s().beside.borrow_mut().push(thread);
            }
        }
        me(i).resumed.sleep(None);
    }
}

pub mod ready {
    use super::{Inside, Shared, Task};
    use crate::task::ready_list::ReadyList;
    use crate::task::wait_queue::Claimed;
    use crate::task::waiter::Waiter;

    /// # Safety
    /// As of the real one, as for all here.
    pub unsafe fn ready(_i: Inside, task: *mut Task) {
        // SAFETY: a record stands as long as the world.
        unsafe { (*task).resumed.wake() };
    }

    pub fn ready_all(_s: &Shared, _i: Option<Inside>, tasks: &mut ReadyList) {
        while let Some(task) = tasks.pop() {
            // SAFETY: as above.
            unsafe { (*task).resumed.wake() };
        }
    }

    unsafe fn finish(waiter: *const Waiter) {
        // SAFETY: V1.
        unsafe {
            match (*waiter).task().as_ref() {
                None => Waiter::finish_thread(waiter),
                Some(task) => task.resumed.wake(),
            }
        }
    }

    pub unsafe fn finish_all(_i: Option<Inside>, mut claimed: Claimed) {
        while let Some(waiter) = claimed.pop() {
            // SAFETY: claimed by the caller.
            unsafe { finish(waiter) };
        }
    }

    pub unsafe fn wake(_i: Option<Inside>, waiter: *const Waiter) {
        // SAFETY: the waiter stays until `done`.
        unsafe {
            if (*waiter).word().claim_or_done() {
                finish(waiter);
            }
        }
    }

    pub fn demote_next(_i: Inside) {}
}

pub mod spawn {
    use super::{Inside, Shared, Task};
    use crate::base::error::Result;
    use crate::primitive::Ordering::*;
    use crate::task::TaskFn;
    use std::ffi::c_void;

    pub struct Spawn;

    impl Spawn {
        pub fn plain(_s: &Shared, _entry: TaskFn, _arg: *mut c_void, _site: usize) -> Spawn {
            Spawn
        }
    }

    /// The task is counted, and does not run.
    pub fn spawn_fired(i: Inside, _spawn: &Spawn) -> Result<()> {
        i.s().spawned.fetch_add(1, Relaxed);
        Ok(())
    }

    pub unsafe fn recycle(_i: Inside, task: *mut Task) {
        // SAFETY: ended, and the caller's.
        unsafe { reset(&*task) };
    }

    pub unsafe fn recycle_foreign(_s: &Shared, task: *mut Task) {
        // SAFETY: as above.
        unsafe { reset(&*task) };
    }

    fn reset(t: &Task) {
        t.arg.set(std::ptr::null_mut());
        t.recycled.fetch_add(1, Relaxed);
        t.generation.fetch_add(1, Release);
    }
}

pub mod in_place {
    use super::{Inside, Task};
    use crate::base::error::Result;
    use std::ffi::c_void;

    /// Every task has started.
    pub unsafe fn try_run(_i: Inside, _t: &Task) -> Option<Result<*mut c_void>> {
        None
    }
}

pub mod timing {
    use super::{Inside, Shared};
    use crate::base::error::Result;
    use crate::source::timer::{Timed, Timers};

    pub unsafe fn start(s: &Shared, _i: Option<Inside>, when: i64, timed: *const Timed) -> Result<*const Timers> {
        let timers = &s.processor.timers;
        timers.reserve()?;
        // SAFETY: the caller's promise.
        unsafe { timers.insert(when, timed) };
        Ok(timers)
    }
}
