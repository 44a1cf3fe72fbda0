//! `errno`: keeping it.
//!
//! Owns: nothing; it borrows the calling thread's `errno` for the length of one call.
//! Always true: what `keep` runs does not change threads, so one address serves before and after. It is asked for anew by each
//! `keep`: a caller that was built around several of them may have changed threads between two.
//! Called by: every function of this folder that may fail in a system call. Never blocks by itself.

/// Runs `call` and puts the thread's `errno` back as it was. `call` must read its own errors inside.
#[inline]
pub(super) fn keep<R>(call: impl FnOnce() -> R) -> R {
    // SAFETY: the address of the calling thread's errno is valid for the thread's life, and only it writes there.
    unsafe {
        // Asked through a pointer that the compiler cannot see through: it knows that function as one that always answers
        // the same, and would ask once for all calls of the function that this was built into.
        let errno = std::hint::black_box(libc::__errno_location as unsafe extern "C" fn() -> *mut libc::c_int)();
        let before = *errno;
        let result = call();
        *errno = before;
        result
    }
}
