"""Task.cancel: what it does to a task in each state, what it leaves alone, and that nothing is lost."""

import threading
import time

import gmp_py
import pytest
from gmp_py import Cancelled
from support import HANG, in_task, ok, wait_until


def parked(fn, *args):
    """Starts fn as a task and lets it come as far as it can."""
    started = []

    def work():
        started.append(1)
        return fn(*args)

    task = gmp_py.go(work)
    wait_until(lambda: started)
    gmp_py.sleep(0.001)
    return task


def never():
    return gmp_py.go(gmp_py.sleep, float("inf"))


WAITS = {
    "sleep": lambda: gmp_py.sleep(HANG),
    "sleep for ever": lambda: gmp_py.sleep(float("inf")),
    "join": lambda: never().join(),
    "join with a timeout": lambda: never().join(HANG),
    "exception": lambda: never().exception(),
    "yield": lambda: [gmp_py.yield_() for _ in iter(int, 1)],
    "checkpoint": lambda: [gmp_py.checkpoint() for _ in iter(int, 1)],
}


@pytest.mark.parametrize("what", WAITS)
def test_a_waiting_task_gets_one_cancelled(what):
    seen = []

    def work():
        try:
            WAITS[what]()
        except Cancelled as error:
            seen.append(error)
            gmp_py.sleep(0.001)  # clean-up may wait again
            gmp_py.yield_()
            seen.append("cleaned up")
            raise

    task = parked(work)
    assert task.cancel() is True
    error = task.exception(HANG)
    assert type(error) is Cancelled and seen == [error, "cleaned up"]
    with pytest.raises(Cancelled) as caught:
        task.join()
    assert caught.value is error
    assert task.done() and task.cancel() is False
    assert task.exception() is error


def test_a_task_that_has_not_started_never_runs():
    ran = []

    def main():
        tasks = [gmp_py.go(ran.append, n) for n in range(10)]
        for task in tasks:
            assert task.cancel() is True
        return [type(task.exception(HANG)) for task in tasks]

    assert in_task(main) == [Cancelled] * 10
    assert ran == []
