"""A storm of tasks that block, compute, park below foreign frames, catch exceptions and spawn: storm.py PROCS SEED.

Run by test_moving.py in a child. Prints `ok` and the runtime's counters when every task has ended and kept what is its own.
"""

import ctypes
import faulthandler
import os
import random
import sys
import threading
import time
import zlib

import gmp_py

PROCS, SEED = int(sys.argv[1]), int(sys.argv[2])
TASKS, STEPS = 60, 30
DATA = random.Random(SEED).randbytes(200_000)
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
LIBC = ctypes.CDLL(None)
own = threading.local()
ended = []


def below_qsort(dice):
    array = (ctypes.c_int * 8)(*[dice.randrange(100) for _ in range(8)])

    def compare(a, b):
        gmp_py.yield_()
        if dice.random() < 0.05:
            gmp_py.sleep(0.0005)
        return a[0] - b[0]

    LIBC.qsort(array, 8, 4, COMPARE(compare))
    assert list(array) == sorted(array)


def below_sort(dice):
    def key(x):
        gmp_py.yield_()
        if dice.random() < 0.05:
            gmp_py.sleep(0.0002)
        return x

    values = [dice.randrange(100) for _ in range(8)]
    assert sorted(values, key=key) == sorted(values)


def below_a_generator(dice):
    def numbers():
        for n in range(5):
            gmp_py.yield_()
            yield n

    assert list(numbers()) == [0, 1, 2, 3, 4]


def with_an_exception(dice):
    try:
        try:
            raise ZeroDivisionError
        finally:
            gmp_py.yield_()
    except ZeroDivisionError:
        time.sleep(0.0003)
        gmp_py.yield_()
        assert sys.exc_info()[0] is ZeroDivisionError


def with_a_child(dice):
    def nap():
        time.sleep(0.0005)
        return 7

    assert gmp_py.go(nap).join() == 7


def computing(dice):
    end = time.perf_counter() + dice.random() * 0.02
    while time.perf_counter() < end:
        pass


STEP = [
    lambda dice: time.sleep(dice.random() * 0.003),
    lambda dice: zlib.compress(DATA, 1),
    lambda dice: gmp_py.sleep(dice.random() * 0.003),
    lambda dice: gmp_py.yield_(),
    below_qsort,
    below_sort,
    below_a_generator,
    with_an_exception,
    with_a_child,
    computing,
]


def task(n):
    dice = random.Random(SEED * 1000 + n)
    own.number = n
    for _ in range(STEPS):
        dice.choice(STEP)(dice)
        assert own.number == n
    ended.append(n)


def thread():
    for _ in range(200):
        time.sleep(0.001)
        sum(range(2000))


def main():
    for t in [gmp_py.go(task, n) for n in range(TASKS)]:
        t.join()


if __name__ == "__main__":
    faulthandler.enable()
    faulthandler.dump_traceback_later(100, exit=True)
    gmp_py.max_procs(PROCS)
    threads = [threading.Thread(target=thread) for _ in range(2)]
    for t in threads:
        t.start()
    gmp_py.run(main)
    for t in threads:
        t.join()
    assert sorted(ended) == list(range(TASKS))
    print("ok", os.getpid(), gmp_py.stats())
