//! The typed channel, for Rust: its two kinds of ends, between which values are moved.
//!
//! Owns: who has an end, and whose a value is. The channel itself moves bytes (`transfer.rs`).
//!
//! Always true:
//!  - E1. The channel is closed by whoever drops its last sender, or its last receiver.
//!  - E2. A value is the sender's until the channel took its bytes, and the receiver's from when it gave them out. A send that
//!        answers an error has given nothing away (C3, and `sched/wait.rs`: a wait that ends otherwise has had no effect).
//!  - E3. What is in the buffer when the last receiver goes is dropped by it: after the close nothing is added. Only what the
//!        panic of a destructor leaves there is dropped later, by the last end of all.
//!  - E4. A timer's, context's or signal's channel has receivers only: those neither close it nor empty it.
//!
//! Called by: any task or thread. Blocks: `send`, `recv` and their like park the task, or block a thread that is no task.

use super::{Chan, Channel, Moved};
use crate::base::error::{Error, Result};
use crate::primitive::{AtomicUsize, Ordering::*};
use crate::sync::safe::wake_from_drop;
use crate::time::{FOREVER, NOWAIT};
use std::fmt;
use std::marker::PhantomData;
use std::mem::{size_of, ManuallyDrop, MaybeUninit};
use std::sync::Arc;

/// Makes a channel for values of `T`, with room for `capacity` of them; 0: each is handed over from a sender to a receiver.
///
/// Values come out in the order in which they were sent. Both ends can be cloned; a value goes to one receiver. When the last
/// sender is dropped the receivers get what is left and then [`Error::Closed`]; when the last receiver is dropped senders get
/// their values back with the same error.
///
/// Called by: any task or thread. Blocks: nothing.
///
/// # Errors
/// [`Error::Invalid`]: a `T` has more than 65,535 bytes (send it in a `Box`), or the buffer would not fit the address space;
/// [`Error::NoMemory`].
///
/// # Example
/// ```
/// let (numbers, received) = gmp_core::channel(4)?;
/// let sum = gmp_core::spawn(move || received.iter().sum::<u64>())?;
/// for n in 1..=100 {
///     numbers.send(n)?;
/// }
/// drop(numbers);
/// assert_eq!(sum.join()?, 5050);
/// # Ok::<(), gmp_core::Error>(())
/// ```
/// What must stay on its thread is refused:
/// ```compile_fail,E0277
/// let (_counts, _received) = gmp_core::channel::<std::rc::Rc<u32>>(4)?;
/// # Ok::<(), gmp_core::Error>(())
/// ```
pub fn channel<T: Send>(capacity: usize) -> Result<(Sender<T>, Receiver<T>)> {
    let chan = Channel::new(size_of::<T>(), capacity)?;
    let ends = Ends::of(chan);
    Ok((Sender { ends: ends.clone() }, Receiver { ends }))
}

/// What the ends of a channel share.
struct Ends<T> {
    chan: Channel,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    values: PhantomData<T>,
}

// SAFETY: values are moved through, from thread to thread, and never shared.
unsafe impl<T: Send> Sync for Ends<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Ends<T> {}

impl<T> Ends<T> {
    /// For one sender and one receiver.
    fn of(chan: Channel) -> Arc<Ends<T>> {
        let one = || AtomicUsize::new(1);
        Arc::new(Ends { chan, senders: one(), receivers: one(), values: PhantomData })
    }

    /// Nothing if the other side was first.
    fn close(&self) {
        if let Ok(claimed) = self.chan.close_claiming() {
            wake_from_drop(claimed);
        }
    }

    /// Drops what is in the buffer. The channel is closed, and nobody receives.
    fn empty(&self) {
        while self.chan.is_plain() && !self.chan.is_empty() && self.chan.is_here().is_ok() {
            let mut value = MaybeUninit::<T>::uninit();
            // Not from inside, which might move a task whose panic drops the receiver. Nobody is woken: nobody waits.
            // SAFETY: room for an element.
            if unsafe { self.chan.try_now::<false>(None, value.as_mut_ptr().cast()) } != Moved::Yes {
                return;
            }
            // SAFETY: E2: received, once.
            drop(unsafe { value.assume_init() });
        }
    }
}

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {
        self.empty();
    }
}

/// The sending end of a [`channel`]. Clones are ends of the same channel, which is closed when the last one is dropped.
pub struct Sender<T> {
    ends: Arc<Ends<T>>,
}

/// A send that was not done: the value, and why.
///
/// It turns into the [`Error`] alone by `?` where that is all that is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T> {
    /// What was to be sent.
    pub value: T,
    /// Why it was not.
    pub error: Error,
}

impl<T> Sender<T> {
    /// Sends a value: to the receiver that has waited longest, or into the buffer. Waits while neither is to be had.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task.
    ///
    /// # Errors
    /// With the value: [`Error::Closed`]: no receiver is left; [`Error::Canceled`]: the task was cancelled, and would have had
    /// to wait.
    ///
    /// # Example
    /// ```
    /// let (words, received) = gmp_core::channel(0)?;
    /// let reader = gmp_core::spawn(move || received.recv())?;
    /// words.send("one".to_string())?;
    /// assert_eq!(reader.join()??, "one");
    ///
    /// // The receiver went with its task.
    /// let unsent = words.send("two".to_string()).unwrap_err();
    /// assert_eq!((unsent.value.as_str(), unsent.error), ("two", gmp_core::Error::Closed));
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    #[inline]
    pub fn send(&self, value: T) -> std::result::Result<(), SendError<T>> {
        self.send_until(value, FOREVER)
    }

    /// The same, waiting until `deadline` at most: a time of [`time::now`](crate::time::now), for example
    /// [`time::after`](crate::time::after)`(ns)` or [`within`](crate::within)`(duration)`.
    ///
    /// # Errors
    /// As [`Sender::send`]; [`Error::TimedOut`]; [`Error::NoMemory`]: no room for the deadline.
    #[inline]
    pub fn send_until(&self, value: T, deadline: i64) -> std::result::Result<(), SendError<T>> {
        let value = ManuallyDrop::new(value);
        // SAFETY: our reference; the value stays until the call returns. E2: it is the channel's after an Ok.
        match unsafe { self.ends.chan.send((&raw const value).cast(), deadline) } {
            Ok(()) => Ok(()),
            Err(error) => Err(SendError { value: ManuallyDrop::into_inner(value), error }),
        }
    }

    /// The same without a wait.
    ///
    /// # Errors
    /// [`Error::Again`]: it would have to wait; [`Error::Closed`].
    ///
    /// # Example
    /// ```
    /// let (numbers, _received) = gmp_core::channel(1)?;
    /// numbers.try_send(1)?;
    /// let full = numbers.try_send(2).unwrap_err();
    /// assert_eq!((full.value, full.error), (2, gmp_core::Error::Again));
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    #[inline]
    pub fn try_send(&self, value: T) -> std::result::Result<(), SendError<T>> {
        self.send_until(value, NOWAIT)
    }

    /// Values in the buffer, at some moment during the call.
    pub fn len(&self) -> usize {
        self.ends.chan.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values that the buffer has room for.
    pub fn capacity(&self) -> usize {
        self.ends.chan.capacity()
    }

    /// The channel, for a select that borrows the sender.
    pub(super) fn chan(&self) -> *const Chan {
        self.ends.chan.as_ptr()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.ends.senders.fetch_add(1, Relaxed);
        Sender { ends: self.ends.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // AcqRel: the sends of all other senders come before the close.
        if self.ends.senders.fetch_sub(1, AcqRel) == 1 {
            self.ends.close();
        }
    }
}

/// The receiving end of a [`channel`], of a timer or of a context. Clones are ends of the same channel: each value goes to one
/// of them.
pub struct Receiver<T> {
    ends: Arc<Ends<T>>,
}

impl<T> Receiver<T> {
    /// Receives the oldest value, and waits for one if need be.
    ///
    /// Called by: any task or thread. Blocks: the task, or a thread that is no task.
    ///
    /// # Errors
    /// [`Error::Closed`]: nothing is left, and no sender either; [`Error::Canceled`]: the task was cancelled, and would have
    /// had to wait.
    ///
    /// # Example
    /// ```
    /// use gmp_core::Error;
    ///
    /// let (numbers, received) = gmp_core::channel(2)?;
    /// numbers.send(7)?;
    /// drop(numbers);
    /// assert_eq!(received.recv(), Ok(7));
    /// assert_eq!(received.recv(), Err(Error::Closed));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn recv(&self) -> Result<T> {
        self.recv_until(FOREVER)
    }

    /// The same, waiting until `deadline` at most (see [`Sender::send_until`]).
    ///
    /// # Errors
    /// As [`Receiver::recv`]; [`Error::TimedOut`]; [`Error::NoMemory`]: no room for the deadline.
    ///
    /// # Example
    /// ```
    /// use gmp_core::{time, Error};
    ///
    /// let (_numbers, received) = gmp_core::channel::<u32>(0)?;
    /// assert_eq!(received.recv_until(time::after(1_000)), Err(Error::TimedOut));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn recv_until(&self, deadline: i64) -> Result<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: our reference; room for an element until the call returns. E2: it is there, and ours, after an Ok.
        unsafe {
            self.ends.chan.recv(value.as_mut_ptr().cast(), deadline)?;
            Ok(value.assume_init())
        }
    }

    /// The same without a wait.
    ///
    /// # Errors
    /// [`Error::Again`]: it would have to wait; [`Error::Closed`].
    #[inline]
    pub fn try_recv(&self) -> Result<T> {
        self.recv_until(NOWAIT)
    }

    /// The values as they come. It ends where [`Receiver::recv`] answers an error.
    ///
    /// # Example
    /// ```
    /// let (words, received) = gmp_core::channel(2)?;
    /// words.send("a")?;
    /// words.send("b")?;
    /// drop(words);
    /// assert_eq!(received.iter().collect::<Vec<_>>(), ["a", "b"]);
    /// # Ok::<(), gmp_core::Error>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Values in the buffer, at some moment during the call. Of a timer's: 0.
    pub fn len(&self) -> usize {
        self.ends.chan.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values that the buffer has room for. Of a timer's: 0.
    pub fn capacity(&self) -> usize {
        self.ends.chan.capacity()
    }

    /// The channel, for a select that borrows the receiver.
    pub(super) fn chan(&self) -> *const Chan {
        self.ends.chan.as_ptr()
    }

    /// An end of a timer's, context's or signal's channel (E4).
    ///
    /// # Safety
    /// What can be received from it are `T`s, and it is not [plain](Chan::is_plain).
    pub unsafe fn of(chan: Channel) -> Receiver<T> {
        debug_assert!(!chan.is_plain() && chan.elem_size() == size_of::<T>());
        Receiver { ends: Ends::of(chan) }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        self.ends.receivers.fetch_add(1, Relaxed);
        Receiver { ends: self.ends.clone() }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // AcqRel: the receives of all other receivers come before the close.
        if self.ends.receivers.fetch_sub(1, AcqRel) == 1 && self.ends.chan.is_plain() {
            self.ends.close();
            self.ends.empty();
        }
    }
}

/// See [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

/// The values as they come, of a receiver of one's own. See [`Receiver::iter`].
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;
    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;
    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> From<SendError<T>> for Error {
    fn from(unsent: SendError<T>) -> Error {
        unsent.error
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not sent: {}", self.error)
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> std::error::Error for SendError<T> {}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}
