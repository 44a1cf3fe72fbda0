"""cancel_scope: deadlines, being told, nesting, the task's own cancel, threads, and blocks that never wait."""

import contextlib
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


def test_a_block_that_ends_in_time_or_by_itself_is_not_changed():
    def main():
        with cancel_scope(timeout=HANG) as scope:
            gmp_py.sleep(0.001)
        assert not scope.cancelled
        with cancel_scope(timeout=0):
            value = "no wait, no end"
        with pytest.raises(KeyError), cancel_scope(timeout=0):
            raise KeyError
        scope.cancel()  # after the block: nothing
        gmp_py.yield_()
        return value

    assert in_task(main) == "no wait, no end"


@pytest.mark.parametrize("inner, outer, ends", [(0.01, HANG, "inner"), (HANG, 0.01, "outer"), (0.01, 0.01, None)])
def test_scopes_nest(inner, outer, ends):
    def main():
        try:
            with cancel_scope(timeout=outer):
                try:
                    with cancel_scope(timeout=inner):
                        gmp_py.sleep(HANG)
                except TimeoutError:
                    return "inner"
        except TimeoutError:
            return "outer"

    assert in_task(main) in ({ends} if ends else {"inner", "outer"})


def test_the_outer_scope_wins_in_the_inner_one_s_clean_up():
    def main():
        seen = []
        try:
            with cancel_scope(timeout=0.005):
                try:
                    with cancel_scope(timeout=0.03):
                        try:
                            gmp_py.sleep(HANG)
                        finally:
                            gmp_py.sleep(HANG)  # the inner scope ends this one
                except TimeoutError:
                    seen.append("inner")
        except TimeoutError:
            seen.append("outer")
        return seen

    assert in_task(main) == ["outer"]


@pytest.mark.parametrize("timeout", [None, HANG, 0.005])
def test_the_task_s_own_cancel_passes_through(timeout):
    started = []

    def main():
        with cancel_scope(timeout=timeout):
            started.append(1)
            try:
                gmp_py.go(gmp_py.sleep, 1000).join() if timeout is None else gmp_py.sleep(1000)
            finally:
                if timeout == 0.005:
                    gmp_py.sleep(HANG)

    task = gmp_py.go(main)
    wait_until(lambda: started)
    task.cancel()
    assert type(task.exception(HANG)) is Cancelled


def test_a_scope_in_clean_up_ends_clean_up_only():
    def main():
        try:
            gmp_py.sleep(HANG)
        except Cancelled:
            with pytest.raises(TimeoutError):
                with cancel_scope(timeout=0.005):
                    gmp_py.sleep(HANG)
            return "cleaned up"

    task = gmp_py.go(main)
    gmp_py.sleep(0.002)
    task.cancel()
    try:
        assert task.join(HANG) == "cleaned up"
    except Cancelled:
        pass  # it had not started


def test_a_cancel_before_the_block_ends_it_at_once():
    def main():
        scope = cancel_scope()
        scope.cancel()
        with scope:
            gmp_py.sleep(HANG)
        return scope.cancelled

    assert in_task(main) is True


def test_misuse():
    scope = cancel_scope()
    with pytest.raises(Misuse):
        scope.__exit__(None, None, None)
    with scope:
        with pytest.raises(Misuse):
            scope.__enter__()
    with pytest.raises(Misuse):
        scope.__enter__()
    other = cancel_scope()
    other.__enter__()
    with pytest.raises(Misuse):
        in_task(other.__exit__, None, None, None)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError):
            cancel_scope(wrong)
    for wrong in ("1", [], 1j):
        with pytest.raises(TypeError):
            cancel_scope(timeout=wrong)
    with pytest.raises(TypeError):
        cancel_scope(1, 2)
    with pytest.raises(TypeError):
        cancel_scope(seconds=1)


def test_a_scope_left_in_a_generator_ends_nothing():
    def generate():
        with cancel_scope(timeout=0.005):
            yield 1

    def main():
        kept.append(generate())
        return next(kept[0])

    kept = []
    assert in_task(main) == 1
    gmp_py.sleep(0.01)
    kept.clear()
    assert in_task(lambda: gmp_py.sleep(0.001) or "fine") == "fine"


def test_many_scopes_at_once():
    def work(n):
        with contextlib.suppress(TimeoutError), cancel_scope(timeout=0.001 * (n % 7)):
            gmp_py.sleep(HANG)
        return n

    tasks = [gmp_py.go(work, n) for n in range(2000)]
    assert [task.join(HANG) for task in tasks] == list(range(2000))
