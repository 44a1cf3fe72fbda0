//! In place of `owner.rs` in a build for one row of the benches (`--cfg bench_bare_owner`): entering and leaving the runtime
//! cost nothing, and no processor is ever taken. What a call costs more in the ordinary build is the price of the protocol.
//!
//! Owns: nothing of its own. Always true: every machine looks inside, so nobody takes its processor; nobody sees a request
//! but the checkpoint. The rest is that of `owner.rs`. Not for use: foreign code stops the others.

#[path = "owner.rs"]
#[allow(dead_code)]
mod whole;

use crate::base::fence::Barrier;
use std::ops::Deref;
pub use whole::*;

/// See the module.
#[derive(Debug)]
pub struct Owner(whole::Owner);

impl Deref for Owner {
    type Target = whole::Owner;

    fn deref(&self) -> &whole::Owner {
        &self.0
    }
}

impl Owner {
    pub fn new(barrier: Barrier) -> Owner {
        Owner(whole::Owner::new(barrier))
    }

    #[inline(always)]
    #[must_use]
    pub fn enter(&self) -> bool {
        true
    }

    #[inline(always)]
    pub fn exit(&self, _tick: u32) {}

    #[must_use]
    pub fn seize(&self) -> bool {
        false
    }
}
