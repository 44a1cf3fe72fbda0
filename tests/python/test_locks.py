"""Locks: what each of them promises, from tasks and threads. CPython's own tests of them are in test_locks_cpython.py."""

import doctest
import inspect
import random
import threading

import gmp_py
import pytest
from support import ANYWHERE, HANG, in_task, in_thread, wait_until

MUTEXES = [gmp_py.Mutex, gmp_py.RLock, gmp_py.Semaphore, gmp_py.Condition]
SIDES = [lambda: gmp_py.RWLock().read(), lambda: gmp_py.RWLock().write()]
CLASSES = [
    *MUTEXES,
    gmp_py.Event,
    gmp_py.RWLock,
    gmp_py.WaitGroup,
    gmp_py.Once,
    gmp_py.Barrier,
    type(gmp_py.RWLock().read()),
]


def methods():
    for cls in CLASSES:
        for name, value in vars(cls).items():
            if not name.startswith("_") and inspect.isroutine(value):
                yield f"{cls.__name__}.{name}", value


@pytest.mark.parametrize("name, value", list(methods()))
def test_documentation_of_methods_is_complete_and_runs(name, value):
    text = inspect.getdoc(value)
    assert text
    parsed = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert parsed.examples, f"{name} has no example"
    assert doctest.DocTestRunner().run(parsed).failed == 0
    parameters = [p for p in inspect.signature(value).parameters.values() if p.name != "self"]
    assert bool(parameters) == ("Args:" in text)
    assert all(f"{p.name}: " in text for p in parameters)


# ------------------------------------------------------------ arguments and misuse


@pytest.mark.parametrize("make", MUTEXES + SIDES)
@ANYWHERE
def test_acquire_as_the_standard_library_has_it(make, where):
    lock = make()
    assert where(lock.acquire, True, 5) is True
    for timeout in (-1, None, float("inf"), 0, 0.001, threading.TIMEOUT_MAX):
        assert make().acquire(timeout=timeout) is True
    for wrong in (-2, -0.5, float("nan")):
        with pytest.raises(ValueError):
            lock.acquire(timeout=wrong)
    with pytest.raises(ValueError):
        lock.acquire(False, 1)
    with pytest.raises(ValueError):
        lock.acquire(blocking=False, timeout=0)
    for wrong in (1e100, threading.TIMEOUT_MAX + 1):
        with pytest.raises(OverflowError):
            lock.acquire(timeout=wrong)
    for arguments in (("x", "y"), (True, 1, 2), (True, [])):
        with pytest.raises(TypeError):
            lock.acquire(*arguments)
    with pytest.raises(TypeError):
        lock.acquire(block=True)


@pytest.mark.parametrize("make", [gmp_py.Mutex, gmp_py.RLock, *SIDES, gmp_py.Condition])
@ANYWHERE
def test_release_of_what_is_not_held(make, where):
    def misuse(lock):
        with pytest.raises(RuntimeError) as caught:
            lock.release()
        return isinstance(caught.value, gmp_py.Misuse)

    lock = make()
    assert where(misuse, lock)
    with lock:
        pass
    assert where(misuse, lock)
    assert lock.acquire(False)


def test_an_rlock_belongs_to_its_task():
    lock = gmp_py.RLock()

    def other():
        for call in (lock.release, lock._release_save):
            with pytest.raises(gmp_py.Misuse):
                call()
        return lock.acquire(False), lock.acquire(timeout=0.001), lock._is_owned(), lock._recursion_count()

    def main():
        with lock, lock:
            assert lock._is_owned() and lock._recursion_count() == 2
            found = [gmp_py.go(other).join(), in_thread(other)]
            saved = lock._release_save()
            assert not lock.locked()
            lock._acquire_restore(saved)
            assert lock._recursion_count() == 2
            return found

    assert in_task(main) == [(False, False, False, 0)] * 2
    assert lock.acquire(False) and in_task(other) == (False, False, False, 0)
    with pytest.raises(TypeError):
        lock._acquire_restore(3)


def test_an_rlock_of_a_task_that_ended_stays_its_own():
    lock = gmp_py.RLock()
    in_task(lock.acquire)
    assert not any(in_task(lock.acquire, False) for _ in range(100))


def test_any_task_or_thread_releases_a_mutex():
    mutex = gmp_py.Mutex()
    for where in (in_task, in_thread):
        mutex.acquire()
        where(mutex.release)
    assert not mutex.locked()


def test_wrong_calls_of_the_others():
    with pytest.raises(gmp_py.Misuse):
        gmp_py.WaitGroup().done()
    group = gmp_py.WaitGroup()
    group.add(2)
    with pytest.raises(gmp_py.Misuse):
        group.add(-3)
    assert "count=2" in repr(group)
    with pytest.raises(OverflowError):
        group.add(2**63 - 1)
    for wrong in ("1", 1.5, None):
        with pytest.raises(TypeError):
            group.add(wrong)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError):
            group.wait(wrong)
    with pytest.raises(TimeoutError):
        group.wait(0)
    for wrong in (0, -1):
        with pytest.raises(ValueError):
            gmp_py.Semaphore().release(wrong)
    with pytest.raises(ValueError):
        gmp_py.Semaphore(-1)
    with pytest.raises(TypeError):
        gmp_py.Semaphore("1")
    with pytest.raises(OverflowError):
        gmp_py.Semaphore(2**63 - 1).release()
    for cls in (gmp_py.Mutex, gmp_py.RLock, gmp_py.Event, gmp_py.RWLock, gmp_py.WaitGroup):
        for arguments in ((1,), ()):
            with pytest.raises(TypeError):
                cls(*arguments, **({} if arguments else {"x": 1}))
    with pytest.raises(TypeError):
        type(gmp_py.RWLock().read())()
    condition = gmp_py.Condition()
    for call in (condition.wait, condition.notify, condition.notify_all, lambda: condition.wait_for(int)):
        with pytest.raises(gmp_py.Misuse):
            call()
    with pytest.raises(gmp_py.Misuse):
        gmp_py.Condition.__new__(gmp_py.Condition).wait()
    with condition, pytest.raises(TypeError):
        condition.wait_for()


# ------------------------------------------------------------ many at once


@pytest.mark.parametrize("make", [*MUTEXES, lambda: gmp_py.RWLock().write()])
@pytest.mark.parametrize("seed", range(3))
def test_one_at_a_time_tasks_and_threads_mixed(make, seed):
    lock, order = make(), random.Random(seed)
    inside = total = 0

    def work(random_):
        nonlocal inside, total
        for _ in range(60):
            kind = random_.randrange(3)
            if kind == 0:
                lock.acquire()
            elif kind == 1 and not lock.acquire(timeout=random_.random() / 100):
                continue
            elif kind == 2 and not lock.acquire(False):
                gmp_py.yield_()
                continue
            inside += 1
            assert inside == 1
            if random_.randrange(4) == 0:
                gmp_py.yield_()
            if random_.randrange(20) == 0:
                gmp_py.sleep(0.0005)
            assert inside == 1
            inside -= 1
            total += 1
            lock.release()

    tasks = [gmp_py.go(work, random.Random(order.random())) for _ in range(12)]
    threads = [threading.Thread(target=work, args=(random.Random(order.random()),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    work(random.Random(seed))
    for task in tasks:
        task.join(HANG)
    for thread in threads:
        thread.join(HANG)
        assert not thread.is_alive()
    assert inside == 0 and total > 0
    assert lock.acquire(False), "everybody has released it"


@pytest.mark.parametrize("seed", range(5))
def test_cancelled_waiters_lose_no_permit(seed):
    order = random.Random(seed)
    semaphore, mutex, rw = gmp_py.Semaphore(3), gmp_py.Mutex(), gmp_py.RWLock()
    most = inside = 0

    def work():
        nonlocal inside, most
        for _ in range(20):
            lock = order.choice([semaphore, mutex, rw.read(), rw.write()])
            with lock:
                if lock is semaphore:
                    inside += 1
                    most = max(most, inside)
                try:
                    gmp_py.yield_()
                finally:
                    if lock is semaphore:
                        inside -= 1

    def main():
        tasks = [gmp_py.go(work) for _ in range(60)]
        for task in order.sample(tasks, 40):
            for _ in range(order.randrange(30)):
                gmp_py.yield_()
            task.cancel()
        for task in tasks:
            error = task.exception(HANG)
            assert error is None or isinstance(error, gmp_py.Cancelled), error

    in_task(main)
    assert inside == 0 and most <= 3
    assert [semaphore.acquire(False) for _ in range(4)] == [True, True, True, False]
    assert mutex.acquire(False) and rw.write().acquire(False)


def test_a_cancelled_waiter_of_a_condition_holds_the_lock_and_takes_no_notification():
    condition, waiting, woken = gmp_py.Condition(), [], []

    def wait():
        with condition:
            waiting.append(1)
            try:
                woken.append(condition.wait())
            except gmp_py.Cancelled:
                assert condition._is_owned()
                raise

    def main():
        first, second = gmp_py.go(wait), gmp_py.go(wait)
        wait_until(lambda: len(waiting) == 2)
        with condition:
            first.cancel()
            condition.notify()
        assert isinstance(first.exception(HANG), gmp_py.Cancelled)
        second.join(HANG)

    in_task(main)
    assert woken == [True]


def test_waiters_are_served_in_the_order_of_coming():
    semaphore, order = gmp_py.Semaphore(0), []

    def work(n):
        semaphore.acquire()
        order.append(n)

    def main():
        tasks = []
        for n in range(50):
            tasks.append(gmp_py.go(work, n))
            gmp_py.yield_()
        semaphore.release(50)
        for task in tasks:
            task.join(HANG)

    in_task(main)
    assert order == sorted(order)


def test_a_mutex_starves_nobody():
    mutex, over, turns = gmp_py.Mutex(), [], 0

    def hog():
        nonlocal turns
        while not over:
            with mutex:
                turns += 1
                gmp_py.yield_()

    def main():
        hogs = [gmp_py.go(hog) for _ in range(3)]
        for _ in range(20):
            assert mutex.acquire(timeout=HANG)
            mutex.release()
        over.append(True)
        for task in hogs:
            task.join(HANG)

    in_task(main)
    assert mutex.acquire(False)
