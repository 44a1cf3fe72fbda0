//! Chaos points: moments at which a thread is held up for a little, so that rare orders of threads become frequent; and bugs
//! to be planted, which show that the stress programs would see one.
//!
//! Owns: the names. Only a build with the feature `chaos` has more than names: `chaos/on.rs`. Every other build calls empty
//! inlined functions.
//!
//! Always true: a point is no barrier. Between the two steps of a light fence (`fence.rs`) there is none, as any delay there
//! would do the fence's work.

#[cfg(not(all(feature = "chaos", not(loom))))]
mod off;
#[cfg(all(feature = "chaos", not(loom)))]
mod on;

#[cfg(not(all(feature = "chaos", not(loom))))]
pub use off::{plants, point};
#[cfg(all(feature = "chaos", not(loom)))]
pub use on::{plants, point};

/// Where. The frequent ones first ([`Point::is_frequent`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A task calls in, and is not inside yet.
    Enter,
    /// It is about to be outside.
    Exit,
    /// The successor of a leaving task is chosen, and its registers are not saved yet.
    Leave,
    /// On the other side, before the commit.
    Commit,
    /// A claimed waiter is about to be made ready, or its thread woken.
    Wake,
    /// Private work was made stealable, and nobody was told yet.
    Publish,
    /// Something stealable was seen at another processor.
    Steal,
    /// A processor was requested; then: the machine was found inside or outside.
    Seize,
    /// A processor was taken from its machine.
    Retake,
    /// A machine left the search, and has not looked again yet.
    GiveUp,
    /// A machine stands among those that sleep, and does not sleep yet.
    Sleep,
}

impl Point {
    /// Several of them in each call.
    pub fn is_frequent(self) -> bool {
        matches!(self, Point::Enter | Point::Exit | Point::Leave | Point::Commit)
    }
}

/// What can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// `early-commit`: a task is made visible before its registers are saved.
    EarlyCommit,
    /// `seize-inside`: a processor is taken although its machine is inside.
    SeizeInside,
    /// `owner-fence`: F2 does nothing: a machine looks for requests before it is marked inside.
    OwnerFence,
    /// `late-rise`: a foreign thread that was woken is counted as up only when it runs again.
    LateRise,
}

impl Bug {
    /// What `GMP_TEST_BREAK` calls it.
    pub fn named(name: &str) -> Option<Bug> {
        match name {
            "early-commit" => Some(Bug::EarlyCommit),
            "seize-inside" => Some(Bug::SeizeInside),
            "owner-fence" => Some(Bug::OwnerFence),
            "late-rise" => Some(Bug::LateRise),
            _ => None,
        }
    }
}
