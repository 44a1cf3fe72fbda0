//! Systems that nobody has ported the contract of `sys` to: everything compiles, and start fails.
//!
//! Always true: what can fail does, with ENOSYS; what cannot fail gives the one harmless answer.

use crate::sys::Errno;

const NO: Errno = Errno(libc::ENOSYS);

pub mod clock {
    use std::sync::OnceLock;
    use std::time::Instant;

    static START: OnceLock<Instant> = OnceLock::new();

    /// Nanoseconds since the first call.
    pub fn now() -> i64 {
        START.get_or_init(Instant::now).elapsed().as_nanos() as i64
    }
}

pub mod child;
pub mod endpoint;
pub mod errand;
pub mod fd;
pub mod names;
pub mod poll;
pub mod signal;

pub mod fault {
    use super::{Errno, NO};

    /// What happened where.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Fault {
        /// The address that was accessed.
        pub address: usize,
        /// The stack pointer then.
        pub sp: usize,
        /// The instruction.
        pub pc: usize,
    }

    /// Looks at a fault.
    pub type Reporter = fn(&Fault) -> bool;

    /// A loaded object and a place in it.
    #[derive(Debug, Clone, Copy)]
    pub struct Module {
        /// The place.
        pub offset: usize,
    }

    impl Module {
        /// None that is known.
        pub fn name(&self) -> &[u8] {
            &[]
        }
    }

    /// Refused.
    pub fn install(_: Reporter) -> Result<(), Errno> {
        Err(NO)
    }

    /// Nothing was installed.
    pub fn remove() {}

    /// Says nothing.
    pub fn say(_: &[u8]) {}

    /// None that is known.
    pub fn module_of(_: usize) -> Option<Module> {
        None
    }
}

pub mod futex {
    use crate::primitive::{yield_thread, AtomicU32, Ordering};

    /// Why [`wait`] came back.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Wait {
        /// Look at the word again.
        Woken,
        /// The word did not have the expected value.
        Changed,
        /// The deadline passed.
        TimedOut,
        /// A signal handler ran.
        Interrupted,
    }

    /// Gives up the CPU once: a wake without a reason, which every waiter allows for.
    pub fn wait(word: &AtomicU32, expected: u32, deadline: Option<i64>) -> Wait {
        if word.load(Ordering::Acquire) != expected {
            return Wait::Changed;
        }
        if deadline.is_some_and(|at| super::clock::now() >= at) {
            return Wait::TimedOut;
        }
        yield_thread();
        Wait::Woken
    }

    /// Nobody sleeps, so there is nobody to wake.
    pub fn wake(_: *const AtomicU32, _: i32) {}
}

pub mod process {
    /// One for all.
    pub fn id() -> i32 {
        1
    }

    /// A fork handler.
    pub type Handler = extern "C" fn();

    /// Nothing starts, so there is nothing to be told.
    pub fn at_fork(_: Handler, _: Handler, _: Handler) {}

    /// Ends the process.
    pub fn exit(status: i32) -> ! {
        std::process::exit(status)
    }

    /// The same, abnormally.
    pub fn abort() -> ! {
        std::process::abort()
    }
}

pub mod membarrier {
    /// Refused.
    pub fn register() -> bool {
        false
    }

    /// Refused.
    #[must_use]
    pub fn heavy() -> bool {
        false
    }
}

pub mod thread {
    use super::{Errno, NO};
    use std::ffi::{c_void, CStr};

    /// What a thread shall have for stacks, in bytes.
    #[derive(Debug, Clone, Copy)]
    pub struct Stacks {
        /// At least this much.
        pub size: usize,
        /// For signal handlers; 0: none.
        pub alternate: usize,
    }

    /// What a new thread runs.
    pub type Entry = extern "C" fn(*mut c_void) -> *mut c_void;

    /// Which signals a thread blocks.
    #[derive(Clone, Copy)]
    pub struct Mask;

    impl Mask {
        /// Nobody knows.
        pub fn current() -> Mask {
            Mask
        }
    }

    /// A running thread; there is none.
    #[must_use]
    pub enum Thread {}

    /// Refused.
    pub fn spawn(_: &CStr, _: Stacks, _: Mask, _: Entry, _: *mut c_void) -> Result<Thread, Errno> {
        Err(NO)
    }

    impl Thread {
        /// Waits until the thread has ended.
        pub fn join(self) {
            match self {}
        }

        /// The same without waiting.
        pub fn try_join(self) -> Result<(), Thread> {
            match self {}
        }
    }

    /// A wish.
    pub fn sleep_sharply() {}

    /// Not known.
    pub fn own_stack() -> (usize, usize) {
        (0, 0)
    }

    /// Never.
    pub fn times_slept() -> i64 {
        0
    }

    /// No number.
    pub fn current_tid() -> i32 {
        0
    }

    /// No place that is known.
    pub fn errno_location() -> *mut i32 {
        std::ptr::null_mut()
    }

    /// None that is known.
    pub fn cxx_globals() -> *mut [usize; 2] {
        std::ptr::null_mut()
    }

    /// None that is known.
    pub fn cxx_probe() -> bool {
        false
    }
}

pub mod mem {
    use super::{Errno, NO};
    use std::ptr::NonNull;

    /// An address and a length in bytes.
    pub type Range = (usize, usize);

    /// The usual one.
    pub fn page_size() -> usize {
        4096
    }

    /// Refused.
    pub fn reserve(_: usize, _: usize) -> Result<NonNull<u8>, Errno> {
        Err(NO)
    }

    /// Nothing was reserved.
    ///
    /// # Safety
    /// None is needed.
    pub unsafe fn release(_: NonNull<u8>, _: usize) {}

    /// A wish.
    pub fn no_huge(_: NonNull<u8>, _: usize) {}

    /// A wish.
    pub fn want_huge(_: NonNull<u8>, _: usize) {}

    /// Refused.
    ///
    /// # Safety
    /// None is needed.
    pub unsafe fn guard_install(_: &[Range]) -> Result<(), Errno> {
        Err(NO)
    }

    /// Refused.
    ///
    /// # Safety
    /// None is needed.
    pub unsafe fn guard_protect(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
        Err(NO)
    }

    /// Refused.
    ///
    /// # Safety
    /// None is needed.
    pub unsafe fn drop_pages(_: &[Range]) -> Result<(), Errno> {
        Err(NO)
    }

    /// A wish.
    pub fn populate(_: &[Range]) {}

    /// No limit is known.
    pub fn max_map_count() -> usize {
        usize::MAX
    }
}

pub mod observe {
    /// What a thread was doing.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Doing {
        /// On a CPU, or waiting for one.
        Runs,
        /// Asleep in the kernel.
        Sleeps(Option<i32>),
        /// So much CPU time used.
        Used(i64),
        /// Nothing can be said.
        Unknown,
    }

    /// Nothing can be said.
    pub fn look(_: i32) -> Doing {
        Doing::Unknown
    }

    /// Nothing can be said.
    pub fn is_traced() -> bool {
        false
    }
}

pub mod symbol {
    /// What is known of an address.
    #[derive(Clone, Copy, Debug)]
    pub struct Symbol<'a> {
        /// The file of the program or library.
        pub object: &'a [u8],
        /// Where that is loaded.
        pub base: usize,
        /// The function around the address, and where it starts.
        pub function: Option<(&'a [u8], usize)>,
    }

    /// Nothing is known.
    pub fn find<R>(_: usize, _: impl FnOnce(Symbol<'_>) -> R) -> Option<R> {
        None
    }
}

pub mod output {
    use super::{Errno, NO};

    /// Refused.
    pub fn create(_: &std::ffi::CStr) -> Result<std::os::fd::OwnedFd, Errno> {
        Err(NO)
    }

    /// Refused.
    pub fn write_all(_: i32, _: &[u8]) -> Result<(), Errno> {
        Err(NO)
    }
}

pub mod cpu {
    /// What the standard library says.
    pub fn num_cpu() -> i32 {
        std::thread::available_parallelism().map_or(1, |count| count.get() as i32)
    }

    /// The same.
    pub fn default_procs() -> i32 {
        num_cpu()
    }

    /// A processor count: decimal digits, positive, 32 bits.
    pub fn parse_maxprocs(text: &str) -> Option<i32> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|&count| count > 0)
    }
}

pub mod peers {
    /// No number.
    pub fn own_tid() -> i32 {
        0
    }

    /// Cannot be told.
    pub fn has_thread(_: i32) -> bool {
        true
    }

    /// Cannot be told.
    pub fn has_other_thread(_: impl FnMut(i32) -> bool) -> bool {
        true
    }
}
