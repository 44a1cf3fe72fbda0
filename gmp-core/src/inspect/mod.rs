//! Looking inside: numbers, dumps.

pub mod dump;
mod groups;
mod machines;
mod place;
pub mod stats;
mod tasks;
mod text;
mod trace;
