//! In place of `owner.rs` in a build for one row of the benches (`--cfg bench_bare_owner`): entering and leaving the runtime
//! cost nothing, and no processor is ever taken. What a call costs more in the ordinary build is the price of the protocol.
//!
//! Owns: nothing. Always true: every machine looks inside, so nobody takes its processor; nobody sees a request but the
//! checkpoint. Called like `owner.rs`, with the same names and the same answers. Not for use: foreign code stops the others.

use crate::base::fence::Barrier;
use crate::primitive::{AtomicU32, Ordering::*};

pub const INSIDE: u32 = 1;
pub const SEIZE: u32 = 1;
pub const YIELD: u32 = 2;
pub const RETIRE: u32 = 4;
pub const CXX: u32 = 8;
pub const INBOX: u32 = 16;

/// See the module.
#[derive(Debug)]
pub struct Owner {
    requests: AtomicU32,
}

impl Owner {
    pub fn new(_barrier: Barrier) -> Owner {
        Owner { requests: AtomicU32::new(0) }
    }

    #[inline(always)]
    #[must_use]
    pub fn enter(&self) -> bool {
        true
    }

    #[inline(always)]
    pub fn exit(&self, _tick: u32) {}

    pub fn enter_for(&self) {}

    pub fn look(&self) -> u32 {
        INSIDE
    }

    #[inline(always)]
    pub fn requested(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    pub fn request(&self, bits: u32) {
        self.requests.fetch_or(bits, AcqRel);
    }

    pub fn take_requests(&self) -> u32 {
        self.requests.swap(0, AcqRel)
    }

    #[must_use]
    pub fn seize(&self) -> bool {
        false
    }

    pub fn withdraw(&self) {}
}
