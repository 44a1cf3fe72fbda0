//! The types of the locks by name.
//!
//! Owns: nothing. Called once, at import. Blocks nothing.

use crate::lock_type::Object;
use crate::{condition_type, event, mutex, rlock, rw_lock, semaphore, wait_group};

/// Makes all of them; an entry is NULL with an exception set on failure.
///
/// # Safety
/// The GIL is held; once a process.
pub unsafe fn make() -> [(&'static str, Object); 8] {
    // SAFETY: as the caller promises.
    unsafe {
        let [lock, side] = rw_lock::make();
        [
            ("Mutex", mutex::make()),
            ("RLock", rlock::make()),
            ("Event", event::make()),
            ("Semaphore", semaphore::make()),
            ("WaitGroup", wait_group::make()),
            ("Condition", condition_type::make()),
            ("RWLock", lock),
            ("_Side", side),
        ]
    }
}
