"""Locks that are more than a lock: readers and writers, events, counts, conditions, barriers; and what becomes of them."""

import gc
import threading
import time
import weakref

import gmp_py
import pytest
from support import ANYWHERE, HANG, in_task, wait_until


def test_readers_share_and_writers_do_not():
    lock = gmp_py.RWLock()
    readers = writers = together = 0

    def read():
        nonlocal readers, together
        with lock.read():
            readers += 1
            together = max(together, readers)
            assert writers == 0
            gmp_py.yield_()
            readers -= 1

    def write():
        nonlocal writers
        with lock.write():
            writers += 1
            assert writers == 1 and readers == 0
            gmp_py.yield_()
            writers -= 1

    for task in [gmp_py.go(write if n % 5 == 0 else read) for n in range(200)]:
        task.join(HANG)
    assert together > 1 and "readers=0 writer=no" in repr(lock)


def test_a_waiting_writer_keeps_later_readers_out_until_it_gives_up():
    lock = gmp_py.RWLock()

    def main():
        with lock.read():
            writer = gmp_py.go(lock.write().acquire)
            wait_until(lambda: not lock.read().acquire(False) or lock.read().release())
            reader = gmp_py.go(lock.read().acquire, True, HANG)
            gmp_py.yield_()
            writer.cancel()
            assert isinstance(writer.exception(HANG), gmp_py.Cancelled)
            assert reader.join(HANG) is True, "the reader behind it goes on"
            timed = gmp_py.go(lock.write().acquire, True, 0.01)
            assert timed.join(HANG) is False

    in_task(main)
    lock.read().release()
    assert lock.write().acquire(False)


@ANYWHERE
def test_a_wait_group(where):
    group, done = gmp_py.WaitGroup(), []
    group.add(10)

    def work(n):
        gmp_py.sleep(n / 1000)
        done.append(n)
        group.done()

    for n in range(10):
        gmp_py.go(work, n)
    assert where(group.wait, HANG) is None and len(done) == 10
    assert group.wait() is None


@ANYWHERE
def test_an_event(where):
    event = gmp_py.Event()
    tasks = [gmp_py.go(event.wait) for _ in range(20)]
    gmp_py.go(lambda: gmp_py.sleep(0.001) or event.set())
    assert where(event.wait, HANG) is True
    assert [task.join(HANG) for task in tasks] == [True] * 20
    event.clear()
    before = time.monotonic()
    assert where(event.wait, 0.02) is False and time.monotonic() - before >= 0.02


def test_once():
    once, calls = gmp_py.Once(), []

    def first():
        gmp_py.sleep(0.005)
        calls.append(1)
        raise KeyError("first")

    def work():
        try:
            once.do(first)
        except KeyError:
            return "raised", len(calls)
        return "waited", len(calls)

    results = [task.join(HANG) for task in [gmp_py.go(work) for _ in range(10)]]
    assert sorted(results) == [("raised", 1)] + [("waited", 1)] * 9
    nested = gmp_py.Once()
    with pytest.raises(gmp_py.Misuse):
        in_task(nested.do, nested.do, print)
    with pytest.raises(TypeError):
        gmp_py.Once().do(3)


def test_a_barrier_breaks_as_the_standard_librarys():
    barrier = gmp_py.Barrier(3)
    waiting = [gmp_py.go(barrier.wait) for _ in range(2)]
    wait_until(lambda: barrier.n_waiting == 2)
    barrier.abort()
    assert all(isinstance(task.exception(HANG), threading.BrokenBarrierError) for task in waiting)
    barrier.reset()
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(0.001)
    barrier.reset()
    results = [task.join(HANG) for task in [gmp_py.go(barrier.wait) for _ in range(3)]]
    assert sorted(results) == [0, 1, 2]


class Foreign:
    """A lock as simple as they come."""

    def __init__(self):
        self.held = False

    def acquire(self, blocking=True):
        while blocking and self.held:
            gmp_py.sleep(0.0005)
        taken, self.held = not self.held, True
        return taken

    def release(self):
        assert self.held
        self.held = False

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *args):
        self.release()


LOCKS = [gmp_py.Mutex, gmp_py.RLock, Foreign, threading.Lock, threading.RLock, type("Own", (gmp_py.RLock,), {})]


@pytest.mark.parametrize("make", LOCKS)
def test_a_condition_over_any_lock(make):
    condition, items, taken = gmp_py.Condition(make()), [], []

    def take():
        with condition:
            assert condition.wait_for(lambda: items, HANG)
            taken.append(items.pop(0))

    def put(n):
        with condition:
            items.append(n)
            condition.notify()

    # With the standard library's locks from threads: a task that blocks in one blocks its machine.
    go = (lambda fn, *args: gmp_py.go(fn, *args)) if make.__module__ != "_thread" else start_thread
    takers = [go(take) for _ in range(8)]
    for n in range(8):
        go(put, n)
    for taker in takers:
        taker.join(HANG)
    assert sorted(taken) == list(range(8))
    with condition:
        assert condition.wait(0.001) is False


def start_thread(fn, *args):
    thread = threading.Thread(target=fn, args=args)
    thread.start()
    return thread


@ANYWHERE
@pytest.mark.parametrize("make", [gmp_py.Mutex, gmp_py.RLock, Foreign])
def test_a_wait_of_no_time_lets_go_of_the_lock_and_takes_it_again(where, make):
    condition = gmp_py.Condition(make())

    def wait():
        with condition:
            found = condition.wait(0), condition.wait(timeout=0.0)
            assert condition._is_owned()
            return found

    assert where(wait) == (False, False)
    assert condition.acquire(False)


def test_wait_for_gives_the_last_result():
    condition = gmp_py.Condition()
    with condition:
        assert condition.wait_for(lambda: "yes") == "yes"
        assert condition.wait_for(list, 0) == []
        assert condition.wait_for(list, 0.001) == []
        with pytest.raises(ZeroDivisionError):
            condition.wait_for(lambda: 1 / 0)
        assert condition._is_owned()


def test_objects_are_collected():
    class Node(gmp_py.Condition):
        pass

    kept = [cls() for cls in (gmp_py.Mutex, gmp_py.RLock, gmp_py.Event, gmp_py.Semaphore, gmp_py.Condition, gmp_py.Once)]
    kept += [gmp_py.RWLock(), gmp_py.RWLock().read(), gmp_py.WaitGroup(), Node(), gmp_py.Barrier(2)]
    refs = [weakref.ref(thing) for thing in kept]
    for thing in kept:
        if hasattr(thing, "__dict__"):
            thing.itself = thing
    del kept, thing
    gc.collect()
    assert [ref() for ref in refs] == [None] * len(refs)


def test_a_subclass_is_what_it_says():
    class Counted(gmp_py.Semaphore):
        def __init__(self, value):
            super().__init__(value)
            self.uses = 0

        def acquire(self, *args):
            self.uses += 1
            return super().acquire(*args)

    counted = Counted(2)
    assert counted.acquire() and counted.acquire() and not counted.acquire(False) and counted.uses == 3
