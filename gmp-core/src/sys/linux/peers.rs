//! The threads of the process, as the kernel lists them.
//!
//! Always true: no heap is used. Called by: the recognition of deadlocks (`sched/deadlock.rs`), on the monitor's thread; `own_tid` by any thread.
//! Blocks: only as reading `/proc/self/task` does.

use super::errno;
use crate::sys::Errno;

/// The kernel's number of the calling thread, without asking the kernel: the name of the thread's CPU clock has it in its
/// upper bits, in the kernel's own encoding.
pub fn own_tid() -> i32 {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the calling thread is alive, and `clock` writable.
    let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
    let tid = !(clock >> 3);
    if failed != 0 || tid <= 0 {
        return super::thread::current_tid();
    }
    tid
}

/// True unless the process certainly has no thread of this number.
pub fn has_thread(tid: i32) -> bool {
    errno::keep(|| {
        // SAFETY: no memory is involved; signal 0 is none.
        let code = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, 0) };
        code == 0 || Errno::last().0 != libc::ESRCH
    })
}

/// True when the process has a thread that is `is_unknown`, or when that cannot be told.
pub fn has_other_thread(mut is_unknown: impl FnMut(i32) -> bool) -> bool {
    errno::keep(|| {
        // SAFETY: a constant path; the descriptor is closed below.
        let fd =
            unsafe { libc::open(c"/proc/self/task".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC) };
        if fd < 0 {
            return true;
        }
        let mut listed = 0;
        let found = any_entry(fd, |name| {
            let tid = std::str::from_utf8(name).ok().and_then(|text| text.parse().ok());
            listed += u64::from(tid.is_some());
            tid.is_some_and(&mut is_unknown)
        });
        // A thread that ends just when the kernel comes by it cuts the list short; the number of links does not lie.
        let found = found || links(fd) != Some(listed + 2);
        // SAFETY: opened above.
        unsafe { libc::close(fd) };
        found
    })
}

/// How many links a directory has: one for each entry, and two.
#[allow(clippy::unnecessary_cast, reason = "the number is narrower on other architectures")]
fn links(fd: i32) -> Option<u64> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: written on success, and read only then.
    unsafe { (libc::fstat(fd, stat.as_mut_ptr()) == 0).then(|| stat.assume_init().st_nlink as u64) }
}

/// A directory's entries, until one is found; true also when it cannot be read.
fn any_entry(fd: i32, mut is_found: impl FnMut(&[u8]) -> bool) -> bool {
    #[repr(align(8))]
    struct Buffer([u8; 4096]);
    // Of `struct linux_dirent64`: where the record's length and the name are.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let mut buffer = Buffer([0; 4096]);
    loop {
        // SAFETY: the kernel writes at most as much as the buffer holds.
        let n = unsafe { libc::syscall(libc::SYS_getdents64, fd, buffer.0.as_mut_ptr(), buffer.0.len()) };
        if n <= 0 {
            return n < 0;
        }
        let mut rest = &buffer.0[..n as usize];
        while rest.len() > NAME {
            let length = u16::from_ne_bytes([rest[LENGTH], rest[LENGTH + 1]]) as usize;
            let Some(record) = rest.get(NAME..length) else { return true };
            let name = record.split(|&b| b == 0).next().unwrap_or_default();
            if is_found(name) {
                return true;
            }
            rest = &rest[length..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_knows_its_number_and_the_process_its_threads() {
        let own = super::super::thread::current_tid();
        assert_eq!(own_tid(), own);
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            assert_eq!(own_tid(), super::super::thread::current_tid());
            tell.send(own_tid()).unwrap();
            let _closed = ended.recv();
        });
        let other = told.recv().unwrap();
        assert_ne!(other, own);
        assert!(has_thread(own) && has_thread(other));
        // Threads of other tests may end in the middle of it.
        let mut seen = Vec::new();
        while has_other_thread(|tid| {
            seen.push(tid);
            false
        }) {
            seen.clear();
        }
        assert!(seen.contains(&own) && seen.contains(&other));
        assert!(has_other_thread(|tid| tid == other));
        drop(end);
        thread.join().unwrap();
        // The kernel takes the thread off its list a moment after it has told `join`.
        while has_thread(other) {
            std::thread::yield_now();
        }
    }
}
