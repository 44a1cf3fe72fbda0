"""The runtime's numbers as a named tuple."""

from typing import NamedTuple

from . import _gmp


class Stats(NamedTuple):
    """The runtime's numbers at one moment: counters since its start, and levels now."""

    tasks_created: int
    tasks_ended: int
    switches: int
    steals: int
    parks: int
    wakes: int
    handoffs: int
    retakes_blocked: int
    retakes_running: int
    polls: int
    timers_fired: int
    thread_limit_hits: int
    deadlocks: int
    tasks_runnable: int
    tasks_running: int
    tasks_blocked: int
    tasks_parked: int
    timers_pending: int
    poll_waiters: int
    procs: int
    procs_idle: int
    threads: int
    threads_idle: int
    threads_searching: int
    threads_peak: int
    stack_bytes_reserved: int
    stack_bytes_resident: int


Stats.__module__ = "gmp_py"


def stats() -> Stats:
    """Gives the runtime's numbers, native tasks included.

    Returns:
        A named tuple; the names are those of ``gmp_stats_t`` in gmprt.h.

    Example:
        >>> import gmp_py
        >>> before = gmp_py.stats().tasks_created
        >>> gmp_py.go(abs, -1).join()
        1
        >>> gmp_py.stats().tasks_created > before
        True
    """
    return Stats(**_gmp._stats())


stats.__module__ = "gmp_py"
