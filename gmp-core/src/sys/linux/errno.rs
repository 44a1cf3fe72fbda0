//! `errno`: keeping it.
//!
//! Owns: nothing; it borrows the calling thread's `errno` for the length of one call.
//! Always true: what `keep` runs does not change threads, so one address serves before and after.
//! Called by: every function of this folder that may fail in a system call. Never blocks by itself.

/// Runs `call` and puts the thread's `errno` back as it was. `call` must read its own errors inside.
#[inline]
pub(super) fn keep<R>(call: impl FnOnce() -> R) -> R {
    // SAFETY: the address of the calling thread's errno is valid for the thread's life, and only it writes there.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let result = call();
        *errno = before;
        result
    }
}
