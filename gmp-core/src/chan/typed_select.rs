//! The typed select, for Rust: cases that borrow an end of a channel and the place of their value.
//!
//! Owns: what becomes of the values of a select. How one case is chosen is in `select.rs`.
//!
//! Always true:
//!  - L1. A place is an `Option` that is borrowed until the choice. Of a receive it is `None` meanwhile, and the value is
//!        received into its memory, which is no `Option` again before the value was made one; of a send its value is read there.
//!  - L2. Only the place of the chosen case changes: a send's has lost its value, unless its channel was closed; a receive's
//!        has one, unless its channel was closed and empty. Without a choice nothing changes.
//!
//! Called by: any task or thread. Blocks: the waits park the task, or block a thread that is no task.

use super::select::{select, Case, RECV, SEND};
use super::typed::{Receiver, Sender};
use super::Chan;
use crate::base::error::Result;
use crate::time::{FOREVER, NOWAIT};
use std::marker::PhantomData;
use std::ptr::{null, null_mut};

/// The first of several sends and receives that can be done; evenly chosen if there are several. (§20)
///
/// A case is known by its number, in the order in which the cases were added, from 0. Each has a place for its value, an
/// `Option` of the caller's: a send takes its value from there when it is chosen, a receive puts its value there. A chosen
/// case whose channel is closed shows it by its place: a receive's is `None`, a send's still has its value.
///
/// # Example
/// ```
/// use gmp_core::{channel, Select};
///
/// let (words, spoken) = channel(1)?;
/// let (numbers, counted) = channel(1)?;
/// words.send("seven")?;
/// numbers.send(0)?;
///
/// // The words have one to receive; the numbers are full.
/// let (mut word, mut number) = (None, Some(8));
/// let chosen = Select::new().recv(&spoken, &mut word).send(&numbers, &mut number).wait()?;
/// assert_eq!((chosen, word, number), (0, Some("seven"), Some(8)));
///
/// // Now it is the other way round.
/// assert_eq!(counted.recv()?, 0);
/// let chosen = Select::new().recv(&spoken, &mut word).send(&numbers, &mut number).wait()?;
/// assert_eq!((chosen, word, number), (1, None, None));
/// # Ok::<(), gmp_core::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "a select does nothing until it waits"]
pub struct Select<'a> {
    cases: Vec<Case>,
    places: Vec<Place>,
    borrowed: PhantomData<&'a mut ()>,
}

/// A case's `Option`, and what is to be done with it when the case was chosen (and, the flag, its channel closed).
#[derive(Clone, Copy, Debug)]
struct Place {
    at: *mut u8,
    settle: unsafe fn(*mut u8, bool),
}

impl<'a> Select<'a> {
    /// Without cases: never ready.
    pub fn new() -> Select<'a> {
        Select::default()
    }

    /// Adds a receive. `place` becomes `None` now, and has the value after it was received.
    ///
    /// Without a receiver (an `Option` of a reference may be given) it is a case that is never ready.
    ///
    /// # Example
    /// Receives from two channels until both are closed; one that is closed is not asked again.
    /// ```
    /// use gmp_core::{channel, Select};
    ///
    /// let (left, from_left) = channel(3)?;
    /// let (right, from_right) = channel(3)?;
    /// for n in [1, 2, 3] {
    ///     left.send(n)?;
    ///     right.send(n * 10)?;
    /// }
    /// drop((left, right));
    ///
    /// let (mut open, mut sum) = ([Some(from_left), Some(from_right)], 0);
    /// while open.iter().any(Option::is_some) {
    ///     let (mut l, mut r) = (None, None);
    ///     let chosen = Select::new().recv(open[0].as_ref(), &mut l).recv(open[1].as_ref(), &mut r).wait()?;
    ///     match l.or(r) {
    ///         Some(n) => sum += n,
    ///         None => open[chosen] = None,
    ///     }
    /// }
    /// assert_eq!(sum, 66);
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    pub fn recv<T>(self, receiver: impl Into<Option<&'a Receiver<T>>>, place: &'a mut Option<T>) -> Select<'a> {
        *place = None;
        let at = (&raw mut *place).cast::<u8>();
        // L1: an `Option` is at least as large as its value, and as well aligned.
        self.case(RECV, receiver.into().map_or(null(), Receiver::chan), at, Place { at, settle: received::<T> })
    }

    /// Adds a send of the value in `place`, which is `None` after it was sent.
    ///
    /// Without a value it is a case that is never ready.
    pub fn send<T>(self, sender: &'a Sender<T>, place: &'a mut Option<T>) -> Select<'a> {
        let at = &raw mut *place;
        // SAFETY: borrowed for `'a`.
        let value = unsafe { (*at).as_mut() }.map_or(null_mut(), |value| &raw mut *value);
        let chan = if value.is_null() { null() } else { sender.chan() };
        self.case(SEND, chan, value.cast(), Place { at: at.cast(), settle: sent::<T> })
    }

    fn case(mut self, op: i32, chan: *const Chan, value: *mut u8, place: Place) -> Select<'a> {
        self.cases.push(Case { op, status: 0, chan, value });
        self.places.push(place);
        self
    }

    /// Waits until a case can be done, and does it: its number. Without a case that could ever be ready it waits for ever, or
    /// until the task is cancelled.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task.
    ///
    /// # Errors
    /// [`Error::Canceled`](crate::Error::Canceled): the task was cancelled, and would have had to wait;
    /// [`Error::Invalid`](crate::Error::Invalid): more than 65,536 cases; [`Error::NoMemory`](crate::Error::NoMemory). Nothing
    /// was sent or received then.
    pub fn wait(self) -> Result<usize> {
        self.wait_until(FOREVER)
    }

    /// The same, waiting until `deadline` at most (see [`Sender::send_until`]).
    ///
    /// # Errors
    /// As [`Select::wait`]; [`Error::TimedOut`](crate::Error::TimedOut).
    pub fn wait_until(mut self, deadline: i64) -> Result<usize> {
        // SAFETY: for `'a` the channels have references (their ends are borrowed), and the values stay (L1).
        let chosen = unsafe { select(&mut self.cases, deadline) }?;
        let place = self.places[chosen];
        // SAFETY: L2: the place of the chosen case, once.
        unsafe { (place.settle)(place.at, self.cases[chosen].status != 0) };
        Ok(chosen)
    }

    /// The same without a wait.
    ///
    /// # Errors
    /// [`Error::Again`](crate::Error::Again): no case can be done now.
    ///
    /// # Example
    /// ```
    /// use gmp_core::{channel, Error, Select};
    ///
    /// let (_numbers, received) = channel::<u32>(0)?;
    /// let mut number = None;
    /// assert_eq!(Select::new().recv(&received, &mut number).try_now(), Err(Error::Again));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn try_now(self) -> Result<usize> {
        self.wait_until(NOWAIT)
    }
}

/// # Safety
/// `at` is the place of a receive that was chosen, not settled yet.
unsafe fn received<T>(at: *mut u8, closed: bool) {
    let place = at.cast::<Option<T>>();
    // SAFETY: L1: unless it is closed, the bytes of a value lie there, which is ours. What is there has no destructor to run.
    unsafe { place.write(if closed { None } else { Some(at.cast::<T>().read()) }) };
}

/// # Safety
/// `at` is the place of a send that was chosen, not settled yet.
unsafe fn sent<T>(at: *mut u8, closed: bool) {
    if !closed {
        // SAFETY: the value was there, and is the receiver's now.
        unsafe { at.cast::<Option<T>>().write(None) };
    }
}
