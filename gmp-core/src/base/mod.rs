//! What every layer above needs and nothing about tasks: errors, notes, random numbers, counters, fences, clocks.

pub mod alloc;
pub mod attached;
pub mod chaos;
#[cfg(not(loom))]
pub mod clock;
#[cfg(loom)]
#[path = "../model/around/clock.rs"]
pub mod clock;
pub mod coarse;
pub mod counters;
pub mod error;
pub mod fence;
pub mod line;
pub mod lock;
pub mod note;
pub mod ring;
pub mod rng;
