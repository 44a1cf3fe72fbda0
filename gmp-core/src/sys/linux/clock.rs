//! Time: one monotonic clock, in nanoseconds.
//!
//! Always true: every deadline of the library is a value of this clock. Never blocks (vDSO).

/// Nanoseconds of CLOCK_MONOTONIC. It stands still while the machine is suspended.
#[inline]
#[allow(clippy::unnecessary_cast)] // 32-bit systems have narrower fields
pub fn now() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write; this clock always exists, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as i64 * 1_000_000_000 + time.tv_nsec as i64
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_never_goes_back() {
        let mut last = super::now();
        for _ in 0..1000 {
            let next = super::now();
            assert!(next >= last);
            last = next;
        }
    }
}
