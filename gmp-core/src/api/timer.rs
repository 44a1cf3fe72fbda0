//! Timers (§23): a value to receive, once or again and again, or a closure to call.
//!
//! Owns: the receiver of a timer's channel; the closure of a timer that calls one. A pending timer keeps nothing running: the
//! runtime's end does not wait for it, and stops it.

use super::job::Job;
use super::ns;
use crate::base::error::{Error, Result};
use crate::chan::typed::Receiver;
use crate::global;
use crate::timer::Timer as Plain;
use std::fmt;
use std::time::Duration;

fn set(timer: &Plain, span: Duration) -> Result<bool> {
    global::with(|i, s| timer.reset(i, s, ns(span)))
}

/// A new timer's receiver.
fn receiver(timer: &Plain) -> Result<Receiver<i64>> {
    let chan = timer.chan().ok_or(Error::Invalid)?.clone();
    // SAFETY: a timer's channel, which carries times.
    Ok(unsafe { Receiver::of(chan) })
}

/// A timer that sends one value, the time when it was due. Dropping it stops it.
///
/// # Example
/// A receive with a time limit, as a select; for one channel, [`Receiver::recv_until`] is simpler.
/// ```
/// use gmp_core::{channel, Select, Timer};
/// use std::time::Duration;
///
/// let (_words, spoken) = channel::<String>(0)?;
/// let timer = Timer::after(Duration::from_micros(10))?;
/// let (mut word, mut due) = (None, None);
/// let chosen = Select::new().recv(&spoken, &mut word).recv(timer.receiver(), &mut due).wait()?;
/// assert_eq!((chosen, word), (1, None));
/// assert!(due.unwrap() <= gmp_core::time::now());
/// # Ok::<(), gmp_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Timer {
    timer: Plain,
    receiver: Receiver<i64>,
}

impl Timer {
    /// Fires once, in `span` from now.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; [`Error::Stopped`] after the runtime's end; [`Error::Again`] when it had to be started, and no
    /// thread can be had.
    pub fn after(span: Duration) -> Result<Timer> {
        let timer = Plain::channel()?;
        let timer = Timer { receiver: receiver(&timer)?, timer };
        set(&timer.timer, span)?;
        Ok(timer)
    }

    /// Where the value comes. It has no buffer to be seen; clones outlive the timer, and wait for ever then.
    pub fn receiver(&self) -> &Receiver<i64> {
        &self.receiver
    }

    /// Stops it. True: it had not fired, or its value was not received yet and never will be. Blocks: nothing.
    pub fn stop(&self) -> bool {
        self.timer.stop()
    }

    /// Sets it to fire in `span` from now, whatever it did before: a value that was not received is gone. The answer is that
    /// of [`Timer::stop`] for the setting before. Blocks: nothing.
    ///
    /// # Errors
    /// As [`Timer::after`].
    ///
    /// # Example
    /// ```
    /// use std::time::Duration;
    ///
    /// let timer = gmp_core::Timer::after(Duration::from_secs(3600))?;
    /// assert!(timer.reset(Duration::ZERO)?);
    /// timer.receiver().recv()?;
    /// assert!(!timer.stop());
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    pub fn reset(&self, span: Duration) -> Result<bool> {
        set(&self.timer, span)
    }
}

/// A timer that sends again and again: each time the time when it was due, in step with its start. Dropping it stops it.
///
/// One value waits to be received; while it does, further ones are left out.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// let ticker = gmp_core::Ticker::every(Duration::from_micros(100))?;
/// let (first, second) = (ticker.receiver().recv()?, ticker.receiver().recv()?);
/// assert_eq!((second - first) % 100_000, 0);
/// # Ok::<(), gmp_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Ticker {
    timer: Plain,
    receiver: Receiver<i64>,
}

impl Ticker {
    /// Fires every `period`, for the first time one from now.
    ///
    /// # Errors
    /// [`Error::Invalid`]: `period` is zero; otherwise as [`Timer::after`].
    pub fn every(period: Duration) -> Result<Ticker> {
        let timer = Plain::ticker()?;
        let ticker = Ticker { receiver: receiver(&timer)?, timer };
        set(&ticker.timer, period)?;
        Ok(ticker)
    }

    /// Where the values come. See [`Timer::receiver`].
    pub fn receiver(&self) -> &Receiver<i64> {
        &self.receiver
    }

    /// Stops it. True: it was running, or its last value was not received yet and never will be. Blocks: nothing.
    pub fn stop(&self) -> bool {
        self.timer.stop()
    }

    /// Starts it anew with another period. The answer is that of [`Ticker::stop`] for the time before. Blocks: nothing.
    ///
    /// # Errors
    /// As [`Ticker::every`].
    pub fn reset(&self, period: Duration) -> Result<bool> {
        set(&self.timer, period)
    }
}

/// A closure that a timer calls. Dropping this stops it, unless it has been called.
#[must_use = "dropping it stops it"]
pub struct Call {
    // Before the job: while it is set, a call is promised.
    timer: Plain,
    job: Job,
}

/// Has `f` called in `span` from now, as a task of its own, which belongs to no context and which nobody joins.
///
/// When there is no memory for the task at that time, it starts as soon as there is. If `f` is not called it is dropped: here
/// with an error, when it is stopped, or with the answer if the runtime ended first.
///
/// # Errors
/// As [`Timer::after`].
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// let (late, received) = gmp_core::channel(1)?;
/// let call = gmp_core::call_after(Duration::from_micros(10), move || drop(late.send("now")))?;
/// assert_eq!(received.recv()?, "now");
/// assert!(!call.stop());
///
/// let call = gmp_core::call_after(Duration::from_secs(3600), || unreachable!())?;
/// assert!(call.stop());
/// # Ok::<(), gmp_core::Error>(())
/// ```
pub fn call_after(span: Duration, f: impl FnOnce() + Send + 'static) -> Result<Call> {
    let job = Job::new(f);
    let (entry, arg) = job.promise();
    // SAFETY: called once with it: it is set once for each promise.
    let timer = unsafe { Plain::func(entry, arg, 0) };
    match timer.and_then(|timer| set(&timer, span).map(|_| timer)) {
        Ok(timer) => Ok(Call { timer, job }),
        Err(e) => {
            // SAFETY: not set, so never called.
            unsafe { job.broken() };
            Err(e)
        }
    }
}

impl Call {
    /// True: the closure was not called, and never will be. Blocks: nothing.
    pub fn stop(self) -> bool {
        self.cancel()
    }

    /// Has it called in `span` from now instead. False: too late, it has been called, or is about to be. Blocks: nothing.
    ///
    /// # Errors
    /// As [`Timer::after`]; the closure is not called then.
    pub fn reset(&mut self, span: Duration) -> Result<bool> {
        if !self.timer.stop() {
            return Ok(false);
        }
        // The promise of the setting that was stopped is that of the next.
        set(&self.timer, span).map(|_| true).inspect_err(|_| {
            // SAFETY: not set, so the promise is open and will not be kept.
            unsafe { self.job.broken() };
        })
    }

    fn cancel(&self) -> bool {
        if self.timer.stop() {
            // SAFETY: stopped before it fired: the promise is open and will not be kept.
            unsafe { self.job.broken() };
        }
        self.job.take_back()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
