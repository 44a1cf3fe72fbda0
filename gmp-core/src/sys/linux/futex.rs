//! Sleeping on a word.
//!
//! Always true: the futex is private to the process, and deadlines are absolute times of `clock`, so a
//! repeated wait with the same deadline does not drift.
//! Blocks: `wait` blocks the calling thread, and is for machines and foreign threads only, never for a task.

use super::errno;
use crate::primitive::AtomicU32;

/// Why [`wait`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// By a [`wake`], or for no reason at all: look at the word again.
    Woken,
    /// The word did not have the expected value, so there was no sleep.
    Changed,
    /// The deadline passed.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

/// Sleeps while `word` is `expected`, until woken or until `deadline` (nanoseconds of `clock::now`).
pub fn wait(word: &AtomicU32, expected: u32, deadline: Option<i64>) -> Wait {
    let limit = deadline.map(|at| {
        let at = at.max(0);
        libc::timespec { tv_sec: (at / 1_000_000_000) as _, tv_nsec: (at % 1_000_000_000) as _ }
    });
    let limit_ptr = limit.as_ref().map_or(std::ptr::null(), |time| time as *const libc::timespec);
    errno::keep(|| {
        // SAFETY: the word is borrowed for the call; the timespec, if any, lives on this frame. Without
        // FUTEX_CLOCK_REALTIME, WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex,
                word as *const AtomicU32,
                libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
                expected,
                limit_ptr,
                std::ptr::null::<u32>(),
                libc::FUTEX_BITSET_MATCH_ANY,
            )
        };
        if result == 0 {
            return Wait::Woken;
        }
        match crate::sys::Errno::last().0 {
            libc::EAGAIN => Wait::Changed,
            libc::ETIMEDOUT => Wait::TimedOut,
            _ => Wait::Interrupted,
        }
    })
}

/// Wakes up to `n` threads that sleep on the address `word`. Nothing is read or written there: the word may
/// already be gone, and what lies there now may get one wake without a reason, which every waiter allows for.
#[inline]
pub fn wake(word: *const AtomicU32, n: i32) {
    errno::keep(|| {
        // SAFETY: FUTEX_WAKE uses the address as a key only.
        unsafe {
            libc::syscall(libc::SYS_futex, word.expose_provenance(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, n)
        };
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::Ordering;
    use crate::sys::clock;

    #[test]
    fn wait_answers_changed_and_timed_out_and_keeps_errno() {
        let word = AtomicU32::new(7);
        // SAFETY: this thread's own errno.
        let errno = unsafe { &mut *libc::__errno_location() };
        *errno = 1234;
        assert_eq!(wait(&word, 8, None), Wait::Changed);
        assert_eq!(wait(&word, 7, Some(-5)), Wait::TimedOut);
        let deadline = clock::now() + 2_000_000;
        loop {
            match wait(&word, 7, Some(deadline)) {
                Wait::TimedOut => break,
                Wait::Changed => panic!("the word never changes"),
                Wait::Woken | Wait::Interrupted => {}
            }
        }
        assert!(clock::now() >= deadline);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(1234));
    }

    #[test]
    fn wake_ends_a_wait_and_an_address_without_a_word_is_harmless() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while word.load(Ordering::Acquire) == 0 {
                    wait(&word, 0, None);
                }
            });
            word.store(1, Ordering::Release);
            wake(&word, i32::MAX);
        });
        wake(std::ptr::without_provenance(4096), 1);
    }
}
