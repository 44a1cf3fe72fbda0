//! Sources of events: they never call the scheduler, they hand back lists of ready tasks.

pub mod timer;
