//! Boxes that can fail: for records made while the host may be short of memory.

use super::error::{Error, Result};
use std::alloc::{alloc, Layout};

/// `Box::new` that answers `NoMemory` instead of aborting.
pub fn try_box<T>(value: T) -> Result<Box<T>> {
    let layout = Layout::new::<T>();
    assert!(layout.size() > 0, "only for real records");
    // SAFETY: the layout is not zero-sized.
    let p = unsafe { alloc(layout) } as *mut T;
    if p.is_null() {
        return Err(Error::NoMemory);
    }
    // SAFETY: freshly allocated with `T`'s layout by the global allocator, which `Box` frees with.
    unsafe {
        p.write(value);
        Ok(Box::from_raw(p))
    }
}
