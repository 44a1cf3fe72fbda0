"""Group: leaves when all have ended; errors, cancellation from outside and from inside, misuse."""

import threading

import gmp_py
import pytest
from callers import CALLERS
from gmp_py import Cancelled, Group, Misuse
from support import HANG, in_task, wait_until


def never():
    gmp_py.sleep(float("inf"))


def fail(error, after=0.0):
    gmp_py.sleep(after)
    raise error


@pytest.mark.parametrize("call", CALLERS)
def test_it_leaves_when_all_have_ended(call):
    def main():
        with Group() as group:
            tasks = [group.go(lambda n: gmp_py.sleep(n / 1000) or n, n) for n in range(10)]
        assert all(task.done() for task in tasks)
        return [task.join() for task in tasks]

    assert call(main) == list(range(10))


@pytest.mark.parametrize("call", CALLERS)
def test_an_empty_group(call):
    def main():
        with Group():
            pass
        return "fine"

    assert call(main) == "fine"


@pytest.mark.parametrize("call", CALLERS)
def test_the_first_error_cancels_the_rest_and_the_block(call):
    def main():
        with pytest.raises(ExceptionGroup) as caught:
            with Group() as group:
                rest = [group.go(never) for _ in range(5)]
                group.go(fail, KeyError("first"), 0.005)
                never()
                pytest.fail("the block went on")
        assert [repr(error) for error in caught.value.exceptions] == ["KeyError('first')"]
        assert caught.value.exceptions[0].__traceback__.tb_frame.f_code.co_name == "fail"
        assert all(type(task.exception(0)) is Cancelled for task in rest)
        gmp_py.sleep(0.001)  # the group's end of the block is over
        return "fine"

    assert call(main) == "fine"


@pytest.mark.parametrize("call", CALLERS)
def test_errors_of_clean_up_come_too(call):
    def stubborn():
        try:
            never()
        finally:
            gmp_py.sleep(0.001)
            raise ValueError("clean-up")

    def main():
        with pytest.raises(ExceptionGroup) as caught:
            with Group() as group:
                group.go(stubborn)
                group.go(stubborn)
                gmp_py.sleep(0.005)
                raise KeyError("block")
        return sorted(repr(error) for error in caught.value.exceptions)

    assert call(main) == ["KeyError('block')", "ValueError('clean-up')", "ValueError('clean-up')"]


def test_an_error_of_the_block_cancels_the_tasks():
    def main():
        with pytest.raises(ExceptionGroup) as caught:
            with Group() as group:
                task = group.go(never)
                raise KeyError("block")
        assert type(task.exception(0)) is Cancelled
        return [repr(error) for error in caught.value.exceptions]

    assert in_task(main) == ["KeyError('block')"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["task", "block"])
def test_exits_come_out_as_they_are(error, where):
    def main():
        with Group() as group:
            tasks.append(group.go(never))
            if where == "task":
                group.go(fail, error)
                never()
            raise error

    tasks = []
    with pytest.raises(type(error)) as caught:
        in_task(main)
    assert caught.value is error
    assert type(tasks[0].exception(0)) is Cancelled


def test_other_base_exceptions_come_in_a_group():
    class Odd(BaseException):
        pass

    def main():
        with Group() as group:
            group.go(fail, Odd())

    with pytest.raises(BaseExceptionGroup) as caught:
        in_task(main)
    assert not isinstance(caught.value, Exception) and type(caught.value.exceptions[0]) is Odd


def test_a_cancelled_task_is_no_failure():
    def main():
        with Group() as group:
            one = group.go(never)
            other = group.go(gmp_py.sleep, 0.005)
            gmp_py.yield_()
            one.cancel()
        assert type(one.exception()) is Cancelled
        return other.join()

    assert in_task(main) is None


@pytest.mark.parametrize("where", ["block", "end"])
def test_the_parent_s_cancel_cancels_the_children_and_waits(where):
    ended = []
    started = []

    def child():
        try:
            started.append(1)
            never()
        finally:
            gmp_py.sleep(0.005)
            ended.append(1)

    def main():
        with Group() as group:
            for _ in range(3):
                group.go(child)
            if where == "block":
                never()

    task = gmp_py.go(main)
    wait_until(lambda: len(started) == 3)
    gmp_py.sleep(0.001)
    task.cancel()
    assert type(task.exception(HANG)) is Cancelled
    assert ended == [1, 1, 1]


def test_more_cancels_do_not_make_it_leave():
    ended = []

    def child():
        try:
            never()
        except Cancelled:
            for _ in range(20):
                gmp_py.sleep(0.001)
            ended.append(1)

    def main():
        with Group() as group:
            group.go(child)
            gmp_py.yield_()

    task = gmp_py.go(main)
    gmp_py.sleep(0.005)
    while not task.done():
        task.cancel()
        gmp_py.sleep(0.0005)
    assert type(task.exception(HANG)) is Cancelled
    assert ended == [1]


def test_cancel_ends_everything_quietly():
    def main():
        with Group() as group:
            task = group.go(never)
            group.cancel()
            never()
        return type(task.exception())

    assert in_task(main) is Cancelled


def test_a_group_in_a_scope_that_is_late():
    def main():
        with pytest.raises(TimeoutError):
            with gmp_py.cancel_scope(timeout=0.01):
                with Group() as group:
                    task = group.go(never)
                    never()
        return type(task.exception(0))

    assert in_task(main) is Cancelled


def test_groups_nest():
    def main():
        with pytest.raises(ExceptionGroup) as caught:
            with Group() as outer:
                outer.go(never)
                with Group() as inner:
                    inner.go(never)
                    inner.go(fail, KeyError(1))
        [inside] = caught.value.exceptions
        return [repr(error) for error in inside.exceptions]

    assert in_task(main) == ["KeyError(1)"]


def test_children_start_children():
    def main():
        seen = []

        def leaf(depth):
            seen.append(depth)
            if depth:
                for _ in range(3):
                    group.go(leaf, depth - 1)

        with Group() as group:
            group.go(leaf, 4)
        return len(seen)

    assert in_task(main) == 1 + 3 + 9 + 27 + 81


def test_many_short_tasks_are_not_kept():
    def main():
        with Group() as group:
            for _ in range(20):
                for task in [group.go(int) for _ in range(100)]:
                    task.join()
            return len(group._tasks)

    assert in_task(main) < 500


def test_misuse():
    def main():
        group = Group()
        with pytest.raises(Misuse):
            group.go(int)
        with group:
            with pytest.raises(Misuse):
                group.__enter__()
            with pytest.raises(TypeError):
                group.go()
            with pytest.raises(TypeError):
                group.go(3)
            with pytest.raises(ValueError):
                group.go(int, stack_size=-1)
            assert group.go(int, name="seven").name == "seven"
        for use in (group.__enter__, lambda: group.go(int), lambda: group.__exit__(None, None, None)):
            with pytest.raises(Misuse):
                use()
        group.cancel()
        with Group() as stopping:
            stopping.cancel()
            with pytest.raises(Misuse):
                stopping.go(int)
        return "fine"

    assert in_task(main) == "fine"


def test_errors_are_told_once(monkeypatch):
    import sys

    reports = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hook: reports.append(repr(hook.exc_value)))

    def main():
        with pytest.raises(ExceptionGroup):
            with Group() as group:
                group.go(fail, KeyError(1))
        del group

    in_task(main)
    gmp_py.sleep(0.001)
    assert reports == []


def test_threads_and_tasks_fail_at_once():
    """Whoever fails first, every group ends, and its errors are those of its tasks."""

    def main(n):
        try:
            with Group() as group:
                for i in range(5):
                    group.go(fail, KeyError(i), 0.0005 * ((n + i) % 3))
                gmp_py.sleep(HANG)
        except ExceptionGroup as failed:
            assert all(type(error) is KeyError for error in failed.exceptions)
            return len(failed.exceptions)

    def in_threads(n):
        counts.append(main(n))

    counts = []
    threads = [threading.Thread(target=in_threads, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    tasks = [gmp_py.go(main, n) for n in range(30)]
    counts += [task.join(HANG) for task in tasks]
    for thread in threads:
        thread.join(HANG)
    assert len(counts) == 34 and all(1 <= count <= 5 for count in counts)
