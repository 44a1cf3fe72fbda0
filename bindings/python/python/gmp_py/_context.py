"""Context: a word to many tasks that the work is off, handed down from call to call."""

from typing import Any, Self
from weakref import WeakSet

from . import _gmp
from ._gmp import Cancelled, Chan


class Context:
    """Tells whoever has it that the work is off: because of `cancel`, a deadline, or the context above.

    It interrupts nobody. Tasks look at `err`, or wait for `done` beside what they wait for; where waits are to end by
    themselves a `cancel_scope` or a `Group` does it. As a context manager it is cancelled at the end of the block.

    Args:
        parent: The context above; when it ends this one does.
        timeout: Seconds until it ends by itself; None or infinity sets no deadline.

    Raises:
        TypeError: parent is no Context, or timeout is not a number.
        ValueError: timeout is negative or NaN.

    Example:
        >>> import gmp_py
        >>> with gmp_py.Context(timeout=1000) as above:
        ...     context = gmp_py.Context(above)
        ...     context.err() is None
        True
        >>> context.err()
        Cancelled()
    """

    def __init__(self, parent: "Context | None" = None, timeout: float | None = None) -> None:
        if parent is not None and not isinstance(parent, Context):
            raise TypeError("parent must be a Context or None")
        self._error: BaseException | None = None
        self._chan: Chan[Any] = Chan()
        self._chance = [True]  # whoever takes it ends the context
        self._parent = parent
        self._children: WeakSet[Context] = WeakSet()
        self._asked: set[Context] = set()  # children whose channel somebody has
        self._timer = None if timeout is None else _gmp._Later(timeout, self._late)
        if parent is not None:
            parent._children.add(self)
            if parent._error is not None:
                self._end(parent._error)

    def __repr__(self) -> str:
        return f"<gmp_py.Context {'open' if self._error is None else repr(self._error)}>"

    def cancel(self) -> None:
        """Ends the context and those below it; does nothing when it has ended.

        Example:
            >>> import gmp_py
            >>> context = gmp_py.Context()
            >>> context.cancel()
            >>> context.err()
            Cancelled()
        """
        self._end(Cancelled())

    def done(self) -> Chan[Any]:
        """Gives the channel that is closed when the context ends; nothing is ever sent there.

        Returns:
            The same channel each time.

        Example:
            >>> import gmp_py
            >>> context = gmp_py.Context(timeout=0.01)
            >>> [value for value in context.done()]     # waits for the end
            []
            >>> context.err()
            TimeoutError('the time of the context is over')
        """
        if self._parent is not None and self._error is None:
            self._parent._asked.add(self)
            if self._error is not None:
                self._parent._asked.discard(self)
        return self._chan

    def err(self) -> BaseException | None:
        """Tells why the context has ended.

        Returns:
            None while it has not; else a Cancelled or a TimeoutError, which is the above one's if that ended first.

        Example:
            >>> import gmp_py
            >>> gmp_py.Context().err() is None
            True
        """
        return self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, /, *args: object) -> None:
        self.cancel()

    def _late(self) -> None:
        self._end(TimeoutError("the time of the context is over"))

    def _end(self, error: BaseException) -> None:
        _gmp._masked(self._end_masked, error)

    def _end_masked(self, error: BaseException) -> None:
        try:
            self._chance.pop()
        except IndexError:
            return
        self._error = error
        self._chan.close()
        if self._timer is not None:
            self._timer.stop()
        if self._parent is not None:
            self._parent._children.discard(self)
            self._parent._asked.discard(self)
        for child in list(self._children):
            child._end(type(error)(*error.args))


Context.__module__ = "gmp_py"
