//! The frames of a parked task, for its class: may it change threads?
//!
//! Owns: one mirror, made at the first question. Called by: a class's `may_migrate`, through the C ABI. Blocks nothing: who finds the
//! mirror in use is told so.

use crate::base::error::{Error, Result};
use crate::primitive::Mutex;
use crate::stack::Class;
use crate::switch::trace::{Mirror, MOST};

struct Kept(Mirror);
// SAFETY: memory of its own, used under the lock.
unsafe impl Send for Kept {}

static MIRROR: Mutex<Option<Kept>> = Mutex::new(None);

/// Writes the return addresses of a context that is parked at `sp`, on a stack whose frames begin at `top`, newest first; how many.
/// `NotSupported` where frames cannot be had; `Again` while another thread asks; `Invalid` when there are more than `out` holds or than
/// are ever kept, or the two are no such stack.
///
/// # Safety
/// `sp..top` is readable, and a context is parked at `sp` until this returns.
pub unsafe fn parked_frames(sp: usize, top: usize, out: &mut [usize]) -> Result<usize> {
    let mut kept = MIRROR.try_lock().ok_or(Error::Again)?;
    if kept.is_none() {
        *kept = Some(Kept(Mirror::new(Class::Huge.slot())?));
    }
    let mirror = &kept.as_ref().ok_or(Error::NotSupported)?.0;
    // SAFETY: the caller's promise.
    let frames = unsafe { mirror.frames(sp, top, || true) }.ok_or(Error::Invalid)?;
    if frames.more || frames.len > out.len().min(MOST) {
        return Err(Error::Invalid);
    }
    out[..frames.len].copy_from_slice(&frames.at[..frames.len]);
    Ok(frames.len)
}
