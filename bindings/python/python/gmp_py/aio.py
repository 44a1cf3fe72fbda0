"""To and from asyncio: a coroutine waits for a task, a task runs a coroutine.

`wrap` makes something to ``await`` of a task, in any event loop: that of a plain thread, of another library (uvloop), or
one that runs inside a task. `run` runs a coroutine in a task, which is parked while the coroutine waits; every task has
an event loop of its own, so thousands may do so at once.

A call of gmp_py that waits (``join``, ``recv``, ``sleep``, a lock) stops the event loop that it is made in, as
``time.sleep`` would. In a coroutine, hand the call to a task, ``await aio.wrap(go(event.wait))``, and take what comes
from a channel with ``async for value in chan``.

Example:
    >>> from gmp_py import aio, go, sleep
    >>> def work(n):
    ...     sleep(0.001)
    ...     return n * n
    >>> async def main():
    ...     return await asyncio.gather(*(aio.wrap(go(work, n)) for n in range(4)))
    >>> import asyncio
    >>> asyncio.run(main())                  # tasks below an event loop
    [0, 1, 4, 9]
    >>> go(aio.run, main()).join()           # an event loop in a task
    [0, 1, 4, 9]
"""

import asyncio
import selectors
from collections.abc import AsyncIterator, Awaitable, Coroutine
from select import POLLIN
from typing import Any, TypeVar, cast

from . import _gmp
from ._gmp import Cancelled, Chan, ChannelClosed, Misuse, Task, current, go

__all__ = ["run", "wrap"]

_T = TypeVar("_T")


def wrap(task: Task[_T]) -> asyncio.Future[_T]:
    """Makes a future of the running event loop that ends as the task does.

    It gives the task's result or raises its exception; the exception then counts as seen. Whoever is cancelled while it
    awaits the future cancels the task, as ``asyncio.wrap_future`` does: the future ends at once, the task as soon as it
    has cleaned up. ``await asyncio.shield(aio.wrap(task))`` leaves the task alone. A task that was cancelled cancels the
    future.

    Args:
        task: A task that is not the caller's own.

    Returns:
        A future: to be awaited, gathered, or given to ``asyncio.wait_for``.

    Raises:
        RuntimeError: No event loop runs here.
        Misuse: The task is the one that asks.

    Example:
        >>> import asyncio
        >>> from gmp_py import aio, go
        >>> async def main():
        ...     return await aio.wrap(go(sum, [1, 2, 3]))
        >>> asyncio.run(main())
        6
    """
    if not isinstance(task, Task):
        raise TypeError(f"a Task is required, not {type(task).__name__}")
    loop = asyncio.get_running_loop()
    if task is current():
        raise Misuse("a task cannot wait for itself")
    future: asyncio.Future[_T] = loop.create_future()
    if task.done():
        _settle(future, task)
        return future

    def cancel(future: asyncio.Future[_T]) -> None:
        if future.cancelled():
            task.cancel()

    future.add_done_callback(cancel)
    go(_watch, task, future, name=f"aio.wrap of {task.name}")
    return future


def _watch(task: Task[Any], future: asyncio.Future[Any]) -> None:
    """A task of its own that brings the other's end to the event loop."""
    error = task.exception()
    try:
        future.get_loop().call_soon_threadsafe(_settle, future, task)
    except RuntimeError:
        # The loop is closed. Nobody will ask for the error any more: it is reported as this task's own.
        if error is not None and not isinstance(error, Cancelled):
            raise error from None


def _settle(future: asyncio.Future[Any], task: Task[Any]) -> None:
    """Gives the future the outcome of a task that is done. In the event loop."""
    error = task.exception(0)
    if future.done():  # cancelled, and the task told so
        if error is not None and not isinstance(error, Cancelled):
            message = "a task failed after the coroutine that awaited it was cancelled"
            future.get_loop().call_exception_handler({"message": message, "exception": error, "future": future})
    elif error is None:
        future.set_result(task.join(0))
    elif isinstance(error, Cancelled):
        future.cancel()
    elif isinstance(error, StopIteration):
        # A coroutine cannot raise it, nor can a future hold it.
        stopped = RuntimeError("the task raised StopIteration")
        stopped.__cause__ = error
        future.set_exception(stopped)
    else:
        future.set_exception(error)


def run(coro: Awaitable[_T], /) -> _T:
    """Runs a coroutine in an event loop of its own and gives its result.

    In a task, the task is parked while the coroutine waits; others run on. The event loop ends with the call, as that of
    ``asyncio.run`` does, which this is in a plain thread. When the task is cancelled the coroutine is cancelled, cleans
    up, and `Cancelled` comes out of here.

    Args:
        coro: A coroutine, or anything else that can be awaited.

    Returns:
        What the coroutine returns.

    Raises:
        Misuse: An event loop runs here already: ``await`` the coroutine there.

    Example:
        >>> import asyncio
        >>> from gmp_py import aio, go
        >>> async def main():
        ...     await asyncio.sleep(0.001)
        ...     return 'done'
        >>> go(aio.run, main()).join()
        'done'
    """
    if not isinstance(coro, Awaitable):
        raise TypeError(f"something to await is required, not {type(coro).__name__}")
    if asyncio._get_running_loop() is not None:
        raise Misuse("an event loop runs here already: await the coroutine in it")
    main: Coroutine[Any, Any, _T] = coro if asyncio.iscoroutine(coro) else _await(coro)
    with asyncio.Runner(loop_factory=_TaskLoop if _gmp._in_task() else None) as runner:
        return runner.run(main)


async def _await(awaitable: Awaitable[_T]) -> _T:
    return await awaitable


class _Values(AsyncIterator[_T]):
    """What ``async for`` takes from a channel. A value that arrives too late for who waited is given back to it."""

    # So many values that are there already are taken in a row, then the event loop has a turn.
    TURN = 100

    def __init__(self, chan: Chan[_T]) -> None:
        self._chan = chan
        self._row = 0

    async def __anext__(self) -> _T:
        if self._row == self.TURN:
            self._row = 0
            await asyncio.sleep(0)
        try:
            value, got = self._chan.try_recv()
            if got:
                self._row += 1
                return cast(_T, value)
            self._row = 0
            return await self._wait()
        except ChannelClosed:
            raise StopAsyncIteration from None

    async def _wait(self) -> _T:
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        task = go(_receive, self._chan, future, name="async for")
        try:
            return await future
        except BaseException:
            future.cancel()
            if future.cancelled():
                task.cancel()
            elif future.exception() is None:
                self._chan._give_back(future.result())
            raise


_iterate = _Values  # the channel's __aiter__


def _receive(chan: Chan[_T], future: asyncio.Future[_T]) -> None:
    """A task of its own that waits at the channel for a coroutine."""
    error: BaseException | None = None
    try:
        value = chan.recv()
    except Cancelled:
        return
    except Exception as raised:
        error = raised.with_traceback(None)  # no cycle with this frame

    def settle() -> None:
        if error is None and future.done():
            chan._give_back(value)
        elif error is None:
            future.set_result(value)
        elif not future.done():
            future.set_exception(error)

    try:
        future.get_loop().call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed
        if error is None:
            chan._give_back(value)


class _Selector(selectors.EpollSelector):
    """Parks the task that waits in it. What is ready is told by looks that do not wait."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            _gmp._wait_fd(self.fileno(), POLLIN, timeout)
            ready = super().select(0)
        return ready


class _TaskLoop(asyncio.SelectorEventLoop):
    """The event loop of a task."""

    def __init__(self) -> None:
        self._task = current()
        super().__init__(_Selector())

    def _check_thread(self) -> None:
        # The base class's compares threads, in debug mode. A task is not tied to one.
        if self.is_running() and current() is not self._task:
            raise RuntimeError("call_soon of an event loop that runs in another task: use call_soon_threadsafe")
