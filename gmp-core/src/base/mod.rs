//! What every layer above needs and nothing about tasks: errors, notes, random numbers, counters, locks.

pub mod error;
