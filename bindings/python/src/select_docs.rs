//! Documentation of select and its cases, as `help` shows it and the doctests run it.
//!
//! Owns: text only.

use crate::docs::Entry;
use std::ffi::CStr;

pub const SELECT: Entry = (
    c"select",
    c"select(*cases, timeout=None, default=False)\n--\n\nDoes one of several operations: the one that can be done first.

When several can be done at once, each has the same chance. A closed channel is always ready: to receive from it gives
``ok=False``, to send to it raises ChannelClosed. The same channel may stand in several cases.

Args:
    *cases: What `recv` and `send` of this package give; any number of them.
    timeout: Seconds to wait; None or infinity waits for ever.
    default: Whether to come back at once when nothing can be done.

Returns:
    Selected: ``index`` is the case that was done, ``value`` what it received, ``ok`` False when it received nothing
    because the channel is closed and drained. ``Selected(-1, None, False)`` is the default.

Raises:
    TypeError: A case is something else.
    TimeoutError: Nothing could be done in time, and nothing was done.
    ChannelClosed: The case that was chosen sends to a closed channel.
    Misuse: There is nothing to wait for.
    GmpError: A channel belongs to the parent of a fork.

Example:
    >>> import gmp_py
    >>> from gmp_py import recv, select, send
    >>> jobs, results = gmp_py.Chan(1), gmp_py.Chan()
    >>> select(recv(results), send(jobs, 'job'))
    Selected(index=1, value=None, ok=True)
    >>> index, value, ok = select(recv(results), recv(jobs))
    >>> index, value
    (1, 'job')
    >>> select(recv(results), default=True)
    Selected(index=-1, value=None, ok=False)
    >>> select(recv(results), timeout=0.001)
    Traceback (most recent call last):
        ...
    TimeoutError: no channel was ready in time
",
);

pub const RECV: Entry = (
    c"recv",
    c"recv(chan, /)\n--\n\nMakes a case of `select`: to receive from a channel. It can be used again.

Args:
    chan: A Chan.

Returns:
    The case.

Raises:
    TypeError: chan is no Chan.

Example:
    >>> import gmp_py
    >>> chan = gmp_py.Chan(1)
    >>> chan.send('value')
    >>> gmp_py.select(gmp_py.recv(chan)).value
    'value'
",
);

pub const SEND: Entry = (
    c"send",
    c"send(chan, value, /)\n--\n\nMakes a case of `select`: to send a value to a channel. It can be used again.

Args:
    chan: A Chan.
    value: Any object.

Returns:
    The case.

Raises:
    TypeError: chan is no Chan.

Example:
    >>> import gmp_py
    >>> chan = gmp_py.Chan(1)
    >>> gmp_py.select(gmp_py.send(chan, 'value')).index
    0
    >>> chan.recv()
    'value'
",
);

pub const SET_SELECTED: Entry =
    (c"_set_selected", c"_set_selected(kind, /)\n--\n\nTells the class of what `select` gives.");

pub const CASE: &CStr = c"A case of `select`, made by `recv` and `send`.";
