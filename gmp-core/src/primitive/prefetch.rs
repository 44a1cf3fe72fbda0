//! A hint to load memory that will be read soon. Any address is allowed: nothing is read.

#[cfg(all(target_arch = "aarch64", not(any(loom, miri))))]
mod aarch64;
#[cfg(any(loom, miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod none;
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
mod x86_64;

#[cfg(all(target_arch = "aarch64", not(any(loom, miri))))]
pub use aarch64::prefetch;
#[cfg(any(loom, miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub use none::prefetch;
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
pub use x86_64::prefetch;
