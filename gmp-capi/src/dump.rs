//! Dumps and leak reports: tasks as text.
//!
//! Owns: nothing. Blocks: the writing does.

use crate::boundary::{code, guarded};
use gmp_core::global;
use std::ffi::c_int;

/// Writes what every task, thread and processor is doing to `fd`, as lines of text that begin with what they are about
/// and go on with `name=value`, so that they can be searched:
///
///     gmp dump version=0.1.0 uptime=12.345s procs=2 threads=3 ...
///     tasks new=0 runnable=1 running=1 blocking=0 blocked=1 parked=2 ended=0 created=9 finished=4
///     counters switches=31 ...
///     processor 0 state=busy machine=1 private=0 shared=no timers=1 next-timer=0.250s
///     machine 1 thread=4711 state=running task=3 processor=0 call=read
///     task 3 state=blocked thread=4711 call=read name="loader" stack=256K site=main+0x2f (prog)
///     task 7 state=parked reason=chan-recv for=3.210s cancelled stack=256K site=spawn_all+0x41 (prog)
///         at gmp_chan_recv+0x2d (libgmprt.so.0)
///         at consume+0x18 (prog)
///
/// A task's state is new (never ran), runnable (waits to go on), running, blocking (in a declared blocking section), blocked (its
/// thread sleeps in the kernel, in code that did not say so; `for` since the monitor noticed), parked (it waits in this library:
/// `reason`, and `for` how long, right to about 10 ms), or ended (nobody has joined it yet). `thread` and `call` are the thread that runs it and the system
/// call which that sleeps in, as the kernel tells. A task whose joined child runs on its stack is parked with reason
/// join-in-place, and the child says `on-stack-of`. Then may follow name, class, `context` (it is in one), `sticky`, `locked`, `bound-to` (its
/// thread), `cancelled`, `shielded`, `will-block`; then the stack's slot, and last the place that spawned it: `function+offset (object)`, or `object+offset`
/// where no exported function is known. Below a parked task stands where it waits, newest call first, up to 32 frames (x86-64 and
/// aarch64, not in builds on another switch); `went on meanwhile` if it was gone before it could be looked at.
///
/// With more than 1000 tasks a line `grouped: ...` says so; then each `group` of equal state, reason and site is one line
/// with its number of tasks, and three of each follow in full. Programs that read dumps should allow for more fields.
///
/// Lines `retaken call=... times=...` count the system calls that cost a processor without having been declared.
///
/// A line `still: ...` says that no task can go on unless one of so many threads of the program's own, the caller among them,
/// makes it.
///
/// Nothing is stopped for it: each line is true for some moment during the call. Before the runtime's start, after its shutdown
/// and in a fork's child that has not used it, one line says `not running`. As with write(2), a pipe that nobody
/// reads raises SIGPIPE.
///
/// @param fd  A descriptor to write to. All is written, also where it does not block.
/// @return    GMP_OK or a code.
/// @context any thread or task  @blocks the thread, while it writes; a task is in a blocking section meanwhile
/// @errors  GMP_EBADF and what else write(2) fails with. GMP_ENOMEM: nothing was written.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_dump(fd: c_int) -> c_int {
    guarded(|| code(global::dump_to(fd)))
}

/// Writes to `fd` which tasks have been parked for `older_than_ns` nanoseconds or longer, grouped by the place that spawned them and
/// what they wait for, most tasks first:
///
///     gmp leaks version=0.1.0 older-than=60.000s found=214 parked=230 tasks=233
///     leak tasks=200 reason=chan-recv oldest=3605.120s example=8123 site=handle+0x91 (server)
///         at gmp_chan_recv+0x2d (libgmprt.so.0)
///         at next_request+0x44 (server)
///
/// `example` is the id of the one that has waited longest, and below stands where it waits (see gmp_dump). Tasks that sleep or wait
/// with a deadline count like the others. A task that waits for a child on its own stack does not: the child does.
///
/// @param fd             A descriptor to write to, as for gmp_dump.
/// @param older_than_ns  How long, in nanoseconds; right to about 10 ms, and up to 208 days. 0: every parked task.
/// @return               GMP_OK or a code.
/// @context any thread or task  @blocks the thread, while it writes; a task is in a blocking section meanwhile
/// @errors  GMP_EINVAL: `older_than_ns` is negative. Others as gmp_dump.
/// @since   0.1
#[no_mangle]
pub extern "C" fn gmp_dump_leaks(fd: c_int, older_than_ns: i64) -> c_int {
    guarded(|| code(global::leaks_to(fd, older_than_ns)))
}
