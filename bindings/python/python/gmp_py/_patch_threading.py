"""What `gmp_py.monkey.patch_threading` puts into ``threading`` and ``_thread``: identity, and locks that park.

Always true: a plain thread has the ident and the Thread object that it had. A task's ident is its id; its Thread object
is in threading's registry from the first time the task asks for it until the task ends.

The classes that ``threading`` builds in Python (Condition, Event, Semaphore, Barrier, Timer) stay what they are, over the
new locks; so do the import system's locks, which look in ``_thread``. ``threading.local`` belongs to a task as it is.
"""

import _thread
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

from . import _existing, _gmp
from ._elsewhere import call_elsewhere
from ._locks import Mutex, RLock
from ._patching import is_first, replace

_own_get_ident = _thread.get_ident
_own_pthread_kill = signal.pthread_kill
_OwnLock = _thread.LockType
_OwnRLock = _thread.RLock
_OwnDummy: Any = threading._DummyThread
_active: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]

# The Thread objects of tasks that have not asked for their own.
_unasked: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def patch() -> None:
    if not is_first("threading"):
        return
    get_ident = _gmp._ident_function(_thread)
    for name in ("Lock", "_allocate_lock", "_LockType"):
        replace(threading, name, Mutex)
    for module in (threading, _thread):
        replace(module, "get_ident", get_ident)
    for name in ("allocate_lock", "allocate", "LockType", "lock"):
        replace(_thread, name, Mutex)
    replace(_thread, "RLock", _RLock)
    replace(threading, "_CRLock", _RLock)
    replace(threading, "_DummyThread", DummyThread)
    replace(threading, "enumerate", _all_threads(threading.enumerate))
    replace(threading, "active_count", _count)
    replace(signal, "pthread_kill", _pthread_kill)
    threading.Thread.join = _joining(threading.Thread.join)  # type: ignore[method-assign]
    threading.Thread._delete = _ending(threading.Thread._delete)  # type: ignore[attr-defined]
    _existing.renew_locks({_OwnLock: Mutex, _OwnRLock: _RLock})


class _RLock(RLock):
    """The interpreter's own takes arguments and forgets them, up to 3.14; what derives from it relies on that."""

    __slots__ = ()

    def __init__(self, *_: Any, **__: Any) -> None:
        pass


_RLock.__name__ = _RLock.__qualname__ = "RLock"
_RLock.__module__ = "_thread"


class _Presence(threading.local):
    """A task's own; dropped at its end, and with it the task's place in threading's registry."""

    entry: "_Entry"


class _Entry:
    def __init__(self, thread: threading.Thread, ident: int, active: dict[int, threading.Thread] = _active) -> None:
        self._thread, self._ident, self._active = thread, ident, active
        active[ident] = thread

    def __del__(self) -> None:
        if self._active.get(self._ident) is self._thread:
            del self._active[self._ident]


_here = _Presence()


class DummyThread(_OwnDummy):  # type: ignore[misc]
    """What ``threading.current_thread()`` gives where nobody made a Thread: in a task, and in a foreign thread.

    That of a task is no daemon, as Threads that it makes take that from it; exit does not wait for tasks all the same.
    """

    _task: weakref.ref[Any] | None = None

    def __new__(cls, task: Any = None) -> Any:
        if task is None and (task := _gmp.current()) is not None and (known := _unasked.pop(task, None)) is not None:
            return known
        return super().__new__(cls)

    def __init__(self, task: Any = None) -> None:
        caller = _gmp.current()
        asked = task is None
        if asked and caller is None:
            super().__init__()
            return
        task = caller if asked else task
        if self._task is None:
            threading.Thread.__init__(self, name=task.name or f"Task-{task.id}", daemon=False)
            self._task = weakref.ref(task)
            self._started.set()
            self._ident = task.id
            self._native_id = threading.get_native_id()
            if hasattr(threading, "_make_thread_handle"):
                self._handle = threading._make_thread_handle(task.id)
        if asked:
            _here.entry = _Entry(self, task.id)
        else:
            _unasked[task] = self

    def is_alive(self) -> bool:
        if self._task is None:
            return bool(super().is_alive())
        task = self._task()
        return task is not None and not task.done()

    def join(self, timeout: float | None = None) -> None:
        if self._task is None:
            super().join(timeout)
        raise RuntimeError("a task that is no Thread is joined by its Task")


DummyThread.__name__ = DummyThread.__qualname__ = "_DummyThread"
DummyThread.__module__ = "threading"


def _others() -> list[threading.Thread]:
    """Thread objects of the running tasks that are not in threading's registry."""
    found = []
    for task in _gmp._running_tasks():
        if task.id not in _active:
            known = _unasked.get(task)
            found.append(DummyThread(task) if known is None else known)
    return found


def _all_threads(own: Callable[[], list[threading.Thread]]) -> Callable[[], list[threading.Thread]]:
    def enumerate() -> list[threading.Thread]:
        return own() + _others()

    enumerate.__doc__ = own.__doc__
    enumerate.__module__ = "threading"
    return enumerate


def _count() -> int:
    """Return the number of Thread objects currently alive, as many as `enumerate` gives."""
    return len(threading.enumerate())


_count.__name__ = _count.__qualname__ = "active_count"
_count.__module__ = "threading"


def _pthread_kill(thread_id: int, signalnum: int, /) -> None:
    """As the interpreter's own; a task that means itself means the thread that runs it."""
    if _gmp._in_task() and thread_id == threading.get_ident():
        thread_id = _own_get_ident()
    elif any(task.id == thread_id for task in _gmp._running_tasks()):
        raise ProcessLookupError(f"task {thread_id} is no thread: it cannot be sent a signal")
    _own_pthread_kill(thread_id, signalnum)


def _joining(own: Callable[..., None]) -> Callable[..., None]:
    def join(self: Any, timeout: float | None = None) -> None:
        if not _gmp._in_task() or not self._initialized or not self._started.is_set() or self is threading.current_thread():
            own(self, timeout)
        elif self is threading.main_thread():
            call_elsewhere(own, self, timeout)
        else:
            own(self, _until_nearly_ended(self, timeout))

    join.__doc__ = own.__doc__
    return join


def _until_nearly_ended(thread: Any, timeout: float | None) -> float | None:
    """Parks until a thread is about to end, so that its join is short; gives the time that is left for that."""
    ended = thread.__dict__.setdefault("_gmp_ended", threading.Event())
    if thread not in threading._limbo and _active.get(thread.ident) is not thread:  # type: ignore[attr-defined]
        return timeout
    if timeout is None:
        ended.wait()
    elif not ended.wait(max(timeout, 0)):
        return 0
    return timeout


def _ending(own: Callable[[Any], None]) -> Callable[[Any], None]:
    def _delete(self: Any) -> None:
        own(self)
        ended = self.__dict__.pop("_gmp_ended", None)
        if ended is not None:
            ended.set()

    return _delete
