"""What `gmp_py.monkey.patch_threading(threads=True)` puts into ``threading``: every new Thread is a task.

Always true: a Thread that was started before, or that C code makes, is what it was. At exit, as with threads: who is no
daemon is waited for. What ``threading`` learns of a thread's end it learns of the task's: up to 3.12 through the lock
that the interpreter releases then, from 3.13 on through the thread's handle.
"""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from . import _gmp
from ._patching import is_first

_own: dict[str, Any] = {name: getattr(threading, name, None) for name in ("_set_sentinel", "_thread_shutdown")}


def patch() -> None:
    if not is_first("threads"):
        return
    module: Any = threading
    module._make_invoke_excepthook = _silent_at_exit(module._make_invoke_excepthook)
    if hasattr(module, "_start_joinable_thread"):
        module._start_joinable_thread = _start_joinable_thread
        module._ThreadHandle = Handle
        module._thread_shutdown = _shutdown
    else:
        module._start_new_thread = _start_new_thread
        module._set_sentinel = _set_sentinel


def _silent_at_exit(own: Callable[[], Callable[[Any], None]]) -> Callable[[], Callable[[Any], None]]:
    def make() -> Callable[[Any], None]:
        report = own()

        def invoke_excepthook(thread: Any) -> None:
            if not isinstance(sys.exc_info()[1], _gmp.TaskExit):
                report(thread)

        return invoke_excepthook

    return make


def _wait_end(task: Any, timeout: float | None) -> bool:
    """Whether a task ends within the time; what it ended with was reported by ``threading`` already."""
    try:
        task.exception(timeout)
    except TimeoutError:
        return False
    return True


class _Child:
    """Knows whether it came through a fork, where every other thread has ended."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def is_forked(self) -> bool:
        return self._pid != os.getpid()


# ---------------------------------------------------------------- up to 3.12


def _start_new_thread(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> int:
    task = _gmp.go(function, *args)
    return task.id


def _set_sentinel() -> Any:
    task = _gmp.current()
    return _own["_set_sentinel"]() if task is None else EndLock(task)


class EndLock(_Child):
    """As the lock that the interpreter releases when a thread state is gone: held until the task has ended."""

    def __init__(self, task: Any) -> None:
        super().__init__()
        self._task = task

    def locked(self) -> bool:
        return not self.is_forked() and not self._task.done()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self.is_forked() or self._task is _gmp.current():
            return True  # the task itself takes it when it begins
        if not blocking:
            return bool(self._task.done())
        return _wait_end(self._task, None if timeout < 0 else timeout)

    def release(self) -> None:
        pass

    def _at_fork_reinit(self) -> None:
        pass


# ---------------------------------------------------------------- from 3.13 on

_not_daemons: set["Handle"] = set()


class Handle(_Child):
    """As the interpreter's handle of a thread."""

    def __init__(self) -> None:
        super().__init__()
        self._task: Any = None

    @property
    def ident(self) -> int:
        return 0 if self._task is None else int(self._task.id)

    def is_done(self) -> bool:
        return self._task is not None and (self.is_forked() or bool(self._task.done()))

    def _set_done(self) -> None:
        pass

    def join(self, timeout: float | None = None) -> None:
        if self._task is None:
            raise RuntimeError("thread not started")
        if not self.is_done():
            _wait_end(self._task, timeout)


def _start_joinable_thread(function: Callable[[], Any], handle: Any = None, daemon: bool = True) -> Any:
    handle = Handle() if handle is None else handle

    def run() -> None:
        try:
            function()
        finally:
            _not_daemons.discard(handle)

    handle._task = _gmp.go(run)
    if not daemon:
        _not_daemons.add(handle)
    return handle


def _shutdown() -> None:
    while _not_daemons:
        for handle in list(_not_daemons):
            handle.join()
            _not_daemons.discard(handle)
    _own["_thread_shutdown"]()
