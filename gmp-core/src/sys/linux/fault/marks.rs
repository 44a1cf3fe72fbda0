//! Which threads are handing a fault on just now: so that two handlers that hand on to each other end.
//!
//! A loop has three forms. The other one *calls* us: the same signal frame comes again, from deeper on the stack. Or it *raises* the signal
//! with us as its handler: the interrupted code is deeper than our first frame. Or it *returns* having put us in its place: the same
//! overflow comes again, although it was told and handed on.
//!
//! Owns: a mark for each such thread. A handler that leaves by `longjmp` leaves its mark behind, so a mark alone says nothing: the token
//! in its frame must be whole and the frame above ours.
//!
//! Always true: no lock, no memory. When there are more threads than marks some go without: those are not kept from looping.

use super::super::thread::current_tid;
use super::Fault;
use crate::primitive::{AtomicBool, AtomicI32, AtomicUsize, Ordering::*};

/// Threads that fault at the same time; after a `longjmp` a mark is held until its thread faults again or the place is wanted.
const MARKS: usize = 32;

/// What stands in the frame of a handler that has not returned.
const TOKEN: usize = 0x676d_7066_6175_6c74;

/// Farther apart than this, two frames are not on one stack of signal handlers.
const NEAR: usize = 256 << 10;

struct Mark {
    /// 0: free.
    tid: AtomicI32,
    /// Where the token is; 0 when the handler has returned.
    frame: AtomicUsize,
    context: AtomicUsize,
    address: AtomicUsize,
    sp: AtomicUsize,
    pc: AtomicUsize,
    repeats: AtomicBool,
}

static TABLE: [Mark; MARKS] = [const {
    Mark {
        tid: AtomicI32::new(0),
        frame: AtomicUsize::new(0),
        context: AtomicUsize::new(0),
        address: AtomicUsize::new(0),
        sp: AtomicUsize::new(0),
        pc: AtomicUsize::new(0),
        repeats: AtomicBool::new(false),
    }
}; MARKS];

/// One call of the handler. It stays where it is: its address is the frame's.
pub struct Here {
    token: AtomicUsize,
    context: usize,
    fault: Fault,
    repeats: bool,
}

impl Here {
    pub fn new(context: usize, fault: &Fault, repeats: bool) -> Here {
        Here { token: AtomicUsize::new(TOKEN), context, fault: *fault, repeats }
    }

    fn frame(&self) -> usize {
        &self.token as *const AtomicUsize as usize
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.token.store(0, Relaxed);
    }
}

fn mine() -> Option<&'static Mark> {
    let tid = current_tid();
    TABLE.iter().find(|mark| mark.tid.load(Relaxed) == tid)
}

/// True if this call is one of a loop.
pub fn goes_round(here: &Here) -> bool {
    let Some(mark) = mine() else { return false };
    let frame = mark.frame.load(Relaxed);
    let same = mark.address.load(Relaxed) == here.fault.address
        && mark.sp.load(Relaxed) == here.fault.sp
        && mark.pc.load(Relaxed) == here.fault.pc;
    if frame == 0 {
        return same && here.repeats;
    }
    if frame <= here.frame() || frame - here.frame() > NEAR {
        return false;
    }
    let called = same && mark.context.load(Relaxed) == here.context;
    let raised = !here.repeats && here.fault.sp > here.frame() && here.fault.sp < frame;
    // SAFETY: read only if this thread's own stack is in use below the frame and close to it, so there is stack at the frame too.
    (called || raised) && unsafe { (frame as *const usize).read_volatile() } == TOKEN
}

/// Whether what this thread handed on first comes again by itself.
pub fn first_repeats() -> bool {
    mine().is_some_and(|mark| mark.repeats.load(Relaxed))
}

/// The fault is about to be handed on.
pub fn begin(here: &Here) {
    let tid = current_tid();
    let free = || TABLE.iter().find(|mark| mark.tid.compare_exchange(0, tid, AcqRel, Relaxed).is_ok());
    let mark = mine().or_else(free).unwrap_or_else(|| {
        let mark = &TABLE[tid as usize % MARKS];
        mark.tid.store(tid, Relaxed);
        mark
    });
    mark.context.store(here.context, Relaxed);
    mark.address.store(here.fault.address, Relaxed);
    mark.sp.store(here.fault.sp, Relaxed);
    mark.pc.store(here.fault.pc, Relaxed);
    mark.repeats.store(here.repeats, Relaxed);
    mark.frame.store(here.frame(), Relaxed);
}

/// It was handed on, and who it was handed to has returned. One that was `told` of as an overflow cannot be mended: if it comes again,
/// handing on has put us in the place of who should have ended it.
pub fn end(told: bool) {
    if let Some(mark) = mine() {
        mark.frame.store(0, Relaxed);
        if !told {
            mark.tid.store(0, Release);
        }
    }
}
