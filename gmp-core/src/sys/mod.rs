//! The operating system: the whole list of what the library asks of it.
//!
//! Owns: the contract below and the choice of who fulfils it. Nothing outside this folder makes a system call
//! of its own, except the modules that are about one (the poller).
//!
//! Always true:
//!  - S1. No function here changes the calling thread's `errno`, so each may run on a task's way.
//!  - S2. No function here keeps a lock, a file or a signal mask after it returned.
//!  - S3. The environment is read once, at the first call that needs it: a host may call `setenv` later.
//!
//! The contract (a port supplies exactly this):
//!
//! | call | must do | precondition |
//! |---|---|---|
//! | [`clock::now`] | nanoseconds of a clock that never goes back | |
//! | [`futex::wait`] | sleep while a word has a value, until woken or an absolute time of `clock` | |
//! | [`futex::wake`] | wake up to n sleepers of an address | none: the word may be gone |
//! | [`membarrier::register`], [`membarrier::heavy`] | a full fence on every running thread of the process | `heavy` after `register` said true |
//! | [`thread::spawn`], `join`, `try_join`, [`thread::Mask`] | threads with a name, a stack size, a signal mask and if wanted an alternate stack for signals | each thread is joined once |
//! | [`thread::current_tid`], [`thread::errno_location`], [`thread::times_slept`] | of the calling thread | |
//! | [`thread::sleep_sharply`] | short sleeps of the calling thread end when they shall | |
//! | [`observe::look`], `is_traced` | does a thread of this process run or sleep, in which system call; is a debugger or tracer attached | |
//! | [`thread::cxx_probe`], [`thread::cxx_globals`] | find C++ exception state, if the process has any | |
//! | [`process::id`], [`process::at_fork`], [`process::exit`], `abort` | this process; handlers of its forks; its ends | |
//! | [`mem`] | reserve and release address space; guards; give pages back; fault pages in | ranges are whole pages of the caller's own mappings |
//! | [`fault::install`], `remove` | have memory faults looked at, and hand them on to who was there before | one call at a time |
//! | [`fault::say`], [`fault::module_of`] | write to standard error; which loaded object an address is in; both from a signal handler | |
//! | [`thread_table`] | one pointer a thread, destroyed at the thread's end (POSIX everywhere) | |
//! | [`symbol::find`] | which function of which object lies at an address | |
//! | [`peers::own_tid`], `has_thread`, `has_other_thread` | the numbers of the process's threads; of the own one without a system call | |
//! | [`output::write_all`], [`output::create`] | write all of some bytes to a descriptor; a file to write to | |
//! | [`fd`] | the system calls on the caller's descriptors, which do not block and raise no signal where they say so | as the system's |
//! | [`endpoint`] | make sockets, bind and connect them, set their options; one descriptor for several of them | |
//! | [`names`] | addresses of hosts and services, numbers of interfaces, as the system's library knows them | |
//! | [`child`] | has a child ended, and a descriptor that tells when | |
//! | [`signal`] | count signals that were asked for, and hand them on to who was there before | one change at a time |
//! | [`errand::start`] | a thread that nobody joins and that blocks every signal | |
//! | [`poll`] | a queue of readiness, edge by edge, with a bell | descriptors of the caller's |
//! | [`cpu`] | how many processors to use; what a container allows | |

pub mod thread_table;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use self::linux::{
    child, clock, cpu, endpoint, errand, fault, fd, futex, mem, membarrier, names, observe, output, peers, poll,
    process, signal, symbol, thread,
};

#[cfg(not(target_os = "linux"))]
mod unsupported;
#[cfg(not(target_os = "linux"))]
pub use self::unsupported::{
    child, clock, cpu, endpoint, errand, fault, fd, futex, mem, membarrier, names, observe, output, peers, poll,
    process, signal, symbol, thread,
};

/// An error number of the operating system (always positive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The calling thread's `errno`: what the system call just made failed with. A function of its own, or the compiler would
    /// keep the place that it read in a caller that has changed threads since.
    #[inline(never)]
    pub fn last() -> Errno {
        Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}
