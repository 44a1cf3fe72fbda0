"""Waiting: yield, sleep, join from tasks and threads, timeouts, misuse."""

import threading
import time

import gmp_py
import pytest
from support import HANG, in_task, wait_until


def test_yield_lets_others_run():
    order = []

    def count(name):
        for n in range(3):
            order.append((name, n))
            gmp_py.yield_()

    def main():
        for task in [gmp_py.go(count, "a"), gmp_py.go(count, "b")]:
            task.join()

    gmp_py.run(main)
    assert sorted(order) == [(name, n) for name in "ab" for n in range(3)]
    assert order != sorted(order), "the tasks must have taken turns"


def test_yield_and_checkpoint_give_none_everywhere():
    assert gmp_py.yield_() is None and gmp_py.checkpoint() is None
    assert in_task(gmp_py.yield_) is None and in_task(gmp_py.checkpoint) is None
    for function in (gmp_py.yield_, gmp_py.checkpoint, gmp_py.current, gmp_py.num_tasks):
        with pytest.raises(TypeError):
            function(1)


def test_sleep_waits_at_least_as_long_as_told():
    def nap():
        before = time.monotonic()
        assert gmp_py.sleep(0.02) is None
        return time.monotonic() - before

    assert nap() >= 0.02
    assert in_task(nap) >= 0.02
    results = []
    thread = threading.Thread(target=lambda: results.append(nap()))
    thread.start()
    thread.join()
    assert results[0] >= 0.02


def test_sleeps_overlap():
    before = time.monotonic()
    for task in [gmp_py.go(gmp_py.sleep, 0.05) for _ in range(100)]:
        task.join()
    assert time.monotonic() - before < 100 * 0.05 / 2


def test_sleepers_wake_in_order():
    order = []

    def nap(n):
        gmp_py.sleep(n / 50)
        order.append(n)

    for task in [gmp_py.go(nap, n) for n in (4, 2, 3, 1)]:
        task.join()
    assert order == [1, 2, 3, 4]


def test_sleep_zero_lets_others_run():
    ran = []

    def main():
        task = gmp_py.go(ran.append, 1)
        wait_until(lambda: gmp_py.sleep(0) is None and ran)
        task.join()

    in_task(main)
    assert ran == [1]


@pytest.mark.parametrize("call", [gmp_py.sleep, lambda s: gmp_py.go(gmp_py.sleep, s).join()])
def test_sleep_checks_its_argument(call):
    for wrong in (-1, -0.5, float("nan"), float("-inf"), -(10**400)):
        with pytest.raises(ValueError):
            call(wrong)
    for wrong in ("1", None, [], 1j):
        with pytest.raises(TypeError):
            call(wrong)
    with pytest.raises(TypeError):
        gmp_py.sleep()


class Seconds:
    def __float__(self):
        return 0.001


def test_numbers_of_any_kind_are_seconds():
    gmp_py.sleep(Seconds())
    gmp_py.sleep(False)
    task = gmp_py.go(int)
    assert task.join(Seconds()) == 0
    assert task.join(10**400) == 0


def test_join_times_out_and_the_task_goes_on():
    done = []

    def nap():
        gmp_py.sleep(0.05)
        done.append(1)

    task = gmp_py.go(nap)
    for timeout in (0, 0.001, 0.002):
        with pytest.raises(TimeoutError):
            task.join(timeout=timeout)
        with pytest.raises(TimeoutError):
            task.exception(timeout)
    with pytest.raises(TimeoutError):
        in_task(task.join, 0.001)
    task.join(timeout=float("inf"))
    assert done == [1]


def test_join_checks_its_timeout():
    task = gmp_py.go(int)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError):
            task.join(wrong)
    with pytest.raises(TypeError):
        task.join("soon")
    with pytest.raises(TypeError):
        task.join(1, 2)
    with pytest.raises(TypeError, match="twice"):
        task.join(1, timeout=2)
    with pytest.raises(TypeError, match="until"):
        task.join(until=2)


def test_a_task_cannot_join_itself():
    def main():
        me = gmp_py.current()
        for call in (me.join, me.exception, lambda: me.join(timeout=0)):
            with pytest.raises(gmp_py.Misuse, match="itself"):
                call()
        return "fine"

    assert in_task(main) == "fine"


def test_any_number_of_tasks_and_threads_join_one_task():
    task = gmp_py.go(lambda: gmp_py.sleep(0.02) or "result")
    joiners = [gmp_py.go(task.join) for _ in range(20)]
    results = []
    threads = [threading.Thread(target=lambda: results.append(task.join())) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert [joiner.join() for joiner in joiners] == ["result"] * 20
    for thread in threads:
        thread.join()
    assert results == ["result"] * 5
    assert task.join() == "result"


def test_joiners_that_give_up_leave_the_others_alone():
    task = gmp_py.go(gmp_py.sleep, 0.05)
    hasty = [gmp_py.go(task.exception, 0.001 * n) for n in range(1, 10)]
    patient = [gmp_py.go(task.join) for _ in range(5)]
    assert all(isinstance(joiner.exception(), TimeoutError) for joiner in hasty)
    assert [joiner.join() for joiner in patient] == [None] * 5


def test_a_task_that_ends_while_its_joiner_is_on_the_way():
    def main():
        sleeper = gmp_py.go(gmp_py.sleep, 0.002)
        gmp_py.yield_()
        task = gmp_py.go(int, "7")
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            pass
        # The slice is over and others wait: the first call that enters the runtime, whichever it is, lets them run.
        result = task.join(HANG)
        assert time.monotonic() < end + HANG / 2, "the wake was lost"
        sleeper.join()
        return result

    assert in_task(main) == 7


def test_a_chain_of_joins():
    def link(n):
        return n if n == 0 else gmp_py.go(link, n - 1).join() + 1

    assert in_task(link, 200) == 200


def test_spawn_and_join_in_a_tree():
    def leaves(depth):
        if depth == 0:
            return 1
        return sum(task.join() for task in [gmp_py.go(leaves, depth - 1) for _ in range(4)])

    assert in_task(leaves, 5) == 4**5


def test_threads_start_and_join_tasks_at_once():
    results = []

    def work(n):
        for i in range(50):
            results.append(gmp_py.go(lambda: n * 1000 + i).join())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(n * 1000 + i for n in range(4) for i in range(50))


def test_a_task_starts_and_joins_a_thread():
    def main():
        results = []
        thread = threading.Thread(target=lambda: results.append(gmp_py.go(int, "5").join(30)))
        thread.start()
        wait_until(lambda: results)
        thread.join()
        return results

    assert in_task(main) == [5]


def test_many_tasks():
    count = 20_000

    def wait(n):
        gate.join()
        return n

    gate = gmp_py.go(gmp_py.sleep, 0.2)
    tasks = [gmp_py.go(wait, n) for n in range(count)]
    assert sum(task.join() for task in tasks) == count * (count - 1) // 2


def test_num_tasks_and_stats_count():
    gate = gmp_py.go(gmp_py.sleep, 0.05)
    tasks = [gmp_py.go(gate.join) for _ in range(10)]
    assert gmp_py.num_tasks() >= 11
    before = gmp_py.stats()
    assert isinstance(before, gmp_py.Stats) and all(isinstance(number, int) for number in before)
    assert before.tasks_created - before.tasks_ended >= 11
    for task in tasks:
        task.join()
    assert gmp_py.stats().tasks_ended >= before.tasks_ended + 10


def test_max_procs_gives_the_previous_value():
    before = gmp_py.max_procs()
    assert before >= 1
    assert gmp_py.max_procs(3) == before
    assert gmp_py.max_procs(n=None) == 3
    assert in_task(gmp_py.max_procs, 2) == 3
    assert gmp_py.max_procs(before) == 2
    for wrong in (0, -1, 1 << 40):
        with pytest.raises((ValueError, OverflowError)):
            gmp_py.max_procs(wrong)
    with pytest.raises(TypeError):
        gmp_py.max_procs("two")
    assert gmp_py.max_procs() == before
