//! Groups: tasks that may borrow from whoever waits for them.
//!
//! Owns: the panic that a task of the group ended by.
//!
//! Always true:
//!  - G1. [`group`] does not return, nor is it unwound, before every task of the group has ended. So what a task borrows from
//!        outside of the call (`'env`), and the group itself (`'scope`), stay as long as it runs. (Only `exit`, which is
//!        unsafe, leaves the call otherwise.)
//!  - G2. A task's closure is consumed by the task, or dropped by the spawn that failed.
//!
//! Called by: any task or thread. Blocks: `group` parks the task, or blocks a thread that is no task.

use super::context::{error_of, Context};
use crate::base::alloc::try_box;
use crate::base::error::{Error, Result};
use crate::context::member;
use crate::group::Group as Plain;
use crate::primitive::Mutex;
use crate::time::FOREVER;
use crate::{context_api, global};
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// What [`group`] gives to its closure: where tasks are started. (The lifetimes are those of [`std::thread::Scope`].)
pub struct Group<'scope, 'env: 'scope> {
    plain: Box<Plain>,
    /// The first.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

struct Job<F> {
    f: F,
    panic: *const Mutex<Option<Box<dyn Any + Send>>>,
}

/// Calls `f` with a group, waits for all tasks that were started in it, and gives what `f` gave.
///
/// The tasks may borrow what outlives the call, and the group itself to start more. They are in a context of the group's, below
/// the calling task's own. The first failure (of a task, or of `f`) cancels that context, and is the answer when all have ended;
/// a panic goes on in the caller then. So no task outlives its group.
///
/// Called by: any task or thread. Blocks: the task, or a thread that is no task, for as long as a task of the group goes on,
/// cancelled or not.
///
/// # Errors
/// The first failure; [`Error::Canceled`]: the calling task was cancelled while it waited, and with it the group;
/// [`Error::NoMemory`].
///
/// # Example
/// ```
/// use gmp_core::{group, Error};
///
/// let words = ["one", "two", "three"];
/// let mut lengths = [0; 3];
/// group(|g| {
///     for (word, length) in words.iter().zip(&mut lengths) {
///         g.spawn(move || {
///             *length = word.len();
///             Ok(())
///         })?;
///     }
///     Ok(())
/// })?;
/// assert_eq!(lengths, [3, 3, 5]);
///
/// // The first failure cancels the rest.
/// let (_numbers, received) = gmp_core::channel::<u32>(0)?;
/// let failed = group(|g| {
///     g.spawn(|| received.recv().map(drop))?;
///     g.spawn(|| Err(Error::Code(-5000)))
/// });
/// assert_eq!(failed, Err(Error::Code(-5000)));
/// # Ok::<(), Error>(())
/// ```
/// What does not outlive the call cannot be borrowed:
/// ```compile_fail
/// gmp_core::group(|g| {
///     let short = String::new();
///     g.spawn(|| {
///         println!("{short}");
///         Ok(())
///     })
/// })?;
/// # Ok::<(), gmp_core::Error>(())
/// ```
pub fn group<'env, F, R>(f: F) -> Result<R>
where
    F: for<'scope> FnOnce(&'scope Group<'scope, 'env>) -> Result<R>,
{
    let plain = Plain::new(member::parent()?)?;
    let g = Group { plain, panic: Mutex::new(None), scope: PhantomData, env: PhantomData };
    let result = catch_unwind(AssertUnwindSafe(|| f(&g)));
    // Tasks fail, too, because the group was cancelled, and so may `f` because of a task.
    let failed_first = !matches!(result, Ok(Ok(_))) && g.plain.context().error() == 0;
    if failed_first {
        g.end_context();
    }
    let waited = g.plain.wait(FOREVER);
    if waited.is_err() {
        g.end_context();
        g.plain.wait_shielded(); // G1
    }
    let panic = g.panic.lock().take();
    match (result, panic) {
        (Err(panic), _) | (_, Some(panic)) => resume_unwind(panic),
        (Ok(result), None) if failed_first => result,
        (Ok(result), None) => match waited.map(error_of)? {
            Some(failed) => Err(failed),
            None => result,
        },
    }
}

impl<'scope> Group<'scope, '_> {
    /// Runs `f` on a new task of the group. An error that it answers, or a panic, is a failure of the group.
    ///
    /// As for [`spawn`](crate::spawn), `f` must not keep a thread-local borrow or a `std` lock guard across a call that can wait.
    ///
    /// Called by: any task or thread that has the group. Blocks: nothing.
    ///
    /// # Errors
    /// As [`spawn`](crate::spawn); nothing was started then, and the group goes on.
    ///
    /// # Example
    /// A task of the group starts another.
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    ///
    /// let ran = AtomicU32::new(0);
    /// gmp_core::group(|g| {
    ///     let ran = &ran;
    ///     g.spawn(move || {
    ///         ran.fetch_add(1, Relaxed);
    ///         g.spawn(move || {
    ///             ran.fetch_add(1, Relaxed);
    ///             Ok(())
    ///         })
    ///     })
    /// })?;
    /// assert_eq!(ran.into_inner(), 2);
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    pub fn spawn<F>(&'scope self, f: F) -> Result<()>
    where
        F: FnOnce() -> Result<()> + Send + 'scope,
    {
        let job = Box::into_raw(try_box(Job { f, panic: &self.panic })?);
        // SAFETY: G1: the group stays, and what `f` borrows, until the task has ended; G2.
        unsafe {
            let started = self.plain.go(run::<F>, job.cast(), 0, |what| global::spawn(|s, _| what(s)).map(drop));
            if started.is_err() {
                drop(Box::from_raw(job));
            }
            started
        }
    }

    /// What the group's tasks are in.
    pub fn context(&self) -> Context {
        Context::of(self.plain.context())
    }

    fn end_context(&self) {
        // What could not be started after the end is the group's business no more.
        let _not_started = context_api::end(self.plain.context(), Error::Canceled.code(), 0);
    }
}

unsafe extern "C-unwind" fn run<F: FnOnce() -> Result<()>>(job: *mut c_void) -> c_int {
    // SAFETY: G2: the task's own. The group stays while the task counts in it.
    let (job, panic) = unsafe {
        let job = Box::from_raw(job.cast::<Job<F>>());
        let panic = &*job.panic;
        (job, panic)
    };
    match catch_unwind(AssertUnwindSafe(job.f)) {
        Ok(result) => result.err().map_or(0, Error::code),
        Err(payload) => {
            let mut first = panic.lock();
            let late = if first.is_none() { first.replace(payload) } else { Some(payload) };
            drop(first);
            drop(late);
            Error::Panicked.code()
        }
    }
}

impl fmt::Debug for Group<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("context", &self.context()).finish_non_exhaustive()
    }
}
