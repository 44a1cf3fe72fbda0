//! What a task does about its own cancellation.
//!
//! Owns: a shield's extent.

use crate::cancel;

/// Runs `f`, whose waits do not end because the task is cancelled: for what must be done to the end, like a clean-up.
///
/// Outside a task it runs `f` and nothing else.
///
/// # Example
/// ```
/// use gmp_core::{channel, checkpoint, shield, spawn, Error};
///
/// let (asked, question) = channel(0)?;
/// let (answers, answer) = channel(0)?;
/// let task = spawn(move || {
///     // Cancelled here:
///     assert_eq!(question.recv(), Err::<(), _>(Error::Canceled));
///     assert_eq!(checkpoint(), Err(Error::Canceled));
///     // ... and it can say so even so.
///     shield(|| answers.send("it was cancelled"))
/// })?;
/// task.cancel()?;
/// assert_eq!(answer.recv()?, "it was cancelled");
/// assert!(task.join()?.is_ok());
/// drop(asked);
/// # Ok::<(), Error>(())
/// ```
pub fn shield<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            // Still the same task, if on another thread.
            let _before = cancel::shield(self.0);
        }
    }
    let _restore = cancel::shield(true).ok().map(Restore);
    f()
}
