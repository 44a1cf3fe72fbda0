"""The executor: calls in tasks, with the semantics of concurrent.futures."""

import concurrent.futures as futures
import gc
import sys
import threading
import traceback
import weakref

import gmp_py
import pytest
from gmp_py import Executor, go
from loops import nap_and
from support import HANG, in_task, wait_until

# Without a limit, one at a time, a few at a time.
widths = pytest.mark.parametrize("max_tasks", [None, 1, 3])


def fail(error):
    gmp_py.sleep(0.001)
    raise error


class Gate:
    """Holds the calls that enter it."""

    def __init__(self):
        self.here, self.open = [], False

    def enter(self, value=None):
        self.here.append(value)
        wait_until(lambda: self.open)
        return value


@widths
def test_calls_run_in_tasks(max_tasks):
    def work(*args, **kwargs):
        assert gmp_py.current().name.startswith("Executor-")
        return args, kwargs

    with Executor(max_tasks) as executor:
        assert executor.submit(work, 1, self=2, fn=3).result() == ((1,), {"self": 2, "fn": 3})
        assert [f.result() for f in [executor.submit(nap_and, n) for n in range(200)]] == list(range(200))
    assert gmp_py.current() is None


@widths
@pytest.mark.parametrize("call", [lambda f: f(), in_task], ids=["thread", "task"])
def test_results_and_errors_reach_threads_and_tasks(max_tasks, call):
    def main():
        with Executor(max_tasks) as executor:
            good, bad = executor.submit(nap_and, 5), executor.submit(fail, KeyError("gone"))
            assert good.result() == 5 and good.exception() is None
            with pytest.raises(KeyError, match="gone") as caught:
                bad.result()
            assert bad.exception() is caught.value
            names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
            assert names[-1] == "fail"
        return "fine"

    assert call(main) == "fine"


def test_a_call_may_wait_for_others_of_its_executor():
    def tree(depth):
        if depth == 0:
            return 1
        return sum(f.result() for f in [executor.submit(tree, depth - 1) for _ in range(3)])

    with Executor() as executor:
        assert executor.submit(tree, 5).result() == 3**5


@pytest.mark.parametrize("max_tasks", [1, 2, 5])
def test_no_more_tasks_than_allowed(max_tasks):
    under_way, most = [], []

    def work(n):
        under_way.append(n)
        most.append(len(under_way))
        gmp_py.sleep(0.0005)
        under_way.remove(n)

    with Executor(max_tasks) as executor:
        list(executor.map(work, range(100)))
        threads = [threading.Thread(target=lambda: list(executor.map(work, range(100)))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
    assert len(most) == 400 and max(most) == max_tasks


def test_without_a_limit_all_calls_are_under_way():
    gate = Gate()
    with Executor() as executor:
        calls = [executor.submit(gate.enter, n) for n in range(500)]
        wait_until(lambda: len(gate.here) == 500)
        gate.open = True
        assert [call.result() for call in calls] == list(range(500))


def test_calls_begin_in_order():
    order = []
    with Executor(1) as executor:
        executor.map(order.append, range(100))
    assert order == list(range(100))


@widths
def test_map(max_tasks):
    with Executor(max_tasks) as executor:
        assert list(executor.map(pow, range(10), range(10), chunksize=3)) == [n**n for n in range(10)]
        results = executor.map(divmod, [1, 1, 1], [1, 0, 1])
        assert next(results) == (1, 0)
        with pytest.raises(ZeroDivisionError):
            next(results)
        gate = Gate()
        slow = executor.map(gate.enter, [1], timeout=0.001)
        with pytest.raises(TimeoutError):
            next(slow)
        gate.open = True
        with pytest.raises(TypeError):
            executor.map(3)
            executor.map()


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the base class has no buffersize before 3.14")
def test_map_with_a_buffer():
    with Executor(2) as executor:
        assert list(executor.map(abs, range(-50, 0), buffersize=4)) == list(range(50, 0, -1))


@pytest.mark.parametrize("call", [lambda f: f(), in_task], ids=["thread", "task"])
def test_timeouts(call):
    def main():
        gate = Gate()
        with Executor(1) as executor:
            future = executor.submit(gate.enter, 1)
            for timeout in (0, -1, 0.001, -0.5):
                with pytest.raises(TimeoutError):
                    future.result(timeout)
                with pytest.raises(TimeoutError):
                    future.exception(timeout=timeout)
            gate.open = True
            assert future.result(HANG) == 1 and future.result(0) == 1

    call(main)


def test_futures_are_cancelled_until_they_begin():
    gate = Gate()
    with Executor(1) as executor:
        first, second = executor.submit(gate.enter, 1), executor.submit(gate.enter, 2)
        wait_until(lambda: gate.here)
        told = []
        second.add_done_callback(told.append)
        assert first.running() and not first.cancel()
        assert second.cancel() and second.cancelled() and told == [second]
        with pytest.raises(futures.CancelledError):
            second.result()
        gate.open = True
        assert first.result() == 1
    assert gate.here == [1]


def test_a_waiting_task_learns_of_a_cancelled_future():
    gate = Gate()
    with Executor(1) as executor:
        executor.submit(gate.enter)
        future = executor.submit(int)
        waiting = go(future.result)
        wait_until(lambda: gate.here)
        future.cancel()
        assert isinstance(waiting.exception(HANG), futures.CancelledError)
        gate.open = True


def test_a_task_that_waits_for_a_future_can_be_cancelled():
    gate = Gate()
    with Executor() as executor:
        future = executor.submit(gate.enter, 1)
        wait_until(lambda: gate.here)
        waiting = go(future.result)
        waiting.cancel()
        assert isinstance(waiting.exception(HANG), gmp_py.Cancelled)
        gate.open = True
        assert future.result() == 1


@widths
@pytest.mark.parametrize("call", [lambda f: f(), in_task], ids=["thread", "task"])
def test_wait_and_as_completed(max_tasks, call):
    def main():
        with Executor(max_tasks) as executor:
            calls = {executor.submit(nap_and, n) for n in range(30)} | {executor.submit(fail, KeyError())}
            done, pending = futures.wait(calls, timeout=HANG)
            assert done == calls and not pending
            calls = [executor.submit(nap_and, n) for n in range(30)]
            assert sorted(call.result() for call in futures.as_completed(calls, timeout=HANG)) == list(range(30))
            gate = Gate()
            calls = [executor.submit(nap_and, 1), executor.submit(gate.enter)]
            done, pending = futures.wait(calls, return_when=futures.FIRST_COMPLETED)
            assert done == {calls[0]} and pending == {calls[1]}
            gate.open = True

    call(main)


def test_one_future_is_waited_for_by_tasks_and_threads():
    gate, results = Gate(), []
    with Executor() as executor:
        future = executor.submit(gate.enter, "x")
        tasks = [go(future.result) for _ in range(50)]
        threads = [threading.Thread(target=lambda: results.append(future.result())) for _ in range(5)]
        for thread in threads:
            thread.start()
        wait_until(lambda: gate.here)
        gate.open = True
        assert [task.join(HANG) for task in tasks] == ["x"] * 50
        for thread in threads:
            thread.join(HANG)
    assert results == ["x"] * 5


@widths
def test_shutdown_waits_and_refuses(max_tasks):
    done = []
    executor = Executor(max_tasks)
    for n in range(20):
        executor.submit(lambda n=n: gmp_py.sleep(0.001) or done.append(n))
    executor.shutdown()
    assert sorted(done) == list(range(20))
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(int)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.map(int, "1")
    executor.shutdown()


@widths
def test_shutdown_without_waiting(max_tasks):
    executor, gate = Executor(max_tasks), Gate()
    calls = [executor.submit(gate.enter, n) for n in range(5)]
    executor.shutdown(wait=False)
    gate.open = True
    assert [call.result(HANG) for call in calls] == list(range(5))


@widths
def test_shutdown_cancels_what_has_not_begun(max_tasks):
    executor, gate = Executor(max_tasks), Gate()
    calls = [executor.submit(gate.enter, n) for n in range(20)]
    wait_until(lambda: len(gate.here) == (max_tasks or 20))
    late = [] if max_tasks is None else [executor.submit(gate.enter, n) for n in range(5)]
    executor.shutdown(wait=False, cancel_futures=True)
    begun = len(gate.here)
    done, _ = futures.wait(calls[begun:] + late, timeout=HANG)
    assert len(done) == 20 - begun + len(late) and all(call.cancelled() for call in done)
    gate.open = True
    executor.shutdown()
    assert [call.result(0) for call in calls[:begun]] == list(range(begun)) and len(gate.here) == begun


def test_a_call_cannot_wait_for_the_end_of_all():
    executor = Executor()
    with pytest.raises(gmp_py.Misuse, match="cannot wait"):
        executor.submit(executor.shutdown).result()
    assert executor.submit(executor.shutdown, wait=False).result() is None
    executor.shutdown()


def test_system_exit_and_the_like_stay_in_the_future():
    with Executor(1) as executor:
        for error in (SystemExit(3), KeyboardInterrupt(), GeneratorExit()):
            assert executor.submit(fail, error).exception() is error
        assert executor.submit(int, "7").result() == 7


def test_what_is_not_callable():
    with Executor() as executor:
        assert isinstance(executor.submit(None).exception(), TypeError)
        with pytest.raises(TypeError):
            executor.submit()


def test_wrong_arguments():
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="max_tasks must be greater than 0"):
            Executor(wrong)
    for wrong in ("3", 1.5, [1]):
        with pytest.raises(TypeError):
            Executor(wrong)
    with pytest.raises(TypeError, match="callable"):
        Executor(initializer=3)
    with Executor(10**9) as executor:
        assert executor.submit(int).result() == 0


def test_how_wide_it_is():
    assert Executor(7)._max_workers == 7
    assert Executor()._max_workers == futures.ThreadPoolExecutor()._max_workers
    assert isinstance(Executor(), futures.Executor)


@widths
def test_the_initializer_runs_first_in_every_task(max_tasks):
    local = threading.local()

    def prepare(value):
        begun.add(gmp_py.current().id)

    begun, worked = set(), set()
    with Executor(max_tasks, initializer=prepare, initargs=(1,)) as executor:
        for call in [executor.submit(lambda: worked.add(gmp_py.current().id)) for _ in range(20)]:
            call.result()
    assert begun == worked and not hasattr(local, "value")


@widths
def test_an_initializer_that_fails_breaks_the_executor(max_tasks, caplog):
    with Executor(max_tasks, initializer=fail, initargs=(KeyError("early"),)) as executor:
        calls = [executor.submit(int) for _ in range(10)]
        assert all(isinstance(call.exception(HANG), futures.BrokenExecutor) for call in calls)
        with pytest.raises(futures.BrokenExecutor):
            executor.submit(int)
    assert "KeyError: 'early'" in caplog.text


@widths
def test_nothing_is_kept(max_tasks):
    class Thing:
        def work(self):
            return Thing()

    with Executor(max_tasks) as executor:
        thing = Thing()
        argument = weakref.ref(thing)
        future = executor.submit(thing.work)
        result = weakref.ref(future.result())
        del thing, future
        wait_until(lambda: gc.collect() is not None and argument() is None and result() is None)
    gone = weakref.ref(executor)
    del executor
    wait_until(lambda: gc.collect() is not None and gone() is None)


@widths
def test_many_threads_and_tasks_submit_at_once(max_tasks):
    with Executor(max_tasks) as executor:

        def work(n):
            return sum(executor.submit(abs, -i).result() for i in range(n))

        tasks = [go(work, 100) for _ in range(20)]
        results = []
        threads = [threading.Thread(target=lambda: results.append(work(100))) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert [task.join(HANG) for task in tasks] == [sum(range(100))] * 20
        for thread in threads:
            thread.join(HANG)
        assert results == [sum(range(100))] * 4
