//! All policy: who runs what, where, when. Reads with `README.md` beside it.
//!
//! Owns: [`Shared`], what all machines of one runtime see. Each field names the file that owns its rule.
//! Tasks call down into here through the objects of the layer above (join, sleep, wait groups …), which know only
//! `park`, `ready` and the hand-off.

pub mod attach;
pub mod attention;
pub mod bound;
pub mod calls;
pub mod cancel;
pub mod deadlock;
pub mod death;
pub mod enter;
pub mod entry;
pub mod expose;
pub mod find;
pub mod global;
pub mod handoff;
pub mod hooks;
pub mod idle;
pub mod in_place;
pub mod inbox;
pub mod monitor;
pub mod overflow;
pub mod park;
pub mod poll;
pub mod pool;
pub mod procs;
pub mod ready;
pub mod record;
pub mod retake;
pub mod run;
pub mod seeded;
pub mod serving;
pub mod shutdown;
pub mod spawn;
pub mod stacks;
pub mod surplus;
pub mod switching;
pub mod taking;
pub mod timing;
pub mod token;
pub mod wait;
pub mod watched;

use crate::base::coarse::Coarse;
use crate::base::fence::Barrier;
use crate::base::lock::Lock;
use crate::base::rng::Rng;
use crate::machine::Machine;
use crate::primitive::{forks, AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering::*};
use crate::processor::Processor;
use crate::source::poller::Poller;
use crate::stack::Depot;
use crate::sys::thread::Mask;
use crate::task::class::Class;
use crate::task::slab::Slab;
use attention::Attention;
use global::Global;
use idle::Idle;
use spawn::Foreign;

/// Most processors; more are not created.
pub const MAX_PROCS: usize = 4096;

/// What a runtime is started with, checked and with its defaults filled in.
#[derive(Clone, Debug)]
pub struct Settings {
    pub max_procs: i32,
    /// The default for `max_procs`, to be followed while running (§13.4).
    pub follow_procs: bool,
    pub max_threads: i32,
    /// The size class of a task that asks for none.
    pub stack_class: crate::stack::Class,
    /// The default stack size was asked for by number.
    pub exact_stack: bool,
    pub seed: u64,
    /// How long a surplus machine sleeps before it ends, in nanoseconds.
    pub idle_thread: i64,
    /// Stack overflows are told of (`overflow.rs`).
    pub overflow_handler: bool,
    /// The seed was given: the order is drawn from it. And whether time is virtual.
    pub seeded: bool,
    pub virtual_time: bool,
    /// A deadlock ends the process.
    pub deadlock_abort: bool,
    /// For how long a state must last to be one.
    pub deadlock_ns: i64,
    /// Writes the report of one.
    pub on_deadlock: fn(&Shared),
    /// The process's keys of task-local values.
    pub keys: &'static crate::task::local::Keys,
    /// Numbers this start among all of the process (see `task/handle.rs`).
    pub epoch: u8,
}

/// What changes only under the scheduler's lock.
pub struct Locked {
    /// Idle processors, last in first out. Their queues are empty.
    pub idle_procs: Vec<*mut Processor>,
    /// Sleeping machines without a processor, last in first out.
    pub idle_machines: Vec<*const Machine>,
    /// All machines, by index; never removed while the runtime lives.
    pub machines: Vec<Box<Machine>>,
    /// Records whose thread could not be made or has ended, to be used again.
    pub spare_machines: Vec<*const Machine>,
    /// Their threads, each with its number among all that were ever made; joined at shutdown.
    pub threads: Vec<(u64, crate::sys::thread::Thread)>,
    pub threads_made: u64,
    /// Those that have ended, to be joined (`surplus.rs`).
    pub ended: Vec<u64>,
    /// How many processors there shall be.
    pub procs_wanted: i32,
    /// How many there are.
    pub procs: i32,
    /// Machines whose threads exist or are being made.
    pub machine_count: i32,
    pub max_threads: i32,
    pub threads_peak: i32,
    /// The sleeping machine that wakes at the earliest timer, and that time; null when none does.
    pub watcher: *const Machine,
    pub watch_until: i64,
    /// Work could not get a machine (cap or failure): the monitor tries again.
    pub starved: bool,
    /// Task classes in use.
    pub classes: Vec<Box<Class>>,
    /// Their tokens (`token.rs`).
    pub tokens: Vec<Box<token::Token>>,
}

// SAFETY: the pointers name records of this runtime; they are used under the lock.
unsafe impl Send for Locked {}

/// Rare events, counted with atomics.
#[derive(Debug, Default)]
pub struct Tallies {
    pub thread_limit_hits: AtomicU64,
    pub handoffs: AtomicU64,
    pub retakes_blocked: AtomicU64,
    pub retakes_running: AtomicU64,
}

/// What all machines of one runtime see.
pub struct Shared {
    pub settings: Settings,
    /// The process that made it (`forks`).
    pub process: u32,
    /// The signals that who started the runtime blocks; so do its threads.
    pub mask: Mask,
    pub barrier: Barrier,
    pub slab: Slab,
    pub depot: Depot,
    pub global: Global,
    pub idle: Idle,
    pub coarse: Coarse,
    pub lock: Mutex<Locked>,
    procs: Box<[AtomicPtr<Processor>]>,
    procs_len: AtomicU32,
    ids: AtomicU64,
    /// `Locked::procs_wanted`, to read without the lock.
    wanted: AtomicU32,
    /// Changes of the number of processors, one at a time.
    resizing: Mutex<()>,
    /// The number was set by hand: it is not followed any more (§13.5).
    pub procs_fixed: AtomicBool,
    pub monitor: Attention,
    pub poller: Poller,
    /// See `deadlock.rs`.
    pub deadlock: deadlock::Deadlock,
    pub foreign: Mutex<Foreign>,
    /// New tasks are refused.
    pub refusing: AtomicBool,
    /// Machines leave their loops.
    pub stopping: AtomicBool,
    /// See `shutdown.rs`.
    pub quiet: shutdown::Quiet,
    pub tallies: Tallies,
    pub calls: calls::Calls,
    /// Threads that are no tasks and are just waking a task: memory stays for them (`ready.rs`).
    pub visitors: AtomicU32,
    /// See `cancel.rs`.
    pub extras: [Lock; 16],
    /// Machines that are locked to a task (`bound.rs`).
    pub locked_machines: AtomicI32,
    pub seeded: seeded::Seeded,
    pub record: record::Record,
}

impl Shared {
    /// A runtime without machines. Fails only for lack of memory.
    pub fn new(settings: Settings) -> Box<Shared> {
        let barrier = Barrier::new();
        Box::new(Shared {
            process: forks(),
            mask: Mask::current(),
            barrier,
            slab: Slab::new(),
            depot: Depot::new(),
            global: Global::default(),
            idle: Idle::default(),
            coarse: Coarse::new(crate::sys::clock::now()),
            lock: Mutex::new(Locked {
                idle_procs: Vec::new(),
                idle_machines: Vec::new(),
                machines: Vec::new(),
                spare_machines: Vec::new(),
                threads: Vec::new(),
                threads_made: 0,
                ended: Vec::new(),
                procs_wanted: settings.max_procs,
                procs: 0,
                machine_count: 0,
                max_threads: settings.max_threads,
                threads_peak: 0,
                watcher: std::ptr::null(),
                watch_until: 0,
                starved: false,
                classes: Vec::new(),
                tokens: Vec::new(),
            }),
            procs: (0..MAX_PROCS).map(|_| AtomicPtr::default()).collect(),
            procs_len: AtomicU32::new(0),
            ids: AtomicU64::new(1),
            wanted: AtomicU32::new(settings.max_procs as u32),
            resizing: Mutex::new(()),
            procs_fixed: AtomicBool::new(false),
            monitor: Attention::new(barrier),
            poller: Poller::new(),
            deadlock: deadlock::Deadlock::default(),
            foreign: Mutex::new(Foreign::default()),
            refusing: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            quiet: shutdown::Quiet::default(),
            tallies: Tallies::default(),
            calls: calls::Calls::default(),
            visitors: AtomicU32::new(0),
            extras: Default::default(),
            locked_machines: AtomicI32::new(0),
            seeded: seeded::Seeded::new(settings.seed),
            record: record::Record::default(),
            settings,
        })
    }

    /// All processors that were ever made, retired ones too.
    #[inline]
    pub fn procs(&self) -> impl Iterator<Item = &Processor> {
        self.procs[..self.procs_len.load(Acquire) as usize].iter().map(|p| {
            // SAFETY: entries below the length are set and never freed while the runtime lives.
            unsafe { &*p.load(Relaxed) }
        })
    }

    /// Adds a processor to the table. Under the scheduler's lock.
    fn add_processor(&self) -> &Processor {
        let n = self.procs_len.load(Relaxed);
        let seed = self.settings.seed ^ Rng::new(n as u64).bits();
        let p = Processor::new(n, seed);
        // Stays: what runs next is drawn each time (`find::local`).
        p.attention.store(self.settings.seeded, Relaxed);
        let p = Box::into_raw(Box::new(p));
        self.procs[n as usize].store(p, Relaxed);
        self.procs_len.store(n + 1, Release);
        // SAFETY: just made; freed only in `drop`.
        unsafe { &*p }
    }

    /// A batch of `n` fresh task ids: the first of them.
    fn take_ids(&self, n: u64) -> u64 {
        self.ids.fetch_add(n, Relaxed)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.foreign.lock().stacks.drain(&self.depot);
        for p in self.procs.iter() {
            let p = p.load(Relaxed);
            if !p.is_null() {
                // SAFETY: made by `add_processor`; no machine is left.
                let p = unsafe { Box::from_raw(p) };
                // SAFETY: nobody else has it any more.
                unsafe {
                    stacks::give_credits_back(&p, &self.depot, self.settings.stack_class, 0);
                    (*p.stacks.get()).drain(&self.depot);
                }
            }
        }
    }
}

/// Proof that the calling thread is a machine, inside the runtime, with a processor. Copy it freely, but never use
/// a copy from before a switch after it: get a new one.
#[derive(Clone, Copy)]
pub struct Inside {
    machine: *const Machine,
}

impl Inside {
    /// # Safety
    /// The calling thread is `machine`, inside, with a processor.
    #[inline(always)]
    pub unsafe fn assume(machine: *const Machine) -> Inside {
        Inside { machine }
    }

    /// After a switch: this thread's.
    ///
    /// # Safety
    /// As for [`Inside::assume`].
    #[inline(always)]
    pub unsafe fn current() -> Inside {
        Inside { machine: crate::primitive::tls::get() as *const Machine }
    }

    #[inline(always)]
    pub fn m<'a>(self) -> &'a Machine {
        // SAFETY: machines are not freed while the runtime lives.
        unsafe { &*self.machine }
    }

    #[inline(always)]
    pub fn p<'a>(self) -> &'a Processor {
        // SAFETY: inside with a processor, and processors are not freed while the runtime lives.
        unsafe { &*self.m().processor.load(Relaxed) }
    }

    #[inline(always)]
    pub fn s<'a>(self) -> &'a Shared {
        // SAFETY: the runtime outlives its machines.
        unsafe { &*(self.m().shared as *const Shared) }
    }

    /// Leaves the runtime, at the end of a call.
    #[inline(always)]
    pub fn exit(self) {
        let tick = self.m().tick.get();
        self.m().exit();
        if tick & seeded::TICK != 0 {
            seeded::called();
        }
    }
}
