"""aio.wrap: coroutines that await tasks."""

import asyncio
import ctypes
import gc
import sys
import threading
import traceback

import gmp_py
import pytest
from gmp_py import aio, go
from loops import everywhere, nap_and
from support import HANG, in_task, ok, wait_until


def fail(error):
    gmp_py.sleep(0.002)
    raise error


async def awaited(task):
    return await aio.wrap(task)


def forever(log, error=None):
    """Waits until it is cancelled; says so, after a clean-up that waits."""
    try:
        log.append("began")
        gmp_py.sleep(float("inf"))
    finally:
        gmp_py.sleep(0.001)
        log.append("cleaned up")
        if error is not None:
            raise error


def test_a_coroutine_awaits_a_task():
    assert everywhere(lambda: awaited(go(nap_and, 5))) == [5] * 4


def test_a_coroutine_awaits_a_task_that_has_ended():
    task = go(int, "7")
    task.join()
    assert everywhere(lambda: awaited(task)) == [7] * 4


def test_a_coroutine_awaits_a_native_task():
    labs = ctypes.cast(ctypes.CDLL(None).labs, ctypes.c_void_p).value
    assert everywhere(lambda: awaited(gmp_py.go_native(labs, 9))) == [9] * 4


def test_one_task_is_awaited_by_many():
    async def main():
        task = go(nap_and, "x")
        return await asyncio.gather(*(aio.wrap(task) for _ in range(50)))

    assert everywhere(main) == [["x"] * 50] * 4


def test_many_tasks_are_awaited_at_once():
    async def main():
        return sum(await asyncio.gather(*(aio.wrap(go(nap_and, n)) for n in range(500))))

    assert everywhere(main) == [sum(range(500))] * 4


def test_the_exception_comes_with_its_traceback():
    async def main():
        try:
            await aio.wrap(go(fail, KeyError("gone")))
        except KeyError as error:
            return error.args, [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    for args, names in everywhere(main):
        assert args == ("gone",) and names[0] == "main" and names[-1] == "fail"


def test_an_exception_that_no_future_can_hold():
    async def main():
        for task in (go(next, iter(())), go(fail, StopIteration(3))):
            with pytest.raises(RuntimeError, match="StopIteration") as caught:
                await aio.wrap(task)
            assert isinstance(caught.value.__cause__, StopIteration)

    everywhere(main)


def test_system_exit_of_a_task_ends_the_event_loop():
    for run in (aio.run, lambda coro: in_task(aio.run, coro)):
        with pytest.raises(SystemExit, match="4"):
            run(awaited(go(fail, SystemExit(4))))


def test_awaiting_marks_the_error_as_seen(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)

    async def main():
        with pytest.raises(ValueError):
            await aio.wrap(go(fail, ValueError()))

    everywhere(main)
    gc.collect()
    assert not reported


def test_wrap_refuses_what_is_wrong():
    with pytest.raises(RuntimeError, match="no running event loop"):
        aio.wrap(go(int))

    async def main():
        for wrong in (None, 3, asyncio.current_task(), awaited):
            with pytest.raises(TypeError, match="Task"):
                aio.wrap(wrong)

    everywhere(main)


def test_a_task_cannot_await_itself():
    async def main():
        with pytest.raises(gmp_py.Misuse, match="itself"):
            aio.wrap(gmp_py.current())
        return "fine"

    assert in_task(aio.run, main()) == "fine"


def test_cancelling_who_awaits_cancels_the_task():
    async def main():
        log = []
        task = go(forever, log)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(aio.wrap(task), 0.005)
        with pytest.raises(asyncio.CancelledError):
            await aio.wrap(task)
        return log, type(task.exception(0))

    for log, error in everywhere(main):
        assert error is gmp_py.Cancelled and log in ([], ["began", "cleaned up"])


def test_a_shield_leaves_the_task_alone():
    async def main():
        stop = []
        task = go(lambda: wait_until(lambda: stop) or "result")
        future = aio.wrap(task)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(future), 0.005)
        stop.append(True)
        return await future

    assert everywhere(main) == ["result"] * 4


def test_a_task_that_is_cancelled_cancels_who_awaits():
    async def main():
        log = []
        task = go(forever, log)
        future = aio.wrap(task)
        while not log:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        return log, future.cancelled()

    assert everywhere(main) == [(["began", "cleaned up"], True)] * 4


def test_an_error_after_the_cancel_is_told_to_the_event_loop():
    async def main():
        log, told = [], []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
        future = aio.wrap(go(forever, log, KeyError("in clean-up")))
        while not log:
            await asyncio.sleep(0.001)
        future.cancel()
        while not told:
            await asyncio.sleep(0.001)
        return [repr(error) for error in told]

    assert everywhere(main) == [["KeyError('in clean-up')"]] * 4


def test_a_task_that_outlives_the_event_loop(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(report.exc_value))
    stop = []

    def work(value):
        wait_until(lambda: stop)
        if value is None:
            raise ValueError("late")
        return value

    async def main():
        # Nothing awaits them, so the end of the loop does not cancel them.
        return [(task, aio.wrap(task)) for task in (go(work, 1), go(work, None))]

    (first, _), (second, future) = asyncio.run(main())
    stop.append(True)
    assert first.join() == 1
    assert isinstance(second.exception(), ValueError)
    del first, second, future
    wait_until(lambda: gc.collect() is not None and reported)
    assert [type(error) for error in reported] == [ValueError]


def test_uvloop_awaits_tasks():
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed: its event loop is not tried")

    async def main():
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        task = go(fail, KeyError())
        with pytest.raises(KeyError):
            await aio.wrap(task)
        return sum(await asyncio.gather(*(aio.wrap(go(nap_and, n)) for n in range(200))))

    outcomes = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcomes.append(runner.run(main()))

    def in_thread():
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcomes.append(runner.run(main()))

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join(HANG)
    assert outcomes == [sum(range(200))] * 2


def test_asyncio_is_not_imported_before_it_is_asked_for():
    out = ok(
        """
        import sys, gmp_py
        print('asyncio' in sys.modules, 'concurrent.futures' in sys.modules, 'aio' in dir(gmp_py))
        print(gmp_py.aio.run.__name__, 'asyncio' in sys.modules)
        try:
            gmp_py.no_such_name
        except AttributeError as error:
            print(error)
        """
    )
    assert out == "False False True\nrun True\nmodule 'gmp_py' has no attribute 'no_such_name'\n"
