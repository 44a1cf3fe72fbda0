"""An executor of concurrent.futures whose calls run in tasks.

Always true:
 - A call that `submit` has accepted is counted in ``_calls`` until it has ended, or was cancelled before it began.
 - A call in ``_pending`` has a task on its way to take it, or all slots are taken and their tasks will look again.
 - No lock is held anywhere: what is shared changes by single operations of deque, list and set, so that a finalizer or
   a signal's handler may submit in the middle of anything.
"""

import atexit
import concurrent.futures
import operator
import os
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures.thread import BrokenThreadPool
from functools import partial
from itertools import count, repeat
from logging import getLogger
from typing import Any, ParamSpec, TypeVar

from ._gmp import Condition, GmpError, Misuse, Task, TaskExit, WaitGroup, current, go

_T = TypeVar("_T")
_P = ParamSpec("_P")
_Call = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any]]

_numbers = count()
_executors: weakref.WeakSet["Executor"] = weakref.WeakSet()
_exiting = False
_forks = 0


class Future(concurrent.futures.Future[_T]):
    """A task that waits for it is parked."""

    def __init__(self) -> None:
        super().__init__()
        self._condition = Condition()  # type: ignore[assignment]  # its class is all that differs
        self._forks = _forks

    def _time(self, timeout: float | None) -> float | None:
        """A timeout as Condition wants it; those that are over already are 0, as they are for threading's."""
        if self._forks != _forks and not self.done():
            raise GmpError("the task of this future is in the parent process")
        return None if timeout is None else max(0, timeout)

    def result(self, timeout: float | None = None) -> _T:
        try:
            return super().result(self._time(timeout))
        finally:
            del self  # no cycle of the exception, its traceback and the future

    def exception(self, timeout: float | None = None) -> BaseException | None:
        return super().exception(self._time(timeout))


class Executor(concurrent.futures.ThreadPoolExecutor):
    """Runs calls in tasks; a ``concurrent.futures.Executor``.

    It can stand wherever a thread pool can: in ``loop.run_in_executor`` and ``loop.set_default_executor`` of asyncio, in
    Dask, and below ``concurrent.futures.wait`` and ``as_completed``. That is why its class is derived from
    ``ThreadPoolExecutor``, of which nothing is used. A task that waits for one of its futures is parked; any number of
    calls may wait for each other when the number of tasks is not limited. As with a thread pool, the interpreter's exit
    waits for the calls that were submitted.

    Args:
        max_tasks: How many tasks work at a time; None: each call has a task of its own, which starts at once.
            ``_max_workers``, for those who ask a pool how wide it is, is then that of a thread pool.
        initializer: Called first in every task that is started. When it raises, the executor is broken.
        initargs: Its arguments.

    Example:
        >>> from gmp_py import Executor, sleep
        >>> def square(n):
        ...     sleep(0.001)
        ...     return n * n
        >>> with Executor() as executor:
        ...     executor.submit(square, 3).result()
        ...     sum(executor.map(square, range(1000)))
        9
        332833500
    """

    def __init__(
        self,
        max_tasks: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        if max_tasks is None:
            workers = min(32, (getattr(os, "process_cpu_count", os.cpu_count)() or 1) + 4)
        else:
            workers = operator.index(max_tasks)
        if workers <= 0:
            raise ValueError("max_tasks must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._max_workers = workers
        self._limited = max_tasks is not None
        self._prepare = initializer
        self._prepare_args = initargs
        self._name = f"Executor-{next(_numbers)}"
        self._shutdown = False
        self._broken = False
        self._reset()
        _executors.add(self)

    def _reset(self) -> None:
        """Begins with no calls and no tasks."""
        self._calls = WaitGroup()
        self._pending: deque[_Call] = deque()
        self._free = _Slots(self._max_workers if self._limited else None)
        self._working: set[Task[Any] | None] = set()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Starts ``fn(*args, **kwargs)`` in a task.

        Args:
            fn: What to call.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            A future of the call. It can be cancelled until the call has begun.

        Raises:
            RuntimeError: The executor was shut down, or its initializer has failed.
        """
        self._calls.add(1)
        future: Future[_T] = Future()
        call: _Call = (future, fn, args, kwargs)
        try:
            # Looked at after the call was counted: who shuts down after this look waits for it.
            if self._broken:
                raise BrokenThreadPool("the initializer of an executor has failed")
            if self._shutdown or _exiting:
                what = "shutdown" if self._shutdown else "interpreter shutdown"
                raise RuntimeError(f"cannot schedule new futures after {what}")
            self._pending.append(call)
            try:
                self._start()
            except BaseException as error:
                self._take_back(call, error)
        except BaseException:
            self._calls.done()
            raise
        return future

    def _start(self) -> None:
        """Starts a task for a call; when their number is limited, as many as there are slots for calls."""
        if not self._limited:
            go(self._work, None, name=self._name)
            return
        while self._pending and self._free.take():
            try:
                call = self._pending.popleft()
            except IndexError:
                self._free.give()
                continue
            try:
                go(self._work, call, name=self._name)
            except BaseException:
                self._pending.appendleft(call)
                self._free.give()
                raise

    def _take_back(self, call: _Call, error: BaseException) -> None:
        """No task could be started: raises, unless another one has the call."""
        try:
            self._pending.remove(call)
        except ValueError:
            return
        if self._limited and not self._working:
            # Calls that found no slot meanwhile relied on the task that was not started.
            self._drain(partial(Future.set_exception, exception=error))
        raise error

    def _work(self, call: _Call | None) -> None:
        """What a task does: one call, or, when their number is limited, calls until none is left."""
        me = current()
        self._working.add(me)
        try:
            self._initialize()
            if not self._limited:
                call = self._next()
                if call is not None:
                    self._do(*call)
                return
            while True:
                while call is not None:
                    self._do(*call)
                    call = self._next()
                self._free.give()
                # A call may have come after the last look, when there was no slot.
                if not self._pending or not self._free.take():
                    return
                call = self._next()
        finally:
            self._working.discard(me)

    def _initialize(self) -> None:
        if self._prepare is None or self._broken:
            return
        try:
            self._prepare(*self._prepare_args)
        except BaseException:
            getLogger("concurrent.futures").critical("Exception in initializer:", exc_info=True)
            self._broken = True

    def _next(self) -> _Call | None:
        try:
            return self._pending.popleft()
        except IndexError:
            return None

    def _do(self, future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            if not future.set_running_or_notify_cancel():
                return
            try:
                if self._broken:
                    raise BrokenThreadPool("the initializer of an executor has failed")
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
                if isinstance(error, TaskExit):
                    self._drain(_cancel)  # the interpreter's exit: no further call begins
            else:
                future.set_result(result)
        finally:
            del future  # no cycle of an exception, its traceback and the future
            self._calls.done()

    def _drain(self, end: Callable[["Future[Any]"], None]) -> None:
        """Ends all calls that have not begun."""
        while self._pending:
            try:
                future = self._pending.popleft()[0]
            except IndexError:
                return
            try:
                end(future)
            finally:
                self._calls.done()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the executor: further calls are refused.

        Args:
            wait: Whether to wait until all calls have ended.
            cancel_futures: Whether calls that have not begun are cancelled.

        Raises:
            Misuse: A call of this executor waits for all of them, itself among them.
        """
        if wait and current() in self._working:
            raise Misuse("a call of an executor cannot wait for the end of all of its calls")
        self._shutdown = True
        if cancel_futures:
            self._drain(_cancel)
        if wait:
            self._calls.wait()


class _Slots:
    """How many more tasks may work; None: any number."""

    def __init__(self, number: int | None) -> None:
        self._fresh = repeat(None) if number is None else repeat(None, number)
        self._given: list[None] = []

    def take(self) -> bool:
        try:
            self._given.pop()
        except IndexError:
            return next(self._fresh, self) is None
        return True

    def give(self) -> None:
        self._given.append(None)


def _cancel(future: Future[Any]) -> None:
    future.cancel()
    future.set_running_or_notify_cancel()


@atexit.register
def _at_exit() -> None:
    """Before the tasks are ended: the calls that were submitted end well, as those of a thread pool do."""
    global _exiting
    _exiting = True
    for executor in list(_executors):
        executor._calls.wait()


def _after_fork() -> None:
    """The child has none of the tasks."""
    global _forks
    _forks += 1
    for executor in list(_executors):
        executor._reset()


os.register_at_fork(after_in_child=_after_fork)
Executor.__module__ = "gmp_py"
