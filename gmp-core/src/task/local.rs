//! Keys of task-local values.
//!
//! Owns: the list of keys and their destructors. Values of a task lie in its `Extra`; values of a plain thread
//! are `local.rs`'s business. Always true: a key is never reused, so a stale one names nothing of another's.

use crate::base::error::{Error, Result};
use crate::primitive::{AtomicU32, AtomicUsize, Ordering::*};
use std::ffi::c_void;

/// Most keys of a process.
pub const MAX_KEYS: usize = 1024;
/// Rounds of destructors, for destructors that set values again (as POSIX threads do).
pub const ROUNDS: usize = 4;

/// Called with a value at the end of its task or thread.
pub type Destroy = unsafe extern "C" fn(*mut c_void);

/// See the module.
#[derive(Debug)]
pub struct Keys {
    made: AtomicU32,
    destroy: [AtomicUsize; MAX_KEYS],
}

impl Default for Keys {
    fn default() -> Self {
        Keys::new()
    }
}

impl Keys {
    pub const fn new() -> Keys {
        Keys { made: AtomicU32::new(0), destroy: [const { AtomicUsize::new(0) }; MAX_KEYS] }
    }

    /// A new key. `Again` when there are [`MAX_KEYS`].
    pub fn create(&self, destroy: Option<Destroy>) -> Result<u32> {
        let key = self
            .made
            .fetch_update(AcqRel, Acquire, |n| (n < MAX_KEYS as u32).then_some(n + 1))
            .map_err(|_| Error::Again)?;
        self.destroy[key as usize].store(destroy.map_or(0, |f| f as usize), Release);
        Ok(key)
    }

    /// True when `key` was handed out.
    pub fn exists(&self, key: u32) -> bool {
        key < self.made.load(Acquire)
    }

    /// Calls the destructors of `values` until none is left or the rounds are over. `values` is looked at anew
    /// each time, because a destructor may set others.
    ///
    /// # Safety
    /// The values belong to the calling task or thread, which is ending.
    pub unsafe fn destroy_all(&self, mut values: impl FnMut(usize) -> Option<*mut c_void>) {
        for _ in 0..ROUNDS {
            let mut any = false;
            for key in 0..self.made.load(Acquire) as usize {
                let Some(value) = values(key).filter(|v| !v.is_null()) else { continue };
                any = true;
                let destroy = self.destroy[key].load(Acquire);
                if destroy != 0 {
                    // SAFETY: stored by `create` from this type; the value is the caller's to destroy.
                    unsafe { std::mem::transmute::<usize, Destroy>(destroy)(value) };
                }
            }
            if !any {
                return;
            }
        }
    }
}
