"""What `gmp_py.monkey.patch_select` puts into ``select`` and ``selectors``.

Always true: what is ready is told by the interpreter's own functions, called with a timeout of 0. Between two such
looks a task is parked on one descriptor: the only one that it waits for, or an epoll descriptor that all are in.
"""

import select
import selectors
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from select import POLLIN, POLLOUT, POLLPRI
from time import monotonic
from typing import Any

from . import _gmp
from ._patching import is_first, replace

_own_select: Any = select.select
_own_poll: Any = select.poll
_own_epoll: Any = select.epoll
# What poll and epoll have in common; the rest (POLLNVAL) is known without waiting.
_EVENTS = POLLIN | POLLOUT | POLLPRI | select.POLLRDHUP


def patch() -> None:
    """Replaces the functions of ``select`` and what ``selectors`` took from it."""
    if not is_first("select"):
        return
    replace(select, "select", _select)
    replace(select, "poll", _poll)
    replace(select, "epoll", Epoll)
    selectors.SelectSelector._select = staticmethod(_select)  # type: ignore[attr-defined]
    selectors.PollSelector._selector_cls = staticmethod(_poll)  # type: ignore[attr-defined]
    selectors.EpollSelector._selector_cls = Epoll  # type: ignore[attr-defined]


@contextmanager
def _joined(wanted: dict[int, int]) -> Iterator[tuple[int, int] | None]:
    """A descriptor and events that stand for all of the wanted ones; None: one of them cannot be waited for."""
    if len(wanted) == 1:
        [(fd, events)] = wanted.items()
        yield (fd, events) if events else None
        return
    with _own_epoll() as joined:
        possible = True
        for fd, events in wanted.items():
            try:
                joined.register(fd, events)  # the numbers of poll's events are epoll's
            except PermissionError:
                possible = False  # a regular file: always ready
        yield (joined.fileno(), POLLIN) if possible else None


def _until_ready(wanted: dict[int, int], timeout: float | None, look: Callable[[], Any]) -> Any:
    """Parks until `look` finds something or the time is over."""
    found = look()
    if found or timeout == 0.0:
        return found
    end = None if timeout is None else monotonic() + timeout
    if not wanted:
        _gmp.sleep(float("inf") if timeout is None else timeout)
        return look()
    with _joined(wanted) as one:
        if one is None:
            return look()
        while True:
            left = None if end is None else max(0.0, end - monotonic())
            ready = _gmp._wait_fd(*one, left)
            found = look()
            if found or not ready:
                return found


def _fileno(file: Any) -> int:
    return file if isinstance(file, int) else int(file.fileno())


def _is_empty(found: tuple[list[Any], list[Any], list[Any]]) -> bool:
    return not (found[0] or found[1] or found[2])


def _select(rlist: Iterable[Any], wlist: Iterable[Any], xlist: Iterable[Any], timeout: Any = None, /) -> Any:
    if not _gmp._in_task():
        return _own_select(rlist, wlist, xlist, timeout)
    # An iterator would be used up by the first look.
    lists = [files if isinstance(files, (list, tuple)) else list(files) for files in (rlist, wlist, xlist)]
    found = _own_select(*lists, 0)
    if timeout is not None:
        if not isinstance(timeout, (int, float)) and not hasattr(timeout, "__index__"):
            return _own_select(*lists, timeout)  # the one that complains
        timeout = float(timeout)
        if not timeout >= 0.0:
            return _own_select(*lists, timeout)
    if not _is_empty(found) or timeout == 0.0:
        return found
    wanted: dict[int, int] = {}
    for files, events in zip(lists, (POLLIN, POLLOUT, POLLPRI)):
        for file in files:
            fd = _fileno(file)
            wanted[fd] = wanted.get(fd, 0) | events

    def look() -> Any:
        found = _own_select(*lists, 0)
        return None if _is_empty(found) else found

    return _until_ready(wanted, timeout, look) or ([], [], [])


_select.__name__ = _select.__qualname__ = "select"
_select.__doc__ = _own_select.__doc__


class Poll:
    """As the objects that the interpreter's ``select.poll`` makes; a task that waits in it is parked."""

    _own: Any
    _wanted: dict[int, int]

    def __new__(cls) -> "Poll":
        raise TypeError("cannot create 'select.poll' instances")

    def register(self, fd: Any, eventmask: int = POLLIN | POLLPRI | POLLOUT, /) -> None:
        self._own.register(fd, eventmask)
        self._wanted[_fileno(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int, /) -> None:
        self._own.modify(fd, eventmask)
        self._wanted[_fileno(fd)] = eventmask

    def unregister(self, fd: Any, /) -> None:
        self._own.unregister(fd)
        self._wanted.pop(_fileno(fd), None)

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        if not _gmp._in_task():
            return list(self._own.poll(timeout))
        if timeout is not None:
            if not isinstance(timeout, (int, float)) or not timeout < 2**31:
                return list(self._own.poll(timeout))  # the one that complains
            timeout = None if timeout < 0 else timeout / 1000
        wanted = {fd: events & _EVENTS for fd, events in self._wanted.items() if events & _EVENTS}
        found: list[tuple[int, int]] = _until_ready(wanted, timeout, lambda: self._own.poll(0))
        return found


Poll.__name__ = Poll.__qualname__ = "poll"
Poll.__module__ = "select"


def _poll() -> Poll:
    made = object.__new__(Poll)
    made._own = _own_poll()
    made._wanted = {}
    return made


_poll.__name__ = _poll.__qualname__ = "poll"
_poll.__doc__ = _own_poll.__doc__


class Epoll:
    """As the interpreter's ``select.epoll``; a task that waits in it is parked."""

    def __init__(self, sizehint: int = -1, flags: int = 0, *, _own: Any = None) -> None:
        self._own = _own if _own is not None else _own_epoll(sizehint, flags)
        self.fileno = self._own.fileno
        self.register = self._own.register
        self.modify = self._own.modify
        self.unregister = self._own.unregister

    @classmethod
    def fromfd(cls, fd: int, /) -> "Epoll":
        return cls(_own=_own_epoll.fromfd(fd))

    @property
    def closed(self) -> bool:
        return bool(self._own.closed)

    def close(self) -> None:
        self._own.close()

    def __enter__(self) -> "Epoll":
        self._own.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._own.__exit__(*error)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        if not _gmp._in_task():
            return list(self._own.poll(timeout, maxevents))
        if timeout is not None:
            if not isinstance(timeout, (int, float)) or not timeout < 2**31 / 1000 or not -1 <= maxevents < 2**31:
                return list(self._own.poll(timeout, maxevents))  # the one that complains
            timeout = None if timeout < 0 else float(timeout)
        wanted = {self._own.fileno(): POLLIN}
        found: list[tuple[int, int]] = _until_ready(wanted, timeout, lambda: self._own.poll(0, maxevents))
        return found
