"""What `gmp_py.monkey.patch_queue` puts into ``queue``: a SimpleQueue in which tasks are parked.

The other queues are written in Python over ``threading``; `gmp_py.monkey.patch_threading` is what they need.
"""

import queue
from collections import deque
from types import GenericAlias
from typing import Any

from ._locks import Semaphore
from ._patching import is_first, replace

# What the interpreter's own refuses.
_MOST_SECONDS = 9e9


def patch() -> None:
    if not is_first("queue"):
        return
    replace(queue, "SimpleQueue", SimpleQueue)


class SimpleQueue:
    """As the interpreter's ``queue.SimpleQueue``; a task that waits in it is parked."""

    __slots__ = ("__weakref__", "_count", "_items")
    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._count = Semaphore(0)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        self._items.append(item)
        self._count.release()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block:
            return self.get_nowait()
        if timeout is not None:
            if not isinstance(timeout, (int, float)) and not hasattr(timeout, "__index__"):
                raise TypeError(f"'{type(timeout).__name__}' object cannot be interpreted as an integer")
            if timeout < 0:
                raise ValueError("'timeout' must be a non-negative number")
            if not timeout < _MOST_SECONDS:
                raise OverflowError("timeout value is too large")
        if not self._count.acquire(True, timeout):
            raise queue.Empty
        return self._items.popleft()

    def put_nowait(self, item: Any) -> None:
        self._items.append(item)
        self._count.release()

    def get_nowait(self) -> Any:
        if not self._count.acquire(False):
            raise queue.Empty
        return self._items.popleft()

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)


SimpleQueue.__module__ = "queue"
