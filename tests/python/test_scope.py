"""cancel_scope: deadlines, being told, nesting, the task's own cancel, threads, and blocks that never wait."""

import contextlib
import threading
import time

import gmp_py
import pytest
from callers import CALLERS
from gmp_py import Cancelled, Misuse, cancel_scope
from support import HANG, in_task, ok, wait_until


def never():
    return gmp_py.go(gmp_py.sleep, float("inf"))


def spin():
    n = 0
    while True:
        n += 1


def recurse(n=25):
    return n if n < 2 else recurse(n - 1) + recurse(n - 2)


WAITS = {
    "sleep": lambda: gmp_py.sleep(HANG),
    "sleep for ever": lambda: gmp_py.sleep(float("inf")),
    "join": lambda: never().join(),
    "yield": lambda: [gmp_py.yield_() for _ in iter(int, 1)],
    "checkpoint": lambda: [gmp_py.checkpoint() for _ in iter(int, 1)],
    "spin": spin,
    "recurse": lambda: recurse(100),
    "time.sleep": lambda: [time.sleep(0.001) for _ in iter(int, 1)],
}


@pytest.mark.parametrize("call", CALLERS)
@pytest.mark.parametrize("timeout", [0, 0.02])
@pytest.mark.parametrize("what", WAITS)
def test_a_deadline_ends_the_block(what, timeout, call):
    def main():
        before = time.monotonic()
        with pytest.raises(TimeoutError) as caught:
            with cancel_scope(timeout=timeout) as scope:
                WAITS[what]()
        assert type(caught.value.__cause__) is Cancelled
        assert scope.cancelled
        assert timeout <= time.monotonic() - before < HANG / 2
        gmp_py.sleep(0.001)  # the edge is gone
        gmp_py.yield_()
        return "fine"

    assert call(main) == "fine"


@pytest.mark.parametrize("call", CALLERS)
@pytest.mark.parametrize("what", WAITS)
def test_cancel_ends_the_block_quietly(what, call):
    def main():
        with cancel_scope() as scope:
            gmp_py.go(lambda: gmp_py.sleep(0.01) or scope.cancel())
            WAITS[what]()
        assert scope.cancelled
        gmp_py.sleep(0.001)
        return "fine"

    assert call(main) == "fine"
