//! Address space: reserving it, guarding it, giving pages back.
//!
//! Always true: a range is whole pages of the caller's own mappings. Lists of ranges go to the kernel up to 64
//! at a time (`process_madvise` on ourselves), which is half the price of one call a range; kernels without
//! that get one call a range.
//! Called by: the slabs and the stack depot. Blocks only as page work does.

use super::{errno, file};
use crate::sys::Errno;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::OnceLock;

/// An address and a length in bytes.
pub type Range = (usize, usize);

const MADV_POPULATE_WRITE: i32 = 23;
const MADV_GUARD_INSTALL: i32 = 102;
const PIDFD_SELF: i32 = -10_000;
const BATCH: usize = 64;

static PAGE_SIZE: OnceLock<usize> = OnceLock::new();

/// Bytes of a page.
pub fn page_size() -> usize {
    // SAFETY: no pointers; this name always has a value.
    *PAGE_SIZE.get_or_init(|| unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize)
}

/// Reserves `len` bytes of zeroed memory at a multiple of `align`, which takes memory only where touched.
/// `len` is whole pages, `align` a power of two of at least a page.
pub fn reserve(len: usize, align: usize) -> Result<NonNull<u8>, Errno> {
    let page = page_size();
    debug_assert!(len > 0 && len.is_multiple_of(page) && align.is_power_of_two() && align >= page);
    let whole = len.checked_add(align - page).ok_or(Errno(libc::ENOMEM))?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    errno::keep(|| {
        // SAFETY: a fresh anonymous mapping touches nothing that exists; the trimmed ends are ours.
        unsafe {
            let base = libc::mmap(std::ptr::null_mut(), whole, protection, flags, -1, 0);
            if base == libc::MAP_FAILED {
                return Err(Errno::last());
            }
            let base = base as *mut u8;
            let front = base.align_offset(align);
            let start = base.add(front);
            let back = whole - front - len;
            if front > 0 {
                libc::munmap(base as *mut c_void, front);
            }
            if back > 0 {
                libc::munmap(start.add(len) as *mut c_void, back);
            }
            Ok(NonNull::new_unchecked(start))
        }
    })
}

/// Gives address space back.
///
/// # Safety
/// The range came from [`reserve`] (a part of it will do) and nobody uses it any more.
pub unsafe fn release(ptr: NonNull<u8>, len: usize) {
    // SAFETY: the caller's promise.
    let result = errno::keep(|| unsafe { libc::munmap(ptr.as_ptr() as *mut c_void, len) });
    debug_assert_eq!(result, 0);
}

/// Asks for small pages only: a huge page under a stack costs 2 MiB for one touched byte. A wish.
pub fn no_huge(ptr: NonNull<u8>, len: usize) {
    // SAFETY: the advice changes no content.
    let _ = unsafe { advise((ptr.as_ptr() as usize, len), libc::MADV_NOHUGEPAGE) };
}

/// Asks for huge pages, for memory that is filled densely. A wish.
pub fn want_huge(ptr: NonNull<u8>, len: usize) {
    // SAFETY: the advice changes no content.
    let _ = unsafe { advise((ptr.as_ptr() as usize, len), libc::MADV_HUGEPAGE) };
}

/// Makes every access to the ranges a fault, without a mapping of its own for each (Linux 6.13). EINVAL where
/// the kernel does not know it or the memory is locked: then use [`guard_protect`]. After an error some of the
/// ranges may be guarded.
///
/// # Safety
/// The ranges are the caller's, and nothing in them is needed: their pages are dropped.
pub unsafe fn guard_install(ranges: &[Range]) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { advise_all(ranges, MADV_GUARD_INSTALL) }
}

/// Makes every access to the range a fault, by a mapping of its own: two of `max_map_count` a guard.
///
/// # Safety
/// The range is the caller's, and nothing in it is used any more.
pub unsafe fn guard_protect(ptr: NonNull<u8>, len: usize) -> Result<(), Errno> {
    errno::keep(|| {
        // SAFETY: the caller's promise.
        match unsafe { libc::mprotect(ptr.as_ptr() as *mut c_void, len, libc::PROT_NONE) } {
            0 => Ok(()),
            _ => Err(Errno::last()),
        }
    })
}

/// Gives the pages of the ranges back to the system; they read as zeros again. Guards in them stay. EINVAL
/// where the memory is locked.
///
/// # Safety
/// The ranges are the caller's, and nothing in them is needed.
pub unsafe fn drop_pages(ranges: &[Range]) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { advise_all(ranges, libc::MADV_DONTNEED) }
}

/// Faults the pages of the ranges in for writing, all at once. A wish: an error leaves them to later faults.
pub fn populate(ranges: &[Range]) {
    // SAFETY: faulting pages in changes no content.
    let _ = unsafe { advise_all(ranges, MADV_POPULATE_WRITE) };
}

/// How many mappings the process may have (`vm.max_map_count`).
pub fn max_map_count() -> usize {
    const KERNEL_DEFAULT: usize = 65_530;
    errno::keep(|| file::read_number("/proc/sys/vm/max_map_count".as_ref()))
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(KERNEL_DEFAULT)
}

/// # Safety
/// As the advice asks.
unsafe fn advise((start, len): Range, advice: i32) -> Result<(), Errno> {
    errno::keep(|| {
        // SAFETY: the caller's promise.
        match unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(start), len, advice) } {
            0 => Ok(()),
            _ => Err(Errno::last()),
        }
    })
}

/// Gives one advice about many ranges, in order, and stops at the first that fails.
///
/// # Safety
/// As the advice asks.
unsafe fn advise_all(ranges: &[Range], advice: i32) -> Result<(), Errno> {
    let mut rest = ranges;
    while rest.len() > 1 {
        // SAFETY: the caller's promise.
        let done = unsafe { advise_batch(&rest[..rest.len().min(BATCH)], advice) };
        if done == 0 {
            break;
        }
        rest = &rest[done..];
    }
    // One by one: what is left when the kernel cannot do batches, and the way to learn what is wrong.
    for &range in rest {
        // SAFETY: the caller's promise.
        unsafe { advise(range, advice)? };
    }
    Ok(())
}

/// How many of up to [`BATCH`] ranges the kernel did in one call; it stops at the first that fails.
///
/// # Safety
/// As the advice asks.
unsafe fn advise_batch(ranges: &[Range], advice: i32) -> usize {
    let mut vector = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
    for (entry, &(start, len)) in vector.iter_mut().zip(ranges) {
        *entry = libc::iovec { iov_base: std::ptr::with_exposed_provenance_mut(start), iov_len: len };
    }
    // SAFETY: the vector outlives the call and holds `ranges.len()` entries; the advice is the caller's promise.
    let result = errno::keep(|| unsafe {
        libc::syscall(libc::SYS_process_madvise, PIDFD_SELF, vector.as_ptr(), ranges.len(), advice, 0)
    });
    let mut bytes = usize::try_from(result).unwrap_or(0);
    ranges
        .iter()
        .take_while(|range| {
            let whole = range.1 <= bytes;
            bytes -= range.1.min(bytes);
            whole
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the page at `at` is in memory.
    fn resident(at: usize) -> bool {
        let mut state = 0u8;
        // SAFETY: one page of a mapping of the test's own, one byte of result.
        let code =
            unsafe { libc::mincore(std::ptr::with_exposed_provenance_mut(at), page_size(), &mut state as *mut u8) };
        assert_eq!(code, 0);
        state & 1 == 1
    }

    fn reserve_pages(pages: usize) -> (NonNull<u8>, usize) {
        let base = reserve(pages * page_size(), page_size()).unwrap();
        no_huge(base, pages * page_size());
        (base, base.as_ptr().expose_provenance())
    }

    #[test]
    fn a_reservation_is_aligned_writable_and_ends_where_asked() {
        for align in [page_size(), 1 << 20, 64 << 20] {
            let len = 2 << 20;
            let base = reserve(len, align).unwrap();
            assert_eq!(base.as_ptr() as usize % align, 0);
            // SAFETY: inside the fresh reservation, which is released once.
            unsafe {
                base.as_ptr().write(1);
                base.as_ptr().add(len - 1).write(2);
                assert_eq!(base.as_ptr().add(1).read(), 0);
                release(base, len);
            }
        }
        assert_eq!(reserve(usize::MAX & !(page_size() - 1), 1 << 20), Err(Errno(libc::ENOMEM)));
    }

    #[test]
    fn populate_and_drop_pages_reach_every_range_of_more_than_a_batch() {
        let (base, start) = reserve_pages(3 * BATCH);
        let ranges: Vec<Range> = (0..BATCH + 7).map(|i| (start + 2 * i * page_size(), page_size())).collect();
        populate(&ranges);
        assert!(ranges.iter().all(|range| resident(range.0)));
        assert!(!resident(start + page_size()));
        // SAFETY: the test's own pages.
        unsafe {
            drop_pages(&ranges).unwrap();
            assert!(ranges.iter().all(|range| !resident(range.0)));
            release(base, 3 * BATCH * page_size());
        }
    }

    #[test]
    fn ranges_after_a_bad_one_are_not_done_and_the_error_is_told() {
        let (base, start) = reserve_pages(8);
        let page = page_size();
        // SAFETY: the test's own pages; the hole is never touched again.
        unsafe {
            for i in 0..8 {
                base.as_ptr().add(i * page).write(1);
            }
            libc::munmap(base.as_ptr().add(2 * page) as *mut c_void, page);
            let ranges = [(start, page), (start + page, page), (start + 2 * page, page), (start + 3 * page, page)];
            assert_eq!(drop_pages(&ranges), Err(Errno(libc::ENOMEM)));
            assert!(!resident(start) && !resident(start + page));
            assert!(resident(start + 3 * page));
            release(base, 8 * page);
        }
    }

    #[test]
    fn the_mapping_limit_is_a_number() {
        assert!(max_map_count() >= 1000);
    }
}
