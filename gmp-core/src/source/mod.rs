//! Sources of events: they never call the scheduler, they hand back who is to be made ready.

pub mod desc;
pub mod guest;
#[cfg(not(loom))]
pub mod poller;
pub mod timer;
