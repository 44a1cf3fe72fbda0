//! What every layer above needs and nothing about tasks: errors, notes, random numbers, counters, fences, the coarse clock.

pub mod alloc;
pub mod coarse;
pub mod counters;
pub mod error;
pub mod fence;
pub mod line;
pub mod lock;
pub mod note;
pub mod rng;
