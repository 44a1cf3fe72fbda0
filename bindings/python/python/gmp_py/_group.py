"""Group: tasks that end before the block that started them does."""

from collections.abc import Callable
from contextvars import Context
from typing import Any, Self

from . import _gmp
from ._gmp import Cancelled, Misuse, Task, TaskExit, cancel_scope, current

# How many tasks a group keeps before it looks for those that have ended.
_FEW = 64

_NEW, _OPEN, _LEAVING, _ENDED = range(4)


class Group(_gmp._Shield):
    """A block that ends when all the tasks it started have ended.

    The first task that fails cancels the others, and ends the waits of the block itself; then their errors come out of
    the block as an ExceptionGroup. An error of the block, and a cancellation from outside, cancel the tasks too. While
    it waits for its tasks to clean up nothing but a second KeyboardInterrupt makes it leave before they have ended.
    A task that was cancelled is no failure. SystemExit and KeyboardInterrupt of a task come out as they are.

    Raises:
        BaseExceptionGroup: The errors of the tasks and of the block; an ExceptionGroup when all are Exceptions.
        Cancelled: The block's task was cancelled, and nothing else failed.
        Misuse: It is entered twice, or used before or after its block.

    Example:
        >>> import gmp_py
        >>> with gmp_py.Group() as group:
        ...     tasks = [group.go(pow, n, 2) for n in range(4)]
        >>> [task.join() for task in tasks]
        [0, 1, 4, 9]
        >>> try:
        ...     with gmp_py.Group() as group:
        ...         task = group.go(gmp_py.sleep, 1000)
        ...         _ = group.go(int, 'x')
        ... except* ValueError as failed:
        ...     print(failed.exceptions)
        (ValueError("invalid literal for int() with base 10: 'x'"),)
        >>> task.exception()
        Cancelled()
    """

    __slots__ = ("__weakref__", "_aborting", "_base_error", "_errors", "_keep", "_scope", "_state", "_tasks")

    def __init__(self) -> None:
        self._state = _NEW
        self._tasks: dict[Task[Any], None] = {}
        self._keep = _FEW
        self._errors: list[BaseException] = []
        self._base_error: BaseException | None = None
        self._aborting = False
        self._scope = cancel_scope()

    def __repr__(self) -> str:
        state = ("new", "open", "leaving", "ended")[self._state]
        return f"<gmp_py.Group {state}, {sum(not task.done() for task in self._tasks)} tasks>"

    def go(
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,
        name: str | None = None,
        stack_size: int | None = None,
        context: Context | None = None,
    ) -> Task[Any]:
        """Starts ``fn(*args)`` as a task of the group; for the block and for the group's tasks.

        Args:
            fn: Any callable.
            *args: Its arguments.
            name: As for `go`.
            stack_size: As for `go`.
            context: As for `go`.

        Returns:
            The task.

        Raises:
            Misuse: The group is not open: before its block, after its end, or when it is being cancelled.

        Example:
            >>> import gmp_py
            >>> with gmp_py.Group() as group:
            ...     task = group.go(str.upper, 'hello', name='shout')
            >>> task.join(), task.name
            ('HELLO', 'shout')
        """
        if self._state not in (_OPEN, _LEAVING):
            raise Misuse("the group is not open")
        if self._aborting:
            raise Misuse("the group is being cancelled")
        if len(self._tasks) >= self._keep:
            for task in list(self._tasks):
                if task.done():
                    self._tasks.pop(task, None)
            self._keep = max(_FEW, 2 * len(self._tasks))
        child = _gmp._go_child(self._failed, fn, *args, name=name, stack_size=stack_size, context=context)
        self._tasks[child] = None
        if self._aborting:  # since the look above
            child.cancel()
        return child

    def cancel(self) -> None:
        """Cancels every task of the group, and ends the block's own waits quietly.

        Example:
            >>> import gmp_py
            >>> with gmp_py.Group() as group:
            ...     task = group.go(gmp_py.sleep, 1000)
            ...     group.cancel()
            >>> task.exception()
            Cancelled()
        """
        if self._state in (_OPEN, _LEAVING):
            self._abort()

    def _begin(self) -> Self:
        if self._state != _NEW:
            raise Misuse("a group is entered once")
        self._scope.__enter__()
        self._state = _OPEN
        return self

    def _failed(self, error: BaseException) -> None:
        """Called in the task that failed, when nothing can interrupt it any more."""
        if isinstance(error, (Cancelled, TaskExit)):
            return
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            if self._base_error is None:
                self._base_error = error
        else:
            self._errors.append(error)
        if not self._aborting:
            self._abort()

    def _abort(self) -> None:
        self._aborting = True
        me = current()
        for task in list(self._tasks):
            if task is not me:
                task.cancel()
        self._scope.cancel()

    def _leave(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool | None:
        if self._state != _OPEN:
            raise Misuse("the group is not open")
        self._state = _LEAVING
        try:
            if self._scope.__exit__(kind, error, traceback):
                error = None  # the group's own end of its block
        except Cancelled as older:
            error = older
        cancelled: BaseException | None = error if isinstance(error, (Cancelled, TaskExit)) else None
        if isinstance(error, (SystemExit, KeyboardInterrupt)) and self._base_error is None:
            self._base_error = error
        if error is not None and not self._aborting:
            self._abort()
        cancelled = self._wait(cancelled)
        self._state = _ENDED
        errors, self._errors = self._errors, []
        base, self._base_error = self._base_error, None
        try:
            if base is not None:
                if base is error:
                    return None
                raise base
            if cancelled is not None and not errors:
                if cancelled is error:
                    return None
                raise cancelled
            if error is not None and cancelled is None:
                errors.append(error)
            if errors:
                raise BaseExceptionGroup("unhandled errors in a Group", errors) from None
            return True
        finally:
            del error, cancelled, base, errors

    def _wait(self, cancelled: BaseException | None) -> BaseException | None:
        """Waits until all tasks have ended; gives the cancellation that came first, if any came."""
        while self._tasks:
            task = next(reversed(self._tasks))
            try:
                task.exception()
                self._tasks.pop(task, None)
            except (Cancelled, TaskExit) as came:
                if not self._aborting:
                    cancelled = came
                    self._abort()
            except BaseException as came:  # a signal's handler
                if self._base_error is not None:
                    raise
                self._base_error = came
                if not self._aborting:
                    self._abort()
        return cancelled


Group.__module__ = "gmp_py"
