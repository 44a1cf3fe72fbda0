"""Calls that block their thread, made on a thread of their own while the task that asked is parked.

Always true: at most ``MOST`` threads work at a time, and one ends when nothing is left to do; further calls wait their
turn. They do not hold up the interpreter's exit.
"""

import _thread
import os
from collections import deque
from collections.abc import Callable
from select import POLLIN
from typing import Any

from . import _gmp

MOST = 32

_lock = _thread.allocate_lock()  # held for a few instructions, never across a wait
_waiting: deque["_Call"] = deque()
_workers = 0


class _Call:
    """One call: its outcome, and the descriptor that wakes who waits for it. Who is done with it last closes that."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended = False
        self.given_up = False
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def run(self) -> None:
        try:
            self.result = self.function()
        except BaseException as error:
            self.error = error
        with _lock:
            self.ended = True
            if self.given_up:
                os.close(self.wake)
            else:
                os.eventfd_write(self.wake, 1)

    def wait(self) -> Any:
        try:
            while not self.ended:
                _gmp._wait_fd(self.wake, POLLIN)
        finally:
            with _lock:
                self.given_up = True
                if self.ended:
                    _gmp._close_fd(self.wake)
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # no cycle with the traceback
        return self.result


def _work() -> None:
    global _workers
    while True:
        with _lock:
            if not _waiting:
                _workers -= 1
                return
            call = _waiting.popleft()
        call.run()
        del call


def _start_worker(call: _Call) -> bool:
    """False: there are no threads to be had, and nobody else has the call. From 3.12 on that is so while the interpreter exits."""
    global _workers
    try:
        _thread.start_new_thread(_work, ())
    except BaseException as error:
        with _lock:
            _workers -= 1
            alone = _workers == 0 and call in _waiting
            if alone:
                _waiting.remove(call)
        if alone:
            os.close(call.wake)
            if not isinstance(error, RuntimeError):
                raise
            return False
    return True


def call_elsewhere(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Gives what ``function(*args, **kwargs)`` gives or raises, called on another thread if there can be one. For tasks."""
    global _workers
    call = _Call(lambda: function(*args, **kwargs))
    with _lock:
        _waiting.append(call)
        start = _workers < MOST
        _workers += start
    if start and not _start_worker(call):
        return function(*args, **kwargs)
    return call.wait()


def _after_fork() -> None:
    global _lock, _workers
    _lock = _thread.allocate_lock()
    _waiting.clear()
    _workers = 0


os.register_at_fork(after_in_child=_after_fork)
