//! A store-load barrier whose price is paid by the rare side.
//!
//! Owns: the choice between `membarrier(PRIVATE_EXPEDITED)` and ordinary fences, made once a runtime.
//! Always true: of two threads, one doing `store A; light(); load B` and the other `store B; heavy(); load
//! A`, at least one sees the other's store. With membarrier `light` only stops the compiler and `heavy` makes
//! every running thread of the process execute a barrier; without it both are `fence(SeqCst)`.
//! Models (`cfg(loom)`) run the second form.

use crate::primitive::{compiler_fence, fence, Ordering::SeqCst};

/// Which form this runtime uses.
#[derive(Clone, Copy, Debug)]
pub struct Barrier {
    membarrier: bool,
    /// The heavy side does nothing: a bug on purpose.
    #[cfg(test)]
    broken: bool,
}

impl Barrier {
    /// Membarrier where the kernel grants it, else ordinary fences.
    #[cfg(not(loom))]
    pub fn new() -> Barrier {
        Barrier {
            membarrier: crate::sys::membarrier::register(),
            #[cfg(test)]
            broken: false,
        }
    }

    /// Ordinary fences on both sides.
    pub const fn fences() -> Barrier {
        Barrier {
            membarrier: false,
            #[cfg(test)]
            broken: false,
        }
    }

    /// As with membarrier, but without it: what a stress test must notice.
    #[cfg(all(test, not(loom)))]
    pub fn broken() -> Barrier {
        Barrier { membarrier: true, broken: true }
    }

    /// True when the light side is free: the heavy one orders the other threads' steps for them.
    pub fn is_asymmetric(self) -> bool {
        self.membarrier
    }

    /// The frequent side.
    #[inline(always)]
    pub fn light(self) {
        if self.membarrier {
            compiler_fence(SeqCst);
        } else {
            fence(SeqCst);
        }
    }

    /// The rare side. Around 1 µs with membarrier. False: the kernel refused (out of memory, or a sandbox that
    /// came later): no barrier happened, and the caller must not conclude anything from what it reads next.
    #[must_use]
    pub fn heavy(self) -> bool {
        #[cfg(test)]
        if self.broken {
            return true;
        }
        #[cfg(not(loom))]
        if self.membarrier {
            return crate::sys::membarrier::heavy();
        }
        fence(SeqCst);
        true
    }
}

#[cfg(not(loom))]
impl Default for Barrier {
    fn default() -> Self {
        Barrier::new()
    }
}
