//! Threads of ours: starting, joining, and what is the thread's own.
//!
//! Always true: a thread has the signal mask that its spawner names, which is some thread's of the host: one made up here would
//! leak into every child process that a task starts. While the thread is made all signals are blocked for both, so that none is
//! taken by a thread that does not want it.
//! Called by: the machines and the monitor. `join` blocks; the others do not.

use super::{errno, mem};
use crate::primitive::yield_thread;
use crate::sys::Errno;
use std::alloc::{alloc, dealloc, Layout};
use std::ffi::{c_void, CStr};
use std::ptr::NonNull;

pub use super::cxx::{cxx_globals, cxx_probe};

/// What a new thread runs.
pub type Entry = extern "C" fn(*mut c_void) -> *mut c_void;

/// A running thread. Join it; a dropped one keeps its stack until the process ends.
///
/// The stack is our own mapping: the C library keeps the stacks of ended threads (up to 40 MiB of them), and a host
/// that stops the runtime wants everything back.
#[must_use]
pub struct Thread {
    id: libc::pthread_t,
    stack: Mapping,
}

/// What a thread shall have for stacks, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Stacks {
    /// At least this much; static TLS and what the C library needs come on top.
    pub size: usize,
    /// For signal handlers that ask for a stack of their own (SA_ONSTACK), at least this much and what the kernel needs; 0: none.
    pub alternate: usize,
}

/// A thread's stacks, each with its guard at the low end: guard, alternate stack, guard, stack; the first two only if there is one. It lasts
/// as long as the thread, however that ends.
#[derive(Clone, Copy)]
struct Mapping {
    low: NonNull<u8>,
    len: usize,
}

// SAFETY: a pthread_t is a name, valid in every thread of the process until it is joined.
unsafe impl Send for Thread {}
// SAFETY: as above; nothing is done through a shared reference.
unsafe impl Sync for Thread {}

/// How often a thread that could not be had is asked for again, at once.
const RETRIES: u32 = 3;

/// The longest thread name the kernel keeps, with its NUL.
const NAME_LEN: usize = 16;

/// Which signals a thread blocks.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl Mask {
    /// The calling thread's.
    pub fn current() -> Mask {
        // SAFETY: an all-zero set is valid, and is written by the call.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &mut set);
            Mask(set)
        }
    }

    /// Every signal.
    fn all() -> Mask {
        // SAFETY: an all-zero set is valid, and is written by the call.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut set);
            Mask(set)
        }
    }

    /// Makes it the calling thread's; gives the one before.
    fn set(&self) -> Mask {
        let mut old = *self;
        // SAFETY: reads one set and writes the other.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, &mut old.0) };
        old
    }
}

/// What `spawn` hands to the new thread; the thread frees it.
struct Start {
    entry: Entry,
    arg: *mut c_void,
    name: [u8; NAME_LEN],
    alternate: libc::stack_t,
    mask: Mask,
}

/// Starts a thread for `entry`. The thread names itself; names are cut at 15 bytes.
pub fn spawn(name: &CStr, stacks: Stacks, mask: Mask, entry: Entry, arg: *mut c_void) -> Result<Thread, Errno> {
    let none = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    let mut start = Start { entry, arg, name: [0; NAME_LEN], alternate: none, mask };
    for (to, from) in start.name.iter_mut().take(NAME_LEN - 1).zip(name.to_bytes()) {
        *to = *from;
    }
    // SAFETY: `Start` is not zero-sized; the block is written before anyone sees it, and freed by exactly one
    // side: the new thread, or this one if there is none.
    unsafe {
        let block = alloc(Layout::new::<Start>()) as *mut Start;
        if block.is_null() {
            return Err(Errno(libc::ENOMEM));
        }
        block.write(start);
        let old = Mask::all().set();
        let result = errno::keep(|| create(stacks, block));
        old.set();
        if result.is_err() {
            dealloc(block as *mut u8, Layout::new::<Start>());
        }
        result
    }
}

/// # Safety
/// `start` must be valid, and is the new thread's if there is one.
unsafe fn create(stacks: Stacks, start: *mut Start) -> Result<Thread, Errno> {
    // SAFETY: the attributes are initialised before use and destroyed once; `main` takes over `start`.
    unsafe {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        check(libc::pthread_attr_init(attributes.as_mut_ptr()))?;
        let size = round_up(stacks.size.saturating_add(minimum(attributes.as_ptr())), mem::page_size());
        let alternate = alternate_size(stacks.alternate);
        let result = map_stack(size, alternate).and_then(|stack| {
            let mut id = std::mem::MaybeUninit::uninit();
            if alternate > 0 {
                let ss_sp = stack.low.as_ptr().add(mem::page_size()) as *mut c_void;
                (*start).alternate = libc::stack_t { ss_sp, ss_flags: 0, ss_size: alternate };
            }
            let usable = stack.low.as_ptr().add(stack.len - size) as *mut c_void;
            check(libc::pthread_attr_setstack(attributes.as_mut_ptr(), usable, size))
                .and_then(|()| {
                    let make =
                        || libc::pthread_create(id.as_mut_ptr(), attributes.as_ptr(), main, start as *mut c_void);
                    check(persist(make))
                })
                .map(|()| Thread { id: id.assume_init(), stack })
                .inspect_err(|_| mem::release(stack.low, stack.len))
        });
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        result
    }
}

/// Tries again when the system has no thread to give: one may just be ending.
fn persist(mut make: impl FnMut() -> i32) -> i32 {
    for _ in 0..RETRIES {
        let code = make();
        if code != libc::EAGAIN {
            return code;
        }
        yield_thread();
    }
    make()
}

/// How large the alternate stack is: whole pages, with what the kernel's own frame takes on top.
fn alternate_size(wanted: usize) -> usize {
    if wanted == 0 {
        return 0;
    }
    // SAFETY: asks; 0 where the kernel does not say.
    let frame = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    round_up(wanted.saturating_add(frame), mem::page_size())
}

/// A stack of `size` bytes above a guard, and below both an alternate one of `alternate` bytes with its guard.
fn map_stack(size: usize, alternate: usize) -> Result<Mapping, Errno> {
    let guard = mem::page_size();
    let below = if alternate > 0 { guard + alternate } else { 0 };
    let len = size.checked_add(guard + below).ok_or(Errno(libc::ENOMEM))?;
    let low = mem::reserve(len, guard)?;
    mem::no_huge(low, len);
    let protect = || {
        // SAFETY: pages of our own fresh mapping.
        unsafe {
            mem::guard_protect(low, guard)?;
            if alternate > 0 {
                mem::guard_protect(low.add(below), guard)?;
            }
        }
        Ok(())
    };
    // SAFETY: on failure nobody has seen the mapping.
    protect().inspect_err(|_| unsafe { mem::release(low, len) })?;
    Ok(Mapping { low, len })
}

extern "C" fn main(start: *mut c_void) -> *mut c_void {
    // SAFETY: `spawn` wrote a `Start` there and left it to this thread. prctl reads NAME_LEN bytes at most.
    let Start { entry, arg, alternate, mask, .. } = unsafe {
        let start = start as *mut Start;
        let taken = start.read();
        dealloc(start as *mut u8, Layout::new::<Start>());
        errno::keep(|| libc::prctl(libc::PR_SET_NAME, taken.name.as_ptr()));
        taken
    };
    let ours = use_alternate(&alternate);
    mask.set();
    let result = entry(arg);
    if ours {
        let none = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: no handler runs on it: this is the thread's own stack.
        errno::keep(|| unsafe { libc::sigaltstack(&none, std::ptr::null_mut()) });
    }
    result
}

/// Makes `alternate` the calling thread's, unless it has one already (a sanitizer's, say). True if it is in use.
fn use_alternate(alternate: &libc::stack_t) -> bool {
    if alternate.ss_size == 0 {
        return false;
    }
    let mut there = std::mem::MaybeUninit::uninit();
    // SAFETY: `there` is written by the first call; the stack is the thread's own for its life.
    errno::keep(|| unsafe {
        libc::sigaltstack(std::ptr::null(), there.as_mut_ptr()) == 0
            && there.assume_init_ref().ss_flags & libc::SS_DISABLE != 0
            && libc::sigaltstack(alternate, std::ptr::null_mut()) == 0
    })
}

/// The stack that the C library takes for itself: static TLS above all, which a host's libraries can make big.
fn minimum(attributes: *const libc::pthread_attr_t) -> usize {
    // SAFETY: glibc's private symbol has had this signature since 2.15 (std uses it too); elsewhere it is absent.
    unsafe {
        let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"__pthread_get_minstack".as_ptr());
        if symbol.is_null() {
            return libc::PTHREAD_STACK_MIN;
        }
        let get: unsafe extern "C" fn(*const libc::pthread_attr_t) -> usize = std::mem::transmute(symbol);
        get(attributes).max(libc::PTHREAD_STACK_MIN)
    }
}

fn round_up(size: usize, unit: usize) -> usize {
    size.checked_next_multiple_of(unit).unwrap_or(usize::MAX & !(unit - 1))
}

fn check(code: i32) -> Result<(), Errno> {
    if code == 0 {
        Ok(())
    } else {
        Err(Errno(code))
    }
}

impl Thread {
    /// Waits until the thread has ended, and gives its stack back.
    pub fn join(self) {
        // SAFETY: `self` is consumed, so the thread is joined once; after that nobody is on its stack.
        unsafe {
            let code = errno::keep(|| libc::pthread_join(self.id, std::ptr::null_mut()));
            debug_assert_eq!(code, 0, "a thread cannot join itself");
            mem::release(self.stack.low, self.stack.len);
        }
    }
}

impl Thread {
    /// The same without waiting; the thread back if it has not ended.
    pub fn try_join(self) -> Result<(), Thread> {
        // SAFETY: as in `join`: a thread is joined once, as one that was joined is not given back.
        unsafe {
            if errno::keep(|| libc::pthread_tryjoin_np(self.id, std::ptr::null_mut())) != 0 {
                return Err(self);
            }
            mem::release(self.stack.low, self.stack.len);
        }
        Ok(())
    }
}

/// The bounds of the calling thread's stack; (0, 0) if they are not known.
pub fn own_stack() -> (usize, usize) {
    // SAFETY: the attributes are written on success, and read and destroyed only then.
    errno::keep(|| unsafe {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return (0, 0);
        }
        let (mut low, mut size) = (std::ptr::null_mut(), 0);
        libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        (low as usize, low as usize + size)
    })
}

/// The kernel's number of the calling thread.
pub fn current_tid() -> i32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

/// The calling thread's timed sleeps end when they shall, not up to 50 µs later.
pub fn sleep_sharply() {
    // SAFETY: an attribute of the calling thread.
    errno::keep(|| unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) });
}

/// How often the calling thread has gone to sleep in the kernel.
pub fn times_slept() -> i64 {
    // SAFETY: an all-zero rusage is valid, and is written by the call.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        errno::keep(|| libc::getrusage(libc::RUSAGE_THREAD, &mut usage));
        usage.ru_nvcsw
    }
}

/// Where the calling thread's `errno` is. Stale after anything that may change threads: ask again.
#[inline]
pub fn errno_location() -> *mut i32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::__errno_location() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(size: usize) -> Stacks {
        Stacks { size, alternate: 0 }
    }

    extern "C" fn alternate(arg: *mut c_void) -> *mut c_void {
        // SAFETY: asks for the thread's alternate stack; the spawner joins before it reads.
        unsafe { libc::sigaltstack(std::ptr::null(), arg as *mut libc::stack_t) };
        std::ptr::null_mut()
    }

    #[test]
    fn a_thread_has_an_alternate_stack_if_it_shall() {
        for size in [0, 1, 65536] {
            // SAFETY: all zero is a `stack_t`.
            let mut seen: libc::stack_t = unsafe { std::mem::zeroed() };
            let stacks = Stacks { size: 0, alternate: size };
            spawn(c"alternate", stacks, Mask::current(), alternate, &mut seen as *mut _ as *mut c_void).unwrap().join();
            assert_eq!(seen.ss_flags & libc::SS_DISABLE != 0, size == 0);
            assert!(seen.ss_size >= size);
        }
    }

    #[test]
    fn an_alternate_stack_that_a_thread_has_is_kept() {
        extern "C" fn twice(_: *mut c_void) -> *mut c_void {
            static FIRST: [u8; 65536] = [0; 65536];
            let mut other = libc::stack_t { ss_sp: FIRST.as_ptr() as *mut c_void, ss_flags: 0, ss_size: FIRST.len() };
            assert!(use_alternate(&other));
            other.ss_sp = std::ptr::dangling_mut();
            assert!(!use_alternate(&other));
            // SAFETY: all zero is a `stack_t`, which is written; nothing runs on the stack.
            unsafe {
                let mut now: libc::stack_t = std::mem::zeroed();
                libc::sigaltstack(std::ptr::null(), &mut now);
                assert_eq!(now.ss_sp as usize, FIRST.as_ptr() as usize);
                other.ss_flags = libc::SS_DISABLE;
                libc::sigaltstack(&other, std::ptr::null_mut());
            }
            std::ptr::null_mut()
        }
        spawn(c"twice", plain(0), Mask::current(), twice, std::ptr::null_mut()).unwrap().join();
    }

    extern "C" fn report(arg: *mut c_void) -> *mut c_void {
        // SAFETY: the spawner joins this thread before it looks at the array again.
        let out = unsafe { &mut *(arg as *mut (i32, [u8; 16], usize)) };
        out.0 = current_tid();
        // SAFETY: PR_GET_NAME writes 16 bytes; the attributes are those of the calling thread.
        unsafe {
            libc::prctl(libc::PR_GET_NAME, out.1.as_mut_ptr());
            let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
            libc::pthread_getattr_np(libc::pthread_self(), &mut attributes);
            let (mut low, mut size) = (std::ptr::null_mut(), 0);
            libc::pthread_attr_getstack(&attributes, &mut low, &mut size);
            libc::pthread_attr_destroy(&mut attributes);
            let here = &low as *const _ as usize;
            out.2 = here - low as usize;
        }
        std::ptr::null_mut()
    }

    #[test]
    fn a_thread_has_its_name_cut_its_own_id_and_at_least_the_stack_asked_for() {
        for size in [0, 10_000, 300_000] {
            let mut out = (0, [0u8; 16], 0usize);
            spawn(c"gmp-test-name-too-long", plain(size), Mask::current(), report, &mut out as *mut _ as *mut c_void)
                .unwrap()
                .join();
            assert_ne!(out.0, current_tid());
            assert_eq!(&out.1, b"gmp-test-name-t\0");
            assert!(out.2 >= size, "{} < {size}", out.2);
        }
    }

    extern "C" fn nothing(_: *mut c_void) -> *mut c_void {
        std::ptr::null_mut()
    }

    #[test]
    fn a_thread_that_cannot_be_had_is_an_error() {
        let errno = spawn(c"big", plain(usize::MAX / 2), Mask::current(), nothing, std::ptr::null_mut()).err().unwrap();
        assert!([libc::EAGAIN, libc::ENOMEM, libc::EINVAL].contains(&errno.0), "{errno}");
    }

    extern "C" fn mask(arg: *mut c_void) -> *mut c_void {
        // SAFETY: asks for the thread's mask; the spawner joins before it reads.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), arg as *mut libc::sigset_t) };
        std::ptr::null_mut()
    }

    #[test]
    fn the_signal_mask_is_the_one_that_was_named() {
        // SAFETY: signal sets are initialised by sigemptyset; the old mask is restored.
        unsafe {
            let (mut set, mut old, mut seen): (libc::sigset_t, libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGUSR2);
            libc::pthread_sigmask(libc::SIG_SETMASK, &set, &mut old);
            let named = Mask::current();
            libc::sigaddset(&mut set, libc::SIGUSR1);
            libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
            spawn(c"mask", plain(0), named, mask, &mut seen as *mut _ as *mut c_void).unwrap().join();
            let mine = Mask::current().0;
            libc::pthread_sigmask(libc::SIG_SETMASK, &old, std::ptr::null_mut());
            assert_eq!(libc::sigismember(&mine, libc::SIGUSR1), 1);
            assert_eq!(libc::sigismember(&seen, libc::SIGUSR2), 1);
            assert_eq!(libc::sigismember(&seen, libc::SIGUSR1), 0);
        }
    }
}
