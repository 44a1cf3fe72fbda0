//! What every layer above needs and nothing about tasks: errors, notes, random numbers, counters, fences.

pub mod alloc;
pub mod counters;
pub mod error;
pub mod fence;
pub mod lock;
pub mod note;
pub mod rng;
