//! The boundary: results to codes, structs that may grow, and panics that stop here.
//!
//! Owns: the three conversions that every file here uses. Blocks: nothing.

use gmp_core::{Error, Result};
use std::ffi::{c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// The most bytes that a struct which starts with its size can claim.
const MOST: usize = 4096;

// Handles are 64-bit numbers in a pointer's clothes.
const _: () = assert!(size_of::<*const c_void>() == 8, "only 64-bit systems");

/// 0 or the error's code.
#[inline(always)]
pub fn code(result: Result<()>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(e) => e.code(),
    }
}

/// The number (never negative) or the error's code.
#[inline(always)]
pub fn number(result: Result<i32>) -> c_int {
    result.unwrap_or_else(|e| e.code())
}

/// Runs what may panic only by a mistake of ours, and then answers `GMP_EPANIC`. For cold functions.
pub fn guarded(f: impl FnOnce() -> c_int) -> c_int {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or(Error::Panicked.code())
}

/// Fails for a size that no version of `T` has: this is the first, so none is shorter.
fn check_size<T>(size: usize) -> Result<()> {
    if (size_of::<T>()..=MOST).contains(&size) {
        Ok(())
    } else {
        Err(Error::Invalid)
    }
}

/// Makes a struct that starts with its size: zeros, and the size.
///
/// # Safety
/// `out` is null or names `size` writable bytes.
pub unsafe fn init<T>(out: *mut T, size: usize) -> Result<()> {
    if out.is_null() {
        return Err(Error::Invalid);
    }
    check_size::<T>(size)?;
    // SAFETY: the caller's promise, and `size` is at least a size.
    unsafe {
        out.cast::<u8>().write_bytes(0, size);
        out.cast::<usize>().write(size);
    }
    Ok(())
}

/// Reads a struct that starts with its size. A newer caller's members beyond ours must be zero: what they ask for is
/// not known here.
///
/// # Safety
/// `given` names as many bytes as it says, or one size if that is foolish.
pub unsafe fn input<'a, T>(given: *const T) -> Result<&'a T> {
    // SAFETY: the caller's promise.
    unsafe {
        let size = given.cast::<usize>().read();
        check_size::<T>(size)?;
        let tail = std::slice::from_raw_parts(given.add(1).cast::<u8>(), size - size_of::<T>());
        if tail.iter().any(|&byte| byte != 0) {
            return Err(Error::Invalid);
        }
        Ok(&*given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    struct Known {
        size: usize,
        value: u64,
    }

    #[repr(C)]
    struct Newer {
        known: Known,
        more: u64,
    }

    #[test]
    fn foolish_sizes_are_refused() {
        let mut known = Known { size: 0, value: 1 };
        for size in [0, 1, 7, 8, 15, MOST + 1, usize::MAX] {
            // SAFETY: refused before anything is written.
            assert_eq!(unsafe { init(&mut known, size) }, Err(Error::Invalid));
            known.size = size;
            // SAFETY: refused after the size was read.
            assert!(unsafe { input(&known) }.is_err());
        }
        // SAFETY: null is refused.
        assert_eq!(unsafe { init(std::ptr::null_mut::<Known>(), 16) }, Err(Error::Invalid));
        assert_eq!(known.value, 1);
    }

    #[test]
    fn a_newer_callers_struct_is_read_while_its_new_members_are_zero() {
        let mut newer = Newer { known: Known { size: 1, value: 1 }, more: 1 };
        // SAFETY: `newer` has the size that is given.
        unsafe {
            assert_eq!(init((&raw mut newer).cast::<Known>(), size_of::<Newer>()), Ok(()));
            assert_eq!((newer.known.value, newer.more), (0, 0));
            newer.known.value = 3;
            assert_eq!(input((&raw const newer).cast::<Known>()).map(|k| k.value), Ok(3));
            newer.more = 1;
            assert!(input((&raw const newer).cast::<Known>()).is_err());
        }
    }

    #[test]
    fn a_panic_becomes_a_code() {
        assert_eq!(guarded(|| 5), 5);
        assert_eq!(guarded(|| std::panic::resume_unwind(Box::new(()))), Error::Panicked.code());
    }
}
