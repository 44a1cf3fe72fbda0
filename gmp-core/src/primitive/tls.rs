//! The thread-local words: which machine this thread is, or null; and of a foreign thread, its slot (`sched/attach.rs`).
//!
//! Owns: the words. Everything else about a thread hangs off the machine, or the slot, that they point to.
//! Always true: [`get`] reads the word of the thread that executes it, at that moment. It is never cached
//! across a switch: a task may continue on another thread, where an address or value read before is wrong
//! (compilers do keep thread-local addresses across calls; that is why this is not a `thread_local!`).

#[cfg(all(target_arch = "aarch64", not(loom), not(miri)))]
mod aarch64;
#[cfg(any(loom, miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod portable;
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
mod x86_64;

#[cfg(all(target_arch = "aarch64", not(loom), not(miri)))]
pub use aarch64::{get, set, set_slot, slot};
#[cfg(any(loom, miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub use portable::{get, set};
#[cfg(all(not(loom), any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64")))))]
pub use portable::{set_slot, slot};
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
pub use x86_64::{get, set, set_slot, slot};
