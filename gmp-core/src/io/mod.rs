//! I/O on descriptors: what tasks and threads call in place of `read`, `write`, `accept` … It parks the task, not the thread.
//!
//! Owns: the order of an operation: try without blocking; wait for the descriptor; try again. The waiting itself is
//! `wait.rs`, over the poller's record of the descriptor (`source/poller`).
//!
//! Always true:
//!  - O1. What can be done without waiting is done, whatever the deadline and whether the task was cancelled.
//!  - O2. A wait that ends by deadline, cancellation or close has moved no byte. What was moved before it is the result then, and the
//!        next call has the error.
//!  - O3. No descriptor's O_NONBLOCK is changed, but by `connect` for the moment of its one system call: the descriptor may be
//!        shared with code that knows nothing of us. Sockets are asked not to block call by call, other things where the
//!        kernel can; what is left is asked first whether it is ready.
//!  - O4. System calls are made outside the runtime: if one blocks all the same, its processor is taken like from any foreign code.
//!
//! Files and directories, and whatever the kernel cannot wait for, are handed off: the operation runs in a declared blocking
//! section, without a deadline.
//!
//! Called by: any task or thread. Blocks: the task, or a thread that is no task.

mod file;
mod kind;
pub mod net;
pub mod process;
mod ready;
pub mod signal;
mod socket;
mod transfer;
mod wait;

pub use file::{fsync, open, pread, pwrite, sendfile, splice};
pub use ready::{close_fd, poll_fd, set_deadline};
pub use socket::{accept, connect};
pub use transfer::{read, readv, recv, recvfrom, recvmsg, send, sendmsg, sendto, write, writev};
pub use wait::fresh;

use crate::base::error::{Error, Result};

/// Checks what every transfer is given: a place if there is anything to move, and a count that a result can tell.
#[inline(always)]
fn buffer(buf: *const u8, n: usize) -> Result<()> {
    if n > isize::MAX as usize || buf.is_null() && n > 0 {
        return Err(Error::Invalid);
    }
    Ok(())
}
