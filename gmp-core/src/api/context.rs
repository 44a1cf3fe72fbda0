//! Contexts (§26) as values, and tasks that are started in one.
//!
//! Owns: one reference to a context; the closure of an after-function. Contexts carry no values here: a closure that is spawned
//! has its own.

use super::job::Job;
use super::within;
use crate::base::error::{Error, Result};
use crate::chan::typed::Receiver;
use crate::chan::Channel;
use crate::context::hook::{self, Call, Hook};
use crate::context::{member, Context as Plain, Kind};
use crate::context_api;
use crate::task_api::{self, JoinHandle};
use std::fmt;
use std::ptr::NonNull;
use std::time::Duration;

/// A scope that ends: when it is cancelled, when its deadline comes, or when the one above it ends.
///
/// The waits of the tasks in it (started by [`spawn_in`], or by such tasks) answer [`Error::Canceled`] from
/// then on. Clones are the same context. Dropping one cancels nothing.
///
/// # Example
/// ```
/// use gmp_core::{channel, spawn_in, Context, Error};
///
/// let request = Context::new(None)?;
/// let (_numbers, received) = channel::<u32>(0)?;
/// let task = spawn_in(&request, move || received.recv())?;
/// request.cancel()?;
/// assert_eq!(task.join()?, Err(Error::Canceled));
/// assert_eq!(request.error(), Some(Error::Canceled));
/// # Ok::<(), Error>(())
/// ```
pub struct Context(NonNull<Plain>);

// SAFETY: a reference to what is made for all threads.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    fn of_kind(parent: Option<&Context>, kind: Kind) -> Result<Context> {
        let made = context_api::new(parent.map(Context::plain), kind)?.into_raw();
        NonNull::new(made.cast_mut()).map(Context).ok_or(Error::NoMemory)
    }

    /// One more reference to a context that is there.
    pub(super) fn of(plain: &Plain) -> Context {
        plain.retain();
        Context(NonNull::from(plain))
    }

    pub(super) fn plain(&self) -> &Plain {
        // SAFETY: our reference keeps it.
        unsafe { self.0.as_ref() }
    }

    /// A context below `parent`. None: below the calling task's own, which ends when the task is cancelled; outside a task, it
    /// has none above.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new(parent: Option<&Context>) -> Result<Context> {
        Context::of_kind(parent, Kind::default())
    }

    /// The same, which ends at `deadline` at the latest: a time of [`time::now`](crate::time::now).
    ///
    /// # Errors
    /// [`Error::NoMemory`]; [`Error::Stopped`] after the runtime's end; [`Error::Again`] when it had to be started, and no
    /// thread can be had.
    pub fn with_deadline(parent: Option<&Context>, deadline: i64) -> Result<Context> {
        Context::of_kind(parent, Kind { deadline, ..Kind::default() })
    }

    /// The same, which ends in `span` from now at the latest.
    ///
    /// # Errors
    /// As [`Context::with_deadline`].
    ///
    /// # Example
    /// ```
    /// use gmp_core::{Context, Error};
    /// use std::time::Duration;
    ///
    /// let request = Context::with_timeout(None, Duration::from_micros(1))?;
    /// assert_eq!(request.done()?.recv(), Err(Error::Closed));
    /// assert_eq!(request.error(), Some(Error::TimedOut));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn with_timeout(parent: Option<&Context>, span: Duration) -> Result<Context> {
        Context::with_deadline(parent, within(span))
    }

    /// A context that does not end with this one, nor at its deadline.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn without_cancel(&self) -> Result<Context> {
        Context::of_kind(Some(self), Kind { detached: true, ..Kind::default() })
    }

    /// What the calling task is in: the context that it was started in, or inherited from who started it; else one of its own.
    /// None outside a task.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn current() -> Result<Option<Context>> {
        Ok(member::current()?.map(Context::of))
    }

    /// Ends it, and all contexts below it; nothing if it has ended.
    ///
    /// Blocks: nothing. The tasks in it go on to their next wait, or out of the one that they are in.
    ///
    /// # Errors
    /// It has ended even so, but a closure of [`Context::after`] could not be started: [`Error::NoMemory`], [`Error::Stopped`].
    pub fn cancel(&self) -> Result<()> {
        context_api::end(self.plain(), Error::Canceled.code(), 0)
    }

    /// The same with a cause, for [`Context::cause`] here and below; [`Error::Code`] has room for codes of one's own.
    ///
    /// # Errors
    /// As [`Context::cancel`]; [`Error::Invalid`]: the code is not negative.
    ///
    /// # Example
    /// ```
    /// use gmp_core::{Context, Error};
    ///
    /// let (outer, full) = (Context::new(None)?, Error::Code(-5000));
    /// let inner = Context::new(Some(&outer))?;
    /// outer.cancel_cause(full)?;
    /// assert_eq!((inner.error(), inner.cause()), (Some(Error::Canceled), Some(full)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cancel_cause(&self, cause: Error) -> Result<()> {
        if cause.code() >= 0 {
            return Err(Error::Invalid);
        }
        context_api::end(self.plain(), Error::Canceled.code(), cause.code())
    }

    /// None while it goes on; then [`Error::Canceled`], or [`Error::TimedOut`] when a deadline has ended it.
    pub fn error(&self) -> Option<Error> {
        error_of(context_api::error(self.plain()))
    }

    /// Why it ended: the cause that was given where the end began, else as [`Context::error`].
    pub fn cause(&self) -> Option<Error> {
        self.error().and_then(|_| error_of(self.plain().cause()))
    }

    /// The earliest deadline, its own or one above; [`time::FOREVER`](crate::time::FOREVER) if there is none.
    pub fn deadline(&self) -> i64 {
        self.plain().deadline()
    }

    /// What answers [`Error::Closed`] to a receive from when the context has ended: to wait for the end, by itself or in a
    /// select. It never has a value.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    ///
    /// # Example
    /// ```
    /// use gmp_core::{channel, Context, Select};
    ///
    /// let context = Context::new(None)?;
    /// let (_numbers, received) = channel::<u32>(0)?;
    /// let done = context.done()?;
    /// context.cancel()?;
    /// let (mut number, mut ended) = (None, None);
    /// assert_eq!(Select::new().recv(&received, &mut number).recv(&done, &mut ended).wait()?, 1);
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    pub fn done(&self) -> Result<Receiver<()>> {
        let chan = self.plain().done()?;
        // SAFETY: the context keeps it, and with it the reference that is added; a context's channel carries nothing.
        unsafe {
            chan.as_ref().retain();
            Ok(Receiver::of(Channel::from_raw(chan)))
        }
    }

    /// Has `f` called when the context ends, as a task of its own, which belongs to no context and which nobody joins; at once
    /// if it has ended.
    ///
    /// If `f` is not called it is dropped: here with an error, or when the answer is stopped or dropped.
    ///
    /// # Errors
    /// [`Error::NoMemory`], and, if the context has ended, what [`spawn`](crate::spawn) says: `f` will not be called.
    ///
    /// # Example
    /// ```
    /// use gmp_core::{channel, Context};
    ///
    /// let (said, heard) = channel(1)?;
    /// let context = Context::new(None)?;
    /// let after = context.after(move || drop(said.send("over")))?;
    /// context.cancel()?;
    /// assert_eq!(heard.recv()?, "over");
    /// assert!(!after.stop());
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    pub fn after(&self, f: impl FnOnce() + Send + 'static) -> Result<After> {
        let job = Job::new(f);
        let (entry, arg) = job.promise();
        match context_api::after(self.plain(), Call { entry, arg, site: 0 }) {
            Ok(hook) => Ok(After { hook, job }),
            Err(e) => {
                // SAFETY: nothing was added or started.
                unsafe { job.broken() };
                Err(e)
            }
        }
    }
}

/// Runs `f` on a new task in `context`: its waits answer [`Error::Canceled`] when that ends, as do those of the tasks that it
/// starts.
///
/// In a context that has ended the task still runs, up to its first wait. Otherwise as [`spawn`](crate::spawn).
///
/// # Errors
/// As [`spawn`](crate::spawn).
///
/// # Example
/// ```
/// use gmp_core::{spawn_in, time, Context, Error};
/// use std::time::Duration;
///
/// let limit = Context::with_timeout(None, Duration::from_millis(1))?;
/// let task = spawn_in(&limit, || time::sleep(i64::MAX))?;
/// assert_eq!(task.join()?, Err(Error::Canceled));
/// # Ok::<(), Error>(())
/// ```
pub fn spawn_in<F, T>(context: &Context, f: F) -> Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    task_api::start(f, |s, mut what| member::give(s, &mut what, context.plain()).map(|()| what))
}

/// The name of a code; None for 0.
pub(super) fn error_of(code: i32) -> Option<Error> {
    const NAMED: [Error; 14] = [
        Error::Permission,
        Error::Again,
        Error::NoMemory,
        Error::Busy,
        Error::Invalid,
        Error::Deadlock,
        Error::NotSupported,
        Error::TimedOut,
        Error::Canceled,
        Error::Closed,
        Error::Stopped,
        Error::Panicked,
        Error::Misuse,
        Error::Forked,
    ];
    let named = || NAMED.into_iter().find(|error| error.code() == code);
    let other = || if (-4095..0).contains(&code) { Error::Os(-code) } else { Error::Code(code) };
    (code != 0).then(|| named().unwrap_or_else(other))
}

impl Clone for Context {
    fn clone(&self) -> Context {
        Context::of(self.plain())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: our own reference.
        unsafe { Plain::release(self.0.as_ptr()) };
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline = self.deadline();
        f.debug_struct("Context").field("error", &error_of(self.plain().error())).field("deadline", &deadline).finish()
    }
}

/// A closure that is called when a context ends. Dropping this takes it back, unless it has been called.
#[must_use = "dropping it takes the closure back"]
pub struct After {
    hook: *const Hook,
    job: Job,
}

// SAFETY: handles of after-functions are for any thread, and the closure is sent with it.
unsafe impl Send for After {}

impl After {
    /// True: the closure was not called, and never will be. Blocks: nothing.
    pub fn stop(mut self) -> bool {
        self.take_back()
    }

    fn take_back(&mut self) -> bool {
        let hook = std::mem::replace(&mut self.hook, std::ptr::null());
        // SAFETY: the handle, once; if nothing was started, nothing will be.
        unsafe {
            if !hook.is_null() && hook::stop(hook) == Ok(true) {
                self.job.broken();
            }
        }
        self.job.take_back()
    }
}

impl Drop for After {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl fmt::Debug for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("After").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_as_the_errors_they_were() {
        for error in [Error::Canceled, Error::TimedOut, Error::Forked, Error::Os(libc::EPIPE), Error::Code(-5000)] {
            assert_eq!(error_of(error.code()), Some(error));
        }
        assert_eq!(error_of(0), None);
    }
}
