//! Looking inside: numbers, dumps, leak reports. Programs get them through `global`.

mod cycles;
pub mod deadlock;
pub mod dump;
mod groups;
pub mod leaks;
mod machines;
pub mod parked;
mod place;
pub mod recording;
pub mod stats;
mod tasks;
mod text;
mod timeline;
mod trace;
