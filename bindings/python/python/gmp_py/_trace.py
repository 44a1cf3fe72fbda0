"""Traces: what tasks do over time, in a file for Perfetto and chrome://tracing."""

import os
from types import TracebackType
from typing import Self, final

from . import _gmp


@final
class trace:
    """Writes what tasks, threads and processors do within the ``with`` block to a file.

    The file is in the JSON trace event format, which https://ui.perfetto.dev and chrome://tracing open: each machine (a
    thread of the runtime) has a track with the tasks that it ran, under their names, with how they stopped running;
    arrows lead from who made a task, or woke it, to where it goes on. `gmp_trace_start` in gmprt.h describes all of it.

    Memory is bounded: what comes faster than it can be written is left out, and counted in the file.

    Args:
        path: The file: made, or emptied if it is there. A str, bytes or os.PathLike.

    Raises:
        TypeError: path is of another type.
        ValueError: path has a null byte in it.
        OSError: On the way in, the file could not be opened; on the way out, it could not be written to the end.
        Misuse: A trace is under way already.

    Example:
        >>> import gmp_py, json, os, tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = os.path.join(directory, 'trace.json')
        ...     with gmp_py.trace(path):
        ...         gmp_py.go(gmp_py.sleep, 0.001, name='sleeper').join()
        ...     with open(path) as file:
        ...         events = json.load(file)['traceEvents']
        >>> any(event['name'] == 'sleeper' for event in events)
        True
    """

    __slots__ = ("_path", "_process")

    def __init__(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes], /) -> None:
        self._path = os.fsencode(path)
        self._process = 0

    def __enter__(self) -> Self:
        try:
            _gmp._trace_start(self._path)
        except OSError as error:
            error.filename = os.fsdecode(self._path)
            raise
        self._process = os.getpid()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None, /
    ) -> None:
        # The child of a fork inside the block is in no trace.
        if self._process == os.getpid():
            _gmp._trace_stop()


trace.__module__ = "gmp_py"
