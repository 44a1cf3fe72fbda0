//! The frames of a parked context: where it waits, and who called that.
//!
//! Owns: the *mirror*, memory of its own to which a parked stack is copied; the platform's unwinder walks the copy. So nobody
//! is held while it walks, and the stack's owner may go on at any moment.
//!
//! Always true:
//!  - U1. What is walked was one state of the stack: the copy is thrown away unless its owner has stood still from before it
//!        to after it.
//!  - U2. A word of the copy that pointed into the stack points to the same place in the mirror: frame pointers and saved stack
//!        pointers lead from frame to frame of the copy. Others are no business of an unwinder.
//!  - U3. The mirror is as long as the stack, and what lies above the part that was copied is mapped, so a step of the unwinder from
//!        a copied frame stays in it; the frame that it comes to above that part is not looked at.
//!
//! The unwinder believes the unwind information of the code that it passes, as for every exception: code in assembly whose
//! description is wrong may lead it astray.
//!
//! Called by: dumps. Blocks: as the unwinder does, on the dynamic loader's lock with older C libraries.
//!
//! Tried and dropped: walking the parked stack itself. It needs the task held still, which would cost each wake a look.

pub use super::backend::CAN_TRACE;
use super::{backend, Sp};
use crate::base::error::{Error, Result};
use crate::sys::mem;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

/// Frames that are kept of one stack.
pub const MOST: usize = 32;
/// Bytes that are copied of one stack, at most: the newest.
const COPIED: usize = 128 << 10;

const GO_ON: c_int = 0;
const NORMAL_STOP: c_int = 4;

extern "C-unwind" {
    fn _Unwind_Backtrace(visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int, arg: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
}

/// The frames of one stack, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// Where each goes on: the address after its call.
    pub at: [usize; MOST],
    pub len: usize,
    /// There are more.
    pub more: bool,
    low: usize,
    end: usize,
    /// All of the stack was copied.
    whole: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Mirror {
    low: NonNull<u8>,
    len: usize,
}

impl Mirror {
    /// For stacks of up to `len` bytes, whole pages. Takes memory only where a copy lies. `NotSupported` where [`CAN_TRACE`] is false.
    pub fn new(len: usize) -> Result<Mirror> {
        if !CAN_TRACE {
            return Err(Error::NotSupported);
        }
        Ok(Mirror { low: mem::reserve(len, mem::page_size())?, len })
    }

    /// The frames of the context that is parked at `sp` on a stack that ends at `top`; None if `stands_still`, asked after the
    /// copy, says that its owner has gone on, or if the two are no such stack.
    ///
    /// # Safety
    /// `sp..top` is readable. If `stands_still` says yes, a context was parked at `sp` from before this call.
    pub unsafe fn frames(&self, sp: Sp, top: usize, stands_still: impl FnOnce() -> bool) -> Option<Frames> {
        const WORD: usize = size_of::<usize>();
        if !sp.is_multiple_of(WORD) || !top.is_multiple_of(WORD) || sp >= top || top - sp > self.len {
            return None;
        }
        let low = self.low.as_ptr() as usize;
        let away = (low + self.len).wrapping_sub(top);
        let copied = sp + (top - sp).min(COPIED);
        for at in (sp..copied).step_by(WORD) {
            // SAFETY: readable by the caller's promise; its owner may be writing, so the value is not trusted yet. The mirror has
            // room for as much below its top.
            unsafe {
                let word = (at as *const usize).read_volatile();
                // Without a branch: of a word that was never written Valgrind would say that one depends on it.
                let up = word.wrapping_sub(sp) as isize;
                let down = top.wrapping_sub(word) as isize;
                // All ones if one of the two is negative; `black_box` keeps it from becoming a branch again.
                let outside = std::hint::black_box((up | down) >> (isize::BITS - 1)) as usize;
                (at.wrapping_add(away) as *mut usize).write(word.wrapping_add(away & !outside));
            }
        }
        if !stands_still() {
            return None;
        }
        let end = copied.wrapping_add(away);
        let mut frames = Frames { at: [0; MOST], len: 0, more: false, low, end, whole: copied == top };
        // SAFETY: U1, U2, U3: the copy of a parked context; `walk` gets what it expects.
        unsafe { backend::call_above(sp.wrapping_add(away), walk, (&raw mut frames).cast()) };
        Some(frames)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // SAFETY: reserved by `new` with this length; nobody points into it any more.
        unsafe { mem::release(self.low, self.len) };
    }
}

unsafe extern "C" fn walk(frames: *mut c_void) {
    // SAFETY: the unwinder calls `visit` with a context and our argument.
    unsafe { _Unwind_Backtrace(visit, frames) };
}

extern "C" fn visit(context: *mut c_void, frames: *mut c_void) -> c_int {
    // SAFETY: `walk` passes the frames, which nobody else uses meanwhile; the context is the unwinder's.
    let (frames, at, sp) = unsafe { (&mut *(frames as *mut Frames), _Unwind_GetIP(context), _Unwind_GetCFA(context)) };
    let copied = (frames.low..=frames.end).contains(&sp);
    if !copied && frames.len == 0 {
        // The unwinder's caller, and ours.
        return GO_ON;
    }
    // A zero ends the stack; but what was read above a part of it that was copied means nothing, a zero neither (U3).
    if at == 0 && (copied || frames.whole) {
        return NORMAL_STOP;
    }
    if !copied || frames.len == MOST {
        frames.more = true;
        return NORMAL_STOP;
    }
    frames.at[frames.len] = at;
    frames.len += 1;
    GO_ON
}
