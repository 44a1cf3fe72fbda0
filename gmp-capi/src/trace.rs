//! Traces: what happens, over time, in a file.
//!
//! Owns: nothing. Blocks: while files are opened, and written to the end.

use crate::boundary::{code, guarded};
use gmp_core::{global, Error};
use std::ffi::{c_char, c_int, CStr};

/// Begins a trace: until gmp_trace_stop, or the runtime's shutdown, what tasks, threads and processors do is written to a file in the
/// JSON trace event format, for https://ui.perfetto.dev and chrome://tracing. Starts the runtime if need be.
///
/// The process "machines" has a track for each thread of the library, on which the tasks that it runs are slices, under their
/// names or as "task 7", with their id, their processor, and how the slice ended (`left`): a reason of gmp_dump's, "yield",
/// "displaced" (it lost its processor, or had its share), "ended". Declared blocking sections are slices within. Arrows lead from where
/// a task was created, or made ready, to where it goes on. "poll" and "steal" are instants. The process "processors" has a
/// track for each processor, with the machine that holds it, and an instant where it was handed off or retaken, and why.
///
/// Without a trace this costs a load where tasks switch. With one, each event costs about 50 ns and 24 bytes in a buffer of its
/// thread; another thread empties those and writes, about 100 bytes for each event, for as long as the trace goes on. What comes faster is left out; the file
/// says where, and how much ("events lost", `otherData.lost`). Of more than 256 threads of the library not all are shown
/// (`otherData.machines-not-shown`). A process that ends by itself meanwhile leaves a file without its end, which Perfetto opens. A fork's child is in
/// no trace, and may begin its own.
///
/// @param path  The file: made, or emptied if it is there.
/// @return      GMP_OK or a code; then nothing is traced.
/// @context any thread or task  @blocks the thread, while the file is opened; a task is in a blocking section meanwhile
/// @errors  GMP_EBUSY: a trace is under way; its file and the one named here stay as they are. GMP_EINVAL: `path` is NULL. What open(2) fails with (-ENOENT,
///          -EACCES ...). GMP_ENOMEM; GMP_EAGAIN: there is no thread to be had. GMP_ESTOPPED: after a shutdown.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_trace_start(path: *const c_char) -> c_int {
    guarded(|| {
        if path.is_null() {
            return Error::Invalid.code();
        }
        // SAFETY: not NULL; the caller's string.
        code(global::trace_start(unsafe { CStr::from_ptr(path) }))
    })
}

/// Ends the trace and completes its file, while tasks run.
///
/// @return  GMP_OK, or why the file is not complete. The trace has ended in any case.
/// @context any thread or task  @blocks the thread, until the rest is written; a task is in a blocking section meanwhile
/// @errors  GMP_EMISUSE: no trace is under way (a shutdown ends it too). What write(2) failed with (-ENOSPC ...); GMP_ENOMEM.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_trace_stop() -> c_int {
    guarded(|| code(global::trace_stop()))
}
