"""Task.cancel: what it does to a task in each state, what it leaves alone, and that nothing is lost."""

import ctypes
import os
import time

import gmp_py
import pytest
from gmp_py import Cancelled, Misuse
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


def spin():
    n = 0
    while True:
        n += 1


def blocked():
    time.sleep(1.5)  # longer than anyone waits for a jump
    return "slept"


@pytest.mark.parametrize("what", [spin, lambda: [len("x") for _ in iter(int, 1)], blocked], ids=["loop", "calls", "foreign"])
def test_a_task_that_does_not_wait_gets_it_too(what):
    task = parked(what)
    assert task.cancel() is True
    assert type(task.exception(HANG)) is Cancelled


def test_a_task_cancels_itself_at_its_next_wait():
    def main():
        assert gmp_py.current().cancel() is True
        seen.append("goes on")
        with pytest.raises(Cancelled):
            gmp_py.sleep(HANG)
        gmp_py.sleep(0.001)
        gmp_py.current().cancel()
        gmp_py.current().cancel()
        with pytest.raises(Cancelled):
            gmp_py.yield_()
        gmp_py.yield_()
        return "result"

    seen = []
    assert in_task(main) == "result" and seen == ["goes on"]


def test_a_cancel_that_nothing_waits_for_leaves_the_result():
    assert in_task(lambda: gmp_py.current().cancel() and "result") == "result"


def test_several_cancels_before_delivery_are_one():
    count = []

    def work():
        try:
            gmp_py.sleep(HANG)
        except Cancelled:
            count.append(1)
        gmp_py.sleep(0.005)
        return "result"

    def main():
        task = gmp_py.go(work)
        gmp_py.sleep(0.001)
        assert [task.cancel() for _ in range(5)] == [True] * 5
        return task.join()

    assert in_task(main) == "result" and count == [1]


def test_cancel_again_after_delivery_is_another():
    seen = []

    def work():
        for _ in range(3):
            try:
                gmp_py.sleep(HANG)
            except Cancelled:
                seen.append(1)
        return "result"

    def main():
        task = gmp_py.go(work)
        for n in range(3):
            wait_until(lambda n=n: len(seen) == n)
            gmp_py.sleep(0.001)
            task.cancel()
        return task.join(HANG)

    assert in_task(main) == "result"


def test_a_joiner_s_cancel_leaves_the_joined_alone():
    def main():
        task = gmp_py.go(lambda: gmp_py.sleep(0.02) or "result")
        joiner = gmp_py.go(task.join)
        gmp_py.sleep(0.001)
        joiner.cancel()
        assert type(joiner.exception(HANG)) is Cancelled
        return task.join()

    assert in_task(main) == "result"


def test_nobody_is_told_of_a_cancelled_task(capfd):
    def main():
        for _ in range(3):
            gmp_py.go(gmp_py.sleep, HANG).cancel()
        task = gmp_py.go(gmp_py.sleep, HANG)
        gmp_py.sleep(0.001)
        task.cancel()
        del task
        gmp_py.sleep(0.005)

    in_task(main)
    assert capfd.readouterr().err == ""


def test_an_error_of_clean_up_is_the_outcome():
    def work():
        try:
            gmp_py.sleep(HANG)
        finally:
            raise KeyError("clean-up")

    task = parked(work)
    task.cancel()
    error = task.exception(HANG)
    assert type(error) is KeyError and type(error.__context__) is Cancelled


def test_a_native_task_sees_the_runtime_s_cancellation():
    runtime = ctypes.CDLL(os.path.join(gmp_py.get_library_dir(), "libgmprt.so.0"))
    sleep = ctypes.cast(runtime.gmp_sleep, ctypes.c_void_p).value
    task = gmp_py.go_native(sleep, 1000 * 10**9)
    gmp_py.sleep(0.001)
    assert task.cancel() is True
    assert task.join(HANG) & 0xFFFFFFFF == (1 << 32) - 125
    assert task.cancel() is False


@pytest.mark.parametrize("length", [2, 3, 20])
def test_a_circle_of_joins_is_misuse(length):
    def link(n):
        gmp_py.sleep(0.002)
        return tasks[(n + 1) % length].join()

    def main():
        tasks.extend(gmp_py.go(link, n) for n in range(length))
        return [type(task.exception(HANG)) for task in tasks]

    tasks = []
    assert in_task(main) == [Misuse] * length


def test_a_circle_with_a_deadline_ends_by_itself():
    def main():
        tasks.append(gmp_py.go(lambda: tasks[1].exception()))
        tasks.append(gmp_py.go(lambda: tasks[0].join(0.02)))
        return [task.exception(HANG) for task in tasks]

    tasks = []
    errors = in_task(main)
    assert errors[0] is None and type(errors[1]) is TimeoutError


def test_wrong_use():
    with pytest.raises(TypeError):
        gmp_py.go(int).cancel(1)
    out = ok(
        """
        import os, gmp_py
        task = gmp_py.go(gmp_py.sleep, 1000)
        gmp_py.sleep(0.001)
        if os.fork() == 0:
            for call in (task.cancel, task.join, task.exception, task.done):
                try:
                    call()
                except gmp_py.GmpError as error:
                    print(error, flush=True)
            print(gmp_py.num_tasks(), flush=True)
            with gmp_py.Group() as group:
                print(group.go(pow, 2, 3).join(), flush=True)
            try:
                with gmp_py.cancel_scope(0.01):
                    gmp_py.sleep(1000)
            except TimeoutError:
                print('late', flush=True)
            os._exit(0)
        os.wait()
        """,
        "-W",
        "ignore::DeprecationWarning",
    )
    assert out == 4 * "this task belongs to the parent of a fork\n" + "0\n8\nlate\n"
