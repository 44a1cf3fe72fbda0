//! Child processes.
//!
//! Owns: nothing. Blocks: `gmp_wait_pid`.

use crate::boundary::guarded;
use crate::code::GMP_OK;
use crate::time::gmp_time_t;
use gmp_core::io::process;
use std::ffi::c_int;

/// Waits until a child process has ended, and takes its status, as waitpid(2) does: after that it is no zombie any more. Stopped and continued
/// children have not ended. It waits for the child's pidfd; where the kernel gives none (before Linux 5.3, in some sandboxes, with too
/// many files open) it looks up to 50 times a second.
///
/// A wait that ends otherwise leaves the child and its status to others. When several wait for one child, one gets the status and the
/// others -ECHILD.
///
/// @param pid         The child.
/// @param status_out  Its status is written here on success, for WIFEXITED and the like; may be NULL.
/// @param deadline    Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
/// @return            GMP_OK or a code.
/// @context any thread or task  @blocks the task, or a thread that is no task
/// @errors  GMP_EINVAL: `pid` is 0 or negative: process groups and "any child" are not waited for. -ECHILD: it is no child of this process, its
///          status was taken by somebody else, or the process ignores SIGCHLD. GMP_EAGAIN: it runs, and GMP_NOWAIT was given.
///          GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the task's context ended. GMP_ENOMEM.
/// @since   0.1
#[no_mangle]
pub unsafe extern "C" fn gmp_wait_pid(pid: libc::pid_t, status_out: *mut c_int, deadline: gmp_time_t) -> c_int {
    guarded(|| match process::wait(pid, deadline) {
        Ok(status) => {
            if !status_out.is_null() {
                // SAFETY: the caller's place.
                unsafe { *status_out = status };
            }
            GMP_OK
        }
        Err(e) => e.code(),
    })
}
