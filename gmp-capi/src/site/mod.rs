//! The spawn site: where in the caller's code a task was started, kept for dumps.
//!
//! Owns: how an exported function learns its return address. Where we have the architecture's text, the function is a
//! naked tail call that hands the address on as one more argument: the inner function returns straight to the caller,
//! so it costs a load and a jump. Elsewhere the site is 0, "unknown".
//!
//! `sited!(inner, a, b)` is the whole body of a function whose arguments are `a, b` in order, all of them words;
//! `inner` takes one `usize` more.

#[cfg(target_arch = "x86_64")]
#[macro_use]
mod x86_64;

#[cfg(target_arch = "aarch64")]
#[macro_use]
mod aarch64;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[macro_use]
mod unknown;
