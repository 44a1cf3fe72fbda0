"""Cancel, from tasks and threads, at random moments, against every kind of wait: nothing is lost, nobody hangs."""

import random
import threading

import gmp_py
import pytest
from gmp_py import Cancelled
from support import HANG, in_task, wait_until

ROUNDS = 900


@pytest.fixture(params=[1, 2])
def procs(request):
    before = gmp_py.max_procs(request.param)
    yield request.param
    gmp_py.max_procs(before)


def harass(tasks, seed, pause):
    """Cancels random tasks until all have ended."""
    dice = random.Random(seed)
    left = list(tasks)
    while left:
        dice.choice(left).cancel()
        pause(dice.random() / 2000)
        left = [task for task in left if not task.done()]


def harassed(work, count, seed):
    """Runs `count` tasks of work(dice) under two that cancel, one a task and one a thread.

    Cancelled may come at the end of a turn of the work's own loop too: then it is the outcome.
    """
    started = []

    def begin(dice):
        started.append(1)
        work(dice)

    tasks = [gmp_py.go(begin, random.Random(seed * 100 + n)) for n in range(count)]
    wait_until(lambda: len(started) == count)  # who has not started would never run
    thread = threading.Thread(target=harass, args=(tasks, seed, gmp_py.sleep))
    thread.start()
    in_task(harass, tasks, seed + 1, gmp_py.sleep)
    thread.join(HANG)
    assert not thread.is_alive()
    for task in tasks:
        error = task.exception(HANG)
        if error is not None and type(error) is not Cancelled:
            raise error


@pytest.mark.parametrize("seed", range(3))
def test_values_of_a_channel_are_neither_lost_nor_doubled(procs, seed):
    chan = gmp_py.Chan(seed)
    sent, received = [], []

    def producer(dice):
        for n in range(ROUNDS // 6):
            value = (id(dice), n)
            while True:
                try:
                    chan.send(value)
                    sent.append(value)
                    break
                except Cancelled:
                    pass  # it had no effect: once more

    def consumer():
        while True:
            try:
                received.append(chan.recv())
            except Cancelled:
                pass
            except gmp_py.ChannelClosed:
                return

    stop = threading.Event()

    def pester():
        dice = random.Random(seed)
        consumers = []
        while not stop.is_set():
            consumers = [task for task in consumers if not task.done()]
            while len(consumers) < 3:
                consumers.append(gmp_py.go(consumer))
            dice.choice(consumers).cancel()
            gmp_py.sleep(dice.random() / 2000)
        chan.close()
        for task in consumers:
            task.exception(HANG)

    thread = threading.Thread(target=pester)
    thread.start()
    harassed(producer, 6, seed)
    stop.set()
    thread.join(HANG)
    received.extend(chan)
    assert sorted(sent) == sorted(received)


@pytest.mark.parametrize("seed", range(3))
def test_a_mutex_is_held_by_one_and_left_free(procs, seed):
    mutex = gmp_py.Mutex()
    inside = []

    def work(dice):
        done = 0
        while done < ROUNDS // 10:
            try:
                with mutex:
                    inside.append(1)
                    assert len(inside) == 1
                    try:
                        if dice.random() < 0.3:
                            gmp_py.sleep(dice.random() / 5000)
                    finally:
                        inside.pop()
                done += 1
            except Cancelled:
                pass
    harassed(work, 8, seed)
    assert mutex.acquire(blocking=False)
    mutex.release()


@pytest.mark.parametrize("seed", range(3))
def test_scopes_and_cancels_each_get_their_own(procs, seed):
    def work(dice):
        for _ in range(ROUNDS // 10):
            try:
                try:
                    with gmp_py.cancel_scope(timeout=dice.random() / 1000):
                        with gmp_py.cancel_scope(timeout=dice.random() / 1000):
                            gmp_py.sleep(HANG)
                        pytest.fail("the inner scope ended without its exception")
                except TimeoutError:
                    pass
            except Cancelled:
                pass
    harassed(work, 8, seed)


@pytest.mark.parametrize("seed", range(3))
def test_groups_end_with_their_tasks(procs, seed):
    alive = []

    def child(dice):
        alive.append(1)
        try:
            gmp_py.sleep(dice.random() / 500)
            if dice.random() < 0.2:
                raise KeyError
        finally:
            alive.pop()

    def work(dice):
        for _ in range(ROUNDS // 30):
            tasks = []
            try:
                with gmp_py.Group() as group:
                    for _ in range(3):
                        tasks.append(group.go(child, dice))
                    gmp_py.sleep(dice.random() / 500)
            except (Cancelled, ExceptionGroup):
                pass
            assert all(task.done() for task in tasks)
    harassed(work, 6, seed)
    assert alive == []
