"""The dump: the runtime's own, with the Python frames of every task under the task's line."""

import os
import platform
import select
import sys
from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

from . import _gmp

# One call, as _gmp gives it: the file, the line, the function.
_Place: TypeAlias = tuple[str, int, str]
_Stack: TypeAlias = list[_Place]

# So many frames of a stack are shown; _gmp gives one more where there are more.
_MOST_FRAMES = 100
# Of a group of tasks that stand at the same place, so many are named.
_NAMED = 3


class _TextFile(Protocol):
    def write(self, text: str, /) -> object: ...


def dump(file: _TextFile | int | None = None) -> None:
    """Writes what every task is doing: its state, and where its Python code stands.

    The first line tells the interpreter and the order of the frames. Then follows the runtime's own dump (`gmp_dump` in
    gmprt.h describes it), and under the line of each Python task its frames, whether it runs or waits, most recent
    call first. With more than 1000 tasks the runtime shows three of a kind; the others' frames stand at the end,
    grouped by where they are.

    Nothing is stopped for it: each line is true for some moment during the call. It may be called from a task, a
    thread, or a signal's handler.

    Args:
        file: A file open for text, or the number of a descriptor; None is sys.stderr.

    Raises:
        TypeError: file can not be written to.
        ValueError: file is a negative number.
        OSError: It could not be written.
        Misuse: Called from a native task that called back into Python.

    Example:
        >>> import gmp_py, io
        >>> task = gmp_py.go(gmp_py.sleep, 0.05, name='sleeper')
        >>> text = io.StringIO()
        >>> gmp_py.dump(text)
        >>> 'name="sleeper"' in text.getvalue()
        True
        >>> task.join()
    """
    write = _writer(file)
    native, stacks = _gmp._look()
    write("".join(_lines(native.decode("utf-8", "backslashreplace"), stacks)))


dump.__module__ = "gmp_py"


def _writer(file: _TextFile | int | None) -> Callable[[str], object]:
    if isinstance(file, int) and not isinstance(file, bool):
        if file < 0:
            raise ValueError("a descriptor is not negative")
        fd = file
        return lambda text: _write_all(fd, text.encode("utf-8", "backslashreplace"))
    if file is None:
        file = sys.stderr
        if file is None:
            raise RuntimeError("there is no sys.stderr")
    write = getattr(file, "write", None)
    if not callable(write):
        raise TypeError(f"a text file or a descriptor is required, not {type(file).__name__}")
    flush = getattr(file, "flush", None)

    def write_and_flush(text: str) -> None:
        write(text)
        if callable(flush):
            flush()

    return write_and_flush


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:
            ready = select.poll()
            ready.register(fd, select.POLLOUT)
            ready.poll()


def _lines(native: str, stacks: dict[int, _Stack]) -> Iterator[str]:
    version = platform.python_version()
    yield f"gmp_py dump python={version} python-tasks={len(stacks)} (Python frames: most recent call first)\n"
    due: _Stack = []
    for line in native.splitlines(keepends=True):
        if not line.startswith(" "):
            yield from _frames(due)
            due = stacks.pop(int(line.split()[1]), []) if line.startswith("task ") else []
        yield line
    yield from _frames(due)
    yield from _groups(stacks)


def _frames(stack: _Stack) -> Iterator[str]:
    for file, line, function in stack[:_MOST_FRAMES]:
        yield f'    File "{_printable(file)}", line {line}, in {_printable(function)}\n'
    if len(stack) > _MOST_FRAMES:
        yield "    ...\n"


def _groups(stacks: dict[int, _Stack]) -> Iterator[str]:
    """The tasks that the runtime has not shown: it groups many, and a task may have started since."""
    groups: dict[tuple[_Place, ...], list[int]] = {}
    for task, stack in stacks.items():
        groups.setdefault(tuple(stack), []).append(task)
    for places, tasks in sorted(groups.items(), key=lambda group: -len(group[1])):
        named = ",".join(map(str, sorted(tasks)[:_NAMED]))
        yield f"python-group tasks={len(tasks)} examples={named}\n"
        yield from _frames(list(places))


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]
