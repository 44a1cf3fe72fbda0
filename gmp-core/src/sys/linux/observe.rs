//! What the kernel says of another thread of this process: does it run or sleep, and in which system call.
//!
//! Always true: no file stays open and no heap is used, so the monitor may look while memory is out; the host's file
//! descriptors are not counted on: without one, or without `/proc`, the thread's CPU clock must do.
//! Called by: the monitor, dumps. Blocks: as reading `/proc` does, 3 to 10 µs.
//!
//! A test may say which source is the first: `GMP_TEST_OBSERVE=stat` or `clock`.
//!
//! Sources: proc(5) `/proc/PID/task/TID/syscall`, `stat`; `pthread_getcpuclockid` in glibc for the number of a clock.

use super::{errno, file};
use crate::primitive::{AtomicU8, Ordering::Relaxed};
use std::fmt::Write;

/// What a thread was doing when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// On a CPU, or waiting for one.
    Runs,
    /// Asleep in the kernel, in this system call; `None`: not known, or no call (a page that is being read).
    Sleeps(Option<i32>),
    /// It has used so many nanoseconds of CPU time since its start: all that can be had here.
    Used(i64),
    /// No such thread, or nothing can be said.
    Unknown,
}

/// Looks at another thread of this process. (The calling one is seen in the call that asks.)
pub fn look(tid: i32) -> Doing {
    // Others mean something else to the clock: PID_MAX_LIMIT of the kernel.
    if !(1..=1 << 22).contains(&tid) {
        return Doing::Unknown;
    }
    // Not a `OnceLock`: a fork's child would wait for a thread that was just in it.
    static SOURCE: AtomicU8 = AtomicU8::new(u8::MAX);
    let mut first = SOURCE.load(Relaxed);
    if first == u8::MAX {
        first = match std::env::var_os("GMP_TEST_OBSERVE") {
            Some(name) if name == "stat" => 1,
            Some(name) if name == "clock" => 2,
            _ => 0,
        };
        SOURCE.store(first, Relaxed);
    }
    let sources = &[by_call, by_state, by_clock][first as usize..];
    errno::keep(|| match sources.iter().find_map(|source| source(tid)) {
        // Or stopped by a tracer on its way into a call or out of it.
        Some(Doing::Sleeps(Some(_))) if by_state(tid) == Some(Doing::Runs) => Doing::Runs,
        other => other.unwrap_or(Doing::Unknown),
    })
}

/// True while a debugger or tracer (gdb, strace) is attached to this process: every system call stops then, and takes long.
pub fn is_traced() -> bool {
    let mut traced = false;
    errno::keep(|| {
        file::for_each_line::<256>("/proc/self/status".as_ref(), |line| {
            if let Some(pid) = line.strip_prefix(b"TracerPid:") {
                traced = pid.trim_ascii() != b"0";
            }
        })
    });
    traced
}

/// `running`, or the number of the call and its arguments; −1: asleep outside a call.
fn by_call(tid: i32) -> Option<Doing> {
    let mut buffer = [0; 32];
    let text = read(tid, "syscall", &mut buffer)?;
    let word = text.split(|&byte| byte == b' ' || byte == b'\n').next()?;
    if word == b"running" {
        return Some(Doing::Runs);
    }
    let number: i32 = std::str::from_utf8(word).ok()?.parse().ok()?;
    Some(Doing::Sleeps((number >= 0).then_some(number)))
}

/// The state's letter, after the name in parentheses, which may hold anything.
fn by_state(tid: i32) -> Option<Doing> {
    let mut buffer = [0; 64];
    let text = read(tid, "stat", &mut buffer)?;
    let end = text.iter().rposition(|&byte| byte == b')')?;
    match text.get(end + 2)? {
        // Stopped by a tracer: it runs as far as that lets it.
        b'R' | b't' | b'T' => Some(Doing::Runs),
        b'S' | b'D' | b'I' => Some(Doing::Sleeps(None)),
        _ => None,
    }
}

fn by_clock(tid: i32) -> Option<Doing> {
    // The kernel's encoding: the complement of the number, "one thread" and "its time on a CPU".
    let clock = !tid << 3 | 4 | 2;
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec; an unknown thread is an error.
    let result = unsafe { libc::clock_gettime(clock, &mut at) };
    (result == 0).then_some(Doing::Used(at.tv_sec * 1_000_000_000 + at.tv_nsec))
}

/// The beginning of a file about the thread.
fn read<'a>(tid: i32, file: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut path = Path { bytes: [0; 48], len: 0 };
    write!(path, "/proc/self/task/{tid}/{file}").ok()?;
    // SAFETY: the path ends in a zero byte, as `Path` keeps the last one; the buffer is as long as is said; the
    // descriptor is our own.
    unsafe {
        let fd = libc::open(path.bytes.as_ptr() as *const libc::c_char, libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let n = libc::read(fd, buffer.as_mut_ptr() as *mut libc::c_void, buffer.len());
        libc::close(fd);
        (n > 0).then(|| &buffer[..n as usize])
    }
}

struct Path {
    bytes: [u8; 48],
    len: usize,
}

impl Write for Path {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        // The last byte stays zero.
        if end >= self.bytes.len() {
            return Err(std::fmt::Error);
        }
        self.bytes[self.len..end].copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::{AtomicBool, Ordering};
    use crate::sys::thread;
    use std::sync::{mpsc, Arc};

    /// Looks until the answer is what it will be.
    fn until(tid: i32, look: fn(i32) -> Option<Doing>, want: impl Fn(Option<Doing>) -> bool) {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !want(look(tid)) {
            assert!(std::time::Instant::now() < end, "{:?}", look(tid));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_thread_that_runs_does_so_for_all_three() {
        let (send, recv) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let runner = std::thread::spawn({
            let stop = stop.clone();
            move || {
                send.send(thread::current_tid()).unwrap();
                while !stop.load(Ordering::Relaxed) {}
            }
        });
        let tid = recv.recv().unwrap();
        until(tid, |tid| Some(look(tid)), |seen| seen == Some(Doing::Runs));
        until(tid, by_state, |seen| seen == Some(Doing::Runs));
        let Some(Doing::Used(before)) = by_clock(tid) else { panic!("no clock") };
        until(tid, by_clock, |seen| matches!(seen, Some(Doing::Used(now)) if now > before));
        stop.store(true, Ordering::Relaxed);
        runner.join().unwrap();
    }

    #[test]
    fn a_thread_in_a_call_sleeps_in_it() {
        let (send, recv) = mpsc::channel();
        let mut pipe = [0; 2];
        // SAFETY: two descriptors, read by the thread and closed by us.
        unsafe { assert_eq!(libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC), 0) };
        let sleeper = std::thread::spawn(move || {
            send.send(thread::current_tid()).unwrap();
            let mut byte = 0u8;
            // SAFETY: one byte.
            unsafe { libc::read(pipe[0], &mut byte as *mut u8 as *mut libc::c_void, 1) };
        });
        let tid = recv.recv().unwrap();
        until(tid, |tid| Some(look(tid)), |seen| seen == Some(Doing::Sleeps(Some(libc::SYS_read as i32))));
        assert_eq!(by_state(tid), Some(Doing::Sleeps(None)));
        // SAFETY: as above.
        unsafe {
            libc::close(pipe[1]);
            sleeper.join().unwrap();
            libc::close(pipe[0]);
        }
    }

    #[test]
    fn nothing_is_said_of_no_thread() {
        assert_eq!(look(i32::MAX), Doing::Unknown);
        assert_eq!(look(-1), Doing::Unknown);
    }
}
