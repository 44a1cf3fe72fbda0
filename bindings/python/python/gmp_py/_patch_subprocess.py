"""What `gmp_py.monkey.patch_subprocess` puts into ``subprocess`` and ``os``: waits for child processes.

Always true: the interpreter's own function takes the child's status, once the child has one. What a task waits on until
then (a descriptor of the process, or a wait elsewhere that leaves the status in place) takes nothing, so nothing is lost
when the task is ended meanwhile.
"""

import os
import select
import subprocess
from collections.abc import Callable
from typing import Any

from . import _gmp
from ._elsewhere import call_elsewhere
from ._patching import is_first, replace

_own_wait: Callable[[Any, float | None], int] = subprocess.Popen._wait  # type: ignore[attr-defined]
_own_waitid = os.waitid
_own_pidfd_open = os.pidfd_open
_POLLIN = select.POLLIN


def patch() -> None:
    """Replaces ``Popen``'s wait, on which all of ``subprocess`` is built, and the functions of ``os``."""
    if not is_first("subprocess"):
        return
    subprocess.Popen._wait = _wait  # type: ignore[attr-defined]
    for name in ("waitpid", "wait4"):
        replace(os, name, _of_one(getattr(os, name)))
    for name in ("wait", "wait3"):
        replace(os, name, _of_any(getattr(os, name), name == "wait"))
    replace(os, "waitid", _waitid)


def _has_ended(pid: int, timeout: float | None) -> bool | None:
    """Waits until a child has ended; False: not in time; None: this cannot be waited for so."""
    try:
        fd = _own_pidfd_open(pid)
    except (OSError, OverflowError, TypeError):
        return None
    try:
        return bool(_gmp._wait_fd(fd, _POLLIN, timeout))
    finally:
        _gmp._close_fd(fd)


def _wait(self: Any, timeout: float | None) -> int:
    if self.returncode is not None or not _gmp._in_task():
        return _own_wait(self, timeout)
    try:
        if _own_waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return _own_wait(self, timeout)
    except ChildProcessError:  # someone else has taken its status
        return _own_wait(self, timeout)
    ended = _has_ended(self.pid, None if timeout is None else max(0.0, timeout))
    if ended is False:
        raise subprocess.TimeoutExpired(self.args, timeout)  # type: ignore[arg-type]
    # None: there are no descriptors left.
    return _own_wait(self, timeout if ended is None else None)


def _wait_elsewhere(kind: int, number: int, options: int) -> None:
    """Waits until there is something to tell of a child, and leaves it in place."""
    flags = os.WEXITED | os.WNOWAIT
    if options & os.WUNTRACED:
        flags |= os.WSTOPPED
    if options & os.WCONTINUED:
        flags |= os.WCONTINUED
    try:
        call_elsewhere(_own_waitid, kind, number, flags)
    except ChildProcessError:
        pass  # the function itself says so


def _waits(options: Any) -> bool:
    known = os.WNOHANG | os.WUNTRACED | os.WCONTINUED
    return bool(_gmp._in_task() and isinstance(options, int) and not options & os.WNOHANG and not options & ~known)


def _until_told(pid: int, options: int, own: Callable[[int], Any]) -> Any:
    while True:
        told = own(options | os.WNOHANG)  # first: it knows who is a child
        if told[0]:
            return told
        if not (options == 0 and pid > 0 and _has_ended(pid, None)):
            if pid > 0:
                _wait_elsewhere(os.P_PID, pid, options)
            elif pid == -1:
                _wait_elsewhere(os.P_ALL, 0, options)
            else:
                _wait_elsewhere(os.P_PGID, -pid or os.getpgrp(), options)


def _named(function: Callable[..., Any], own: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = own.__name__
    function.__doc__ = own.__doc__
    function.__module__ = own.__module__
    return function


def _of_one(own: Callable[..., Any]) -> Callable[..., Any]:
    def wait(pid: int, options: int, **named: Any) -> Any:
        if named or not isinstance(pid, int) or not -(2**31) < pid < 2**31 or not _waits(options):
            return own(pid, options, **named)
        return _until_told(pid, options, lambda flags: own(pid, flags))

    return _named(wait, own)


def _of_any(own: Callable[..., Any], is_wait: bool) -> Callable[..., Any]:
    def wait() -> Any:
        if not _waits(0):
            return own()
        return _until_told(-1, 0, lambda flags: os.waitpid(-1, flags))

    def wait3(options: int) -> Any:
        if not _waits(options):
            return own(options)
        return _until_told(-1, options, own)

    return _named(wait if is_wait else wait3, own)


def _waitid(idtype: int, id: int, options: int, /) -> Any:
    if not _gmp._in_task() or not isinstance(options, int) or options & os.WNOHANG:
        return _own_waitid(idtype, id, options)
    while True:
        told = _own_waitid(idtype, id, options | os.WNOHANG)
        if told is not None:
            return told
        call_elsewhere(_own_waitid, idtype, id, options | os.WNOWAIT)


_named(_waitid, _own_waitid)
