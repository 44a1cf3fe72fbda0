//! Sync objects: plain memory, all-zero is ready to use, for tasks and foreign threads in any mix.

pub mod wait_group;

#[cfg(not(loom))]
pub mod waiting;
