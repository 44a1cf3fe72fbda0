"""Locks for tasks and threads alike, with the standard library's method names where it has the class."""

import threading as _threading

from ._gmp import Condition, Event, Misuse, Mutex, RLock, RWLock, Semaphore, WaitGroup
from ._gmp import _Side as Side

__all__ = ["Barrier", "Condition", "Event", "Mutex", "Once", "RLock", "RWLock", "Semaphore", "Side", "WaitGroup"]


class Once:
    """Does something the first time only.

    Example:
        >>> import gmp_py
        >>> once, made = gmp_py.Once(), []
        >>> for task in [gmp_py.go(once.do, made.append, 'it') for _ in range(3)]:
        ...     task.join()
        >>> made
        ['it']
    """

    __slots__ = ("_lock", "_over", "__weakref__")

    def __init__(self) -> None:
        self._lock = RLock()
        self._over = False

    def do(self, fn, /, *args):
        """Calls ``fn(*args)`` if nothing was done yet; else waits until that call is over.

        A call that raises counts as done; its exception goes to whoever made it.

        Args:
            fn: Any callable.
            *args: Its arguments.

        Raises:
            TypeError: fn is not callable.
            Misuse: Called from within the call itself.
            BaseException: Whatever the one call raised.

        Example:
            >>> import gmp_py
            >>> once = gmp_py.Once()
            >>> once.do(print, 'first')
            first
            >>> once.do(print, 'second')
        """
        if not callable(fn):
            raise TypeError(f"{fn!r} is not callable")
        if self._over:
            return
        if self._lock._is_owned():
            raise Misuse("once: called from within its own call")
        with self._lock:
            if self._over:
                return
            try:
                fn(*args)
            finally:
                self._over = True

    def __repr__(self) -> str:
        return f"<gmp_py.Once at {id(self):#x}: {'done' if self._over else 'not done'}>"


class Barrier(_threading.Barrier):
    """A place where a number of tasks and threads wait for each other; ``threading.Barrier`` in its methods.

    A broken barrier raises ``threading.BrokenBarrierError``.

    Args:
        parties: How many wait for each other.
        action: Called by one of them when all have come.
        timeout: Seconds that `wait` waits at most, if it is not told otherwise; None waits for ever.

    Example:
        >>> import gmp_py
        >>> barrier, order = gmp_py.Barrier(3), []
        >>> def work():
        ...     order.append('before')
        ...     barrier.wait()
        ...     order.append('after')
        >>> for task in [gmp_py.go(work) for _ in range(3)]:
        ...     task.join()
        >>> order
        ['before', 'before', 'before', 'after', 'after', 'after']
    """

    def __init__(self, parties, action=None, timeout=None):
        super().__init__(parties, action, timeout)
        self._cond = Condition(Mutex())  # the one place where threading.Barrier waits


for _class in (Once, Barrier):
    _class.__module__ = "gmp_py"
