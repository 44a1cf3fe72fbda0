//! The process as a whole: its number, its forks, its end.
//!
//! Called by: `global/life.rs`, and the end of a task that forked. Blocks: nothing.

/// The kernel's number of this process.
pub fn id() -> i32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::getpid() }
}

/// A fork handler.
pub type Handler = extern "C" fn();

/// Has `prepare` called before each fork, on the forking thread, and one of the others after it, for the process's life. Without
/// memory for that, a child finds out at its first start only.
pub fn at_fork(prepare: Handler, parent: Handler, child: Handler) {
    // SAFETY: the handlers live as long as the library, which is never unloaded (`-z nodelete`).
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}

/// Ends the process as the return of `main` does: what it has registered for that is called.
pub fn exit(status: i32) -> ! {
    // SAFETY: ends the process. The C library's, and not the one of the standard library: that waits for a thread which
    // was in it when this process was forked.
    unsafe { libc::exit(status) }
}

/// Ends the process by SIGABRT.
pub fn abort() -> ! {
    // SAFETY: does not come back.
    unsafe { libc::abort() }
}
