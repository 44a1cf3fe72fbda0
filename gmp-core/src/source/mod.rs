//! Sources of events: they never call the scheduler, they hand back who is to be made ready.

pub mod desc;
#[cfg(not(loom))]
pub mod poller;
pub mod timer;
