//! Documentation of Chan, as `help` shows it and the doctests run it.
//!
//! Owns: text only.

use std::ffi::CStr;

pub const CHAN: &CStr = c"Chan(capacity=0)\n--\n\nA queue of values between tasks, threads, or both.

A send waits until there is room in the channel or a receiver takes the value; with capacity 0 it always waits for the
receiver. Values come out in the order in which they went in, and who waits longest is served first. A loop over a
channel ends when it is closed and drained.

How many wait stands in its repr. A channel is true even when it is empty. It cannot be pickled or copied.

Args:
    capacity: How many values it holds that nobody has received.

Raises:
    TypeError: capacity is not an int.
    ValueError: capacity is negative.

Example:
    >>> import gmp_py
    >>> def produce(chan):
    ...     for n in range(3):
    ...         chan.send(n)
    ...     chan.close()
    >>> chan = gmp_py.Chan()
    >>> task = gmp_py.go(produce, chan)
    >>> [value for value in chan]
    [0, 1, 2]
";

pub const SEND: &CStr = c"send($self, value, /, timeout=None)\n--\n\nSends a value, once there is room or a receiver.

Args:
    value: Any object.
    timeout: Seconds to wait; None or infinity waits for ever.

Raises:
    ChannelClosed: The channel is closed, or was closed meanwhile. The value was not sent.
    TimeoutError: Nobody took the value in time. It was not sent.
    GmpError: The channel belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> chan = gmp_py.Chan(1)
    >>> chan.send('a')
    >>> chan.send('b', timeout=0.001)
    Traceback (most recent call last):
        ...
    TimeoutError: the channel was not ready in time
";

pub const RECV: &CStr = c"recv($self, /, timeout=None)\n--\n\nReceives the oldest value, once there is one.

Args:
    timeout: Seconds to wait; None or infinity waits for ever.

Returns:
    The value.

Raises:
    ChannelClosed: The channel is closed and drained.
    TimeoutError: There was no value in time.
    GmpError: The channel belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> chan = gmp_py.Chan()
    >>> task = gmp_py.go(chan.send, 'value')
    >>> chan.recv()
    'value'
";

pub const TRY_SEND: &CStr = c"try_send($self, value, /)\n--\n\nSends a value if that needs no waiting.

Args:
    value: Any object.

Returns:
    Whether it was sent.

Raises:
    ChannelClosed: The channel is closed.
    GmpError: The channel belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> chan = gmp_py.Chan(1)
    >>> chan.try_send('a'), chan.try_send('b')
    (True, False)
";

pub const TRY_RECV: &CStr = c"try_recv($self, /)\n--\n\nReceives a value if that needs no waiting.

Returns:
    ``(value, True)``, or ``(None, False)`` when there is none.

Raises:
    ChannelClosed: The channel is closed and drained.
    GmpError: The channel belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> chan = gmp_py.Chan(1)
    >>> chan.try_recv()
    (None, False)
    >>> chan.send('a')
    >>> chan.try_recv()
    ('a', True)
";

pub const CLOSE: &CStr = c"close($self, /)\n--\n\nTells everybody that nothing more will be sent.

Receivers get what is buffered, then ChannelClosed; loops over the channel end. Whoever waits to send gets
ChannelClosed.

Raises:
    ChannelClosed: It was closed before.
    GmpError: The channel belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> chan = gmp_py.Chan(2)
    >>> chan.send('last')
    >>> chan.close()
    >>> list(chan), chan.closed
    (['last'], True)
";

pub const GIVE_BACK: &CStr = c"_give_back($self, value, /)\n--\n\nMakes a value that was received the next one again.";

pub const REDUCE: &CStr = c"__reduce__($self, /)\n--\n\nRefuses: others hold on to this very channel.";

pub const GENERIC: &CStr = c"__class_getitem__($cls, item, /)\n--\n\nFor annotations such as ``Chan[int]``.";
