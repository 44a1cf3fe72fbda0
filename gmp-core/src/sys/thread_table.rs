//! One pointer a thread, with a destructor at the thread's end (POSIX thread-specific data).
//!
//! Owns: one key, made at the first `set`. For threads that are not ours; ours have their record.

use super::Errno;
use crate::primitive::{AtomicU64, Ordering::*};
use std::ffi::c_void;

/// See the module. The key is stored plus one; 0: not made yet.
pub struct Table {
    key: AtomicU64,
    end: unsafe extern "C" fn(*mut c_void),
}

impl Table {
    pub const fn new(end: unsafe extern "C" fn(*mut c_void)) -> Table {
        Table { key: AtomicU64::new(0), end }
    }

    /// This thread's pointer; null when none was set.
    pub fn get(&self) -> *mut c_void {
        match self.key.load(Acquire) {
            0 => std::ptr::null_mut(),
            // SAFETY: a key that was made is valid for ever.
            key => unsafe { libc::pthread_getspecific((key - 1) as libc::pthread_key_t) },
        }
    }

    /// Sets this thread's pointer.
    #[allow(clippy::not_unsafe_ptr_arg_deref, reason = "the pointer is stored, not followed")]
    pub fn set(&self, value: *mut c_void) -> Result<(), Errno> {
        let mut key = self.key.load(Acquire);
        if key == 0 {
            let mut made: libc::pthread_key_t = 0;
            // SAFETY: `made` is writable; the destructor lives as long as the library.
            match unsafe { libc::pthread_key_create(&mut made, Some(self.end)) } {
                0 => {}
                errno => return Err(Errno(errno)),
            }
            key = made as u64 + 1;
            if let Err(other) = self.key.compare_exchange(0, key, AcqRel, Acquire) {
                // SAFETY: made above, and used by nobody.
                unsafe { libc::pthread_key_delete(made) };
                key = other;
            }
        }
        // SAFETY: a valid key.
        match unsafe { libc::pthread_setspecific((key - 1) as libc::pthread_key_t, value) } {
            0 => Ok(()),
            errno => Err(Errno(errno)),
        }
    }
}
