//! The `context` crate (Boost.Context) behind the same contract: any architecture it knows, no unwind information.
//!
//! An [`Sp`] here is a `context::Context`, one pointer. Boost hands the context that stopped to the one that
//! goes on, not to the one that stopped; so the switch sends a [`Letter`], and the destination stores what it got
//! where the source wanted it, before anything else (S1).
//! On this backend a fresh context takes the floating-point control words of the machine at [`init`].

pub use super::unwinding::{call, call_above, exit_to, CAN_EXIT, CAN_TRACE};
use super::Sp;
use context::stack::Stack;
use context::{Context, Transfer};

/// See [`super::USES_STACK`].
pub const USES_STACK: bool = true;

/// Lies on the source's stack, which does not move before the destination has read it.
struct Letter {
    save: *mut Sp,
    arg: usize,
}

/// See [`super::init`].
pub unsafe fn init(top: *mut u8, limit: *mut u8, entry: unsafe extern "C" fn(usize) -> !) -> Sp {
    // SAFETY: the caller owns limit..top. `start` switches back at once, with the context that waits for its
    // first letter.
    unsafe {
        let stack = Stack::new(top.cast(), limit.cast());
        sp_of(Context::new(&stack, start).resume(entry as *const () as usize).context)
    }
}

extern "C" fn start(first: Transfer) -> ! {
    // SAFETY: `init` sent the entry, and took the context that the resume leaves; what comes next is a switch.
    unsafe {
        let entry = std::mem::transmute::<usize, unsafe extern "C" fn(usize) -> !>(first.data);
        entry(accept(first.context.resume(0)))
    }
}

/// See [`super::switch`].
#[inline(always)]
pub unsafe fn switch(save: *mut Sp, to: Sp, arg: usize) -> usize {
    let letter = Letter { save, arg };
    // SAFETY: by the contract `to` is a parked context, which reads the letter before we go on.
    unsafe { accept(std::mem::transmute::<usize, Context>(to).resume(&raw const letter as usize)) }
}

/// Stores who stopped for whoever stopped, and returns what was sent.
#[inline(always)]
unsafe fn accept(transfer: Transfer) -> usize {
    // SAFETY: contexts that are not in `init` send a letter, and stand still while it is read.
    unsafe {
        let Letter { save, arg } = *(transfer.data as *const Letter);
        *save = sp_of(transfer.context);
        arg
    }
}

fn sp_of(context: Context) -> Sp {
    // SAFETY: a `Context` is one pointer (`repr(C)`, checked for size by the transmute).
    unsafe { std::mem::transmute::<Context, usize>(context) }
}
