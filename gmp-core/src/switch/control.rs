//! The floating-point control words of the calling thread: for a task that runs without a switch of its own.
//!
//! Owns: reading and setting them. A task run in place gives them back to its joiner as they were, and a task that
//! starts on the stack of one that ended starts with the ABI's defaults. (A switch saves them by itself.)
//! Always true: setting is skipped when nothing changed; loading costs more than looking here, unlike in a switch,
//! because nothing else waits for it.

#[cfg(all(target_arch = "aarch64", not(miri)))]
mod aarch64;
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod none;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86_64;

#[cfg(all(target_arch = "aarch64", not(miri)))]
use aarch64 as arch;
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
use none as arch;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use x86_64 as arch;

/// The control words, without the status flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control(u64);

/// The words now.
#[inline(always)]
pub fn get() -> Control {
    Control(arch::get())
}

/// Makes the words what they were.
#[inline(always)]
pub fn restore(before: Control) {
    if arch::get() != before.0 {
        arch::set(before.0);
    }
}

/// Makes the words what the ABI gives a new thread.
#[inline(always)]
pub fn reset() {
    restore(Control(arch::DEFAULT));
}
