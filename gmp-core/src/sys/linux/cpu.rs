//! How many processors to use.
//!
//! Owns: the two test switches, `GMP_TEST_NCPU` (stands for the affinity count) and `GMP_TEST_CGROUP` (a
//! directory that stands for the root of the file system, or for one cgroup), read once.
//! Always true: the answer is at least 1, and what cannot be read does not count.
//! Called by: start, and the monitor once a second. Wants about 24 KiB of stack.

use super::{cgroup, errno};
use crate::primitive::{AtomicPtr, Ordering::*};
use std::path::{Path, PathBuf};

/// A quota below this still gives this many: one processor alone would let one task stop the others.
const QUOTA_FLOOR: i32 = 2;

struct Switches {
    cpus: Option<i32>,
    cgroup: Option<PathBuf>,
}

// Not a `OnceLock`: a fork's child would wait for a thread that was just in it.
static SWITCHES: AtomicPtr<Switches> = AtomicPtr::new(std::ptr::null_mut());

fn switches() -> &'static Switches {
    let mut known = SWITCHES.load(Acquire);
    if known.is_null() {
        let mine = Box::into_raw(Box::new(Switches {
            cpus: std::env::var("GMP_TEST_NCPU").ok().and_then(|text| parse_maxprocs(&text)),
            cgroup: std::env::var_os("GMP_TEST_CGROUP").filter(|dir| !dir.is_empty()).map(PathBuf::from),
        }));
        known = match SWITCHES.compare_exchange(known, mine, AcqRel, Acquire) {
            Ok(_) => mine,
            Err(first) => {
                // SAFETY: nobody else has seen it.
                drop(unsafe { Box::from_raw(mine) });
                first
            }
        };
    }
    // SAFETY: set once, and never freed.
    unsafe { &*known }
}

/// The CPUs that the calling thread may run on.
pub fn num_cpu() -> i32 {
    switches().cpus.unwrap_or_else(|| errno::keep(affinity)).max(1)
}

/// The processors to use when nobody says otherwise: the CPUs of [`num_cpu`], or fewer where a cgroup of the
/// process or any cgroup above it has a smaller quota (rounded up, and never below 2).
pub fn default_procs() -> i32 {
    let quota = errno::keep(|| match &switches().cgroup {
        Some(dir) => cgroup::quota_in(dir),
        None => cgroup::quota_under(Path::new("/")),
    });
    limit(num_cpu(), quota)
}

fn limit(cpus: i32, quota: Option<i32>) -> i32 {
    quota.map_or(cpus, |quota| cpus.min(quota.max(QUOTA_FLOOR)))
}

/// A processor count as people write it in `GMP_MAXPROCS`: decimal digits, positive, 32 bits. Anything else is
/// no count.
pub fn parse_maxprocs(text: &str) -> Option<i32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&count| count > 0)
}

fn affinity() -> i32 {
    // The kernel wants room for every CPU it might have: 65,536 is eight times what Linux can be built for.
    let mut mask = [0u64; 1024];
    // SAFETY: the kernel writes at most the size given, into this array.
    let bytes =
        unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, std::mem::size_of_val(&mask), mask.as_mut_ptr()) };
    if bytes > 0 {
        return mask.iter().map(|word| word.count_ones()).sum::<u32>() as i32;
    }
    // SAFETY: no pointers.
    unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maxprocs_is_digits_only() {
        let good = [("1", 1), ("007", 7), ("2147483647", i32::MAX)];
        assert!(good.iter().all(|&(text, count)| parse_maxprocs(text) == Some(count)));
        for bad in ["", "0", "-1", "+2", " 2", "2 ", "2.0", "0x2", "two", "2147483648", "99999999999999999999"] {
            assert_eq!(parse_maxprocs(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_affinity_is_what_the_c_library_says() {
        // SAFETY: a zeroed cpu_set_t is valid, and the call writes no more than its size.
        let count = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            assert_eq!(libc::sched_getaffinity(0, std::mem::size_of_val(&set), &mut set), 0);
            libc::CPU_COUNT(&set)
        };
        assert_eq!(affinity(), count);
    }

    #[test]
    fn a_quota_limits_but_never_below_two_nor_above_the_cpus() {
        assert_eq!(limit(8, None), 8);
        assert_eq!(limit(8, Some(1)), 2);
        assert_eq!(limit(8, Some(3)), 3);
        assert_eq!(limit(8, Some(100)), 8);
        assert_eq!(limit(1, Some(3)), 1);
    }
}
