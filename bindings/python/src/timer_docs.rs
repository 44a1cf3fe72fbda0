//! Documentation of Timer, Ticker and after, as `help` shows it and the doctests run it.
//!
//! Owns: text only.

use crate::docs::Entry;
use std::ffi::CStr;

pub const TIMER: &CStr = c"Timer(seconds, fn)\n--\n\nStarts a function as a task, once, after some time.

It counts from the moment it is made, and goes on when the object is dropped. An error of the function is reported
through ``sys.unraisablehook``. A pending timer does not keep the interpreter from exiting.

Args:
    seconds: When, from now. Infinity is never.
    fn: Any callable; called without arguments, in a task of its own.

Raises:
    TypeError: seconds is not a number, or fn not callable.
    ValueError: seconds is negative or NaN.
    Stopped: The interpreter is exiting.

Example:
    >>> import gmp_py
    >>> chan = gmp_py.Chan()
    >>> timer = gmp_py.Timer(0.001, lambda: chan.send('ring'))
    >>> chan.recv()
    'ring'
    >>> timer.stop()
    False
";

pub const STOP_TIMER: &CStr = c"stop($self, /)\n--\n\nStops the timer, if it is not too late.

Returns:
    True when the function will not run because of this call; False when it was started, or the timer stopped, before.

Raises:
    GmpError: The timer belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> timer = gmp_py.Timer(1000, print)
    >>> timer.stop(), timer.stop()
    (True, False)
";

pub const TICKER: &CStr = c"Ticker(seconds)\n--\n\nSends the time into its channel `c` again and again.

Ticks stay in step with the start. While one waits to be received further ones are left out. What comes out is when
the tick was due, by the clock of `time.monotonic`. It goes on until `stop`, until `c` is closed, or until nobody has
the channel any more.

Args:
    seconds: The time from one tick to the next.

Raises:
    TypeError: seconds is not a number.
    ValueError: seconds is negative, NaN, or less than a nanosecond.
    Stopped: The interpreter is exiting.

Example:
    >>> import gmp_py
    >>> ticker = gmp_py.Ticker(0.001)
    >>> ticker.c.recv() < ticker.c.recv()
    True
    >>> ticker.stop()
";

pub const STOP_TICKER: &CStr =
    c"stop($self, /)\n--\n\nStops the ticks. The channel is not closed; a tick may be left in it.

Raises:
    GmpError: The ticker belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> ticker = gmp_py.Ticker(1000)
    >>> ticker.stop()
    >>> ticker.c.try_recv()
    (None, False)
";

pub const AFTER: Entry = (
    c"after",
    c"after(seconds, /)\n--\n\nGives a channel that is sent the time once, after some time; for `select`.

It costs nothing any more once nobody has the channel.

Args:
    seconds: When, from now. Infinity is never.

Returns:
    Chan[float]: A channel of capacity 1. What comes out is when it was due, by the clock of `time.monotonic`.

Raises:
    TypeError: seconds is not a number.
    ValueError: seconds is negative or NaN.
    Stopped: The interpreter is exiting.

Example:
    >>> import gmp_py
    >>> results = gmp_py.Chan()
    >>> gmp_py.select(gmp_py.recv(results), gmp_py.recv(gmp_py.after(0.001))).index
    1
",
);
