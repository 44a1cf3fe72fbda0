//! Looking inside: numbers.

pub mod stats;
