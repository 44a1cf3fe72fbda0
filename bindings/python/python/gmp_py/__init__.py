"""Go-style tasks for Python.

A task is an ordinary function that runs beside thousands of others on a few threads. It waits the way a thread does,
in plain calls, and costs a few kilobytes.

Example:
    >>> import gmp_py
    >>> def fetch(n):
    ...     gmp_py.sleep(0.01)          # others run meanwhile
    ...     return n * n
    >>> def main():
    ...     tasks = [gmp_py.go(fetch, n) for n in range(100)]
    ...     return sum(task.join() for task in tasks)
    >>> gmp_py.run(main)
    328350
"""

import os as _os
import sysconfig as _sysconfig
from importlib import import_module as _import_module

if _sysconfig.get_config_var("Py_GIL_DISABLED"):
    raise ImportError("gmp_py does not support free-threaded builds of CPython: use a build with the GIL")

from . import monkey, net
from ._context import Context
from ._dump import dump
from ._gmp import (
    _C_API,
    Cancelled,
    Chan,
    ChannelClosed,
    GmpError,
    Misuse,
    Stopped,
    Task,
    TaskExit,
    Ticker,
    Timer,
    __version__,
    after,
    blocking,
    cancel_scope,
    checkpoint,
    current,
    go,
    go_native,
    max_procs,
    num_tasks,
    run,
    sleep,
    yield_,
)
from ._group import Group
from ._locks import Barrier, Condition, Event, Mutex, Once, RLock, RWLock, Semaphore, WaitGroup
from ._select import Selected, recv, select, send
from ._stats import Stats, stats
from ._trace import trace

# Imported when first asked for: they bring asyncio, concurrent.futures and socketserver, which cost more than all the rest.
_LATE = {"Executor": "_executor", "aio": "aio", "servers": "servers"}

__all__ = [
    "Barrier",
    "Cancelled",
    "Chan",
    "ChannelClosed",
    "Condition",
    "Context",
    "Event",
    "Executor",
    "GmpError",
    "Group",
    "Misuse",
    "Mutex",
    "Once",
    "RLock",
    "RWLock",
    "Semaphore",
    "Selected",
    "Stats",
    "Stopped",
    "Task",
    "TaskExit",
    "Ticker",
    "Timer",
    "WaitGroup",
    "__version__",
    "after",
    "aio",
    "blocking",
    "cancel_scope",
    "checkpoint",
    "current",
    "dump",
    "get_include",
    "get_library_dir",
    "go",
    "go_native",
    "max_procs",
    "monkey",
    "net",
    "num_tasks",
    "recv",
    "run",
    "select",
    "send",
    "servers",
    "sleep",
    "stats",
    "trace",
    "yield_",
]


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module 'gmp_py' has no attribute {name!r}")
    module = _import_module("." + _LATE[name], "gmp_py")
    value = globals()[name] = getattr(module, name, module)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})


def get_include() -> str:
    """Gives the directory of ``gmprt.h``, for C extensions that use the same runtime.

    Returns:
        An absolute path.

    Example:
        >>> import gmp_py, os
        >>> os.path.isfile(os.path.join(gmp_py.get_include(), 'gmprt.h'))
        True
    """
    return _os.path.join(get_library_dir(), "include")


def get_library_dir() -> str:
    """Gives the directory of ``libgmprt.so.0``, for C extensions that use the same runtime.

    Link with ``-L<dir> -l:libgmprt.so.0``. The library is already loaded once this package is imported, so the
    extension needs no run path.

    Returns:
        An absolute path.

    Example:
        >>> import gmp_py, os
        >>> os.path.isfile(os.path.join(gmp_py.get_library_dir(), 'libgmprt.so.0'))
        True
    """
    return _os.path.dirname(_os.path.abspath(__file__))
