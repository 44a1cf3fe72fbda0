"""gmp_py.monkey.patch_threading: who is who in tasks, locks that park, and locks that were there before."""

import pytest
from patches import both, patched
from support import child, ok


@both
def test_each_task_is_a_thread_of_its_own_to_threading(procs):
    patched(
        """
        import _thread
        main = threading.current_thread()
        assert main is threading.main_thread() and main.ident == threading.get_ident()
        def who():
            me = threading.current_thread()
            gmp_py.yield_()
            assert me is threading.current_thread() and me in threading.enumerate() and me.is_alive()
            assert me.ident == threading.get_ident() == _thread.get_ident() == gmp_py.current().id
            assert me.name == gmp_py.current().name and not me.daemon and "started" in repr(me)
            assert threading.active_count() == len(threading.enumerate())
            try:
                me.join()
            except RuntimeError:
                return me
        tasks = [go(who, name=f"worker {n}") for n in range(20)]
        threads_of_tasks = [task.join(HANG) for task in tasks]
        assert len({id(t) for t in threads_of_tasks}) == len({t.ident for t in threads_of_tasks}) == 20
        assert [t.name for t in threads_of_tasks] == [f"worker {n}" for n in range(20)]
        assert not any(t.is_alive() for t in threads_of_tasks)
        assert threading.enumerate() == [main] and list(threading._active.values()) == [main]
        """,
        procs,
    )


def test_enumerate_lists_tasks_that_never_asked_who_they_are():
    patched(
        """
        started, end = threading.Event(), threading.Event()
        def parked():
            started.set()
            end.wait()
            return threading.current_thread()
        task = go(parked, name="parked")
        started.wait()
        [seen] = [t for t in threading.enumerate() if t is not threading.main_thread()]
        assert seen.name == "parked" and seen.ident == task.id and seen.is_alive()
        assert seen in threading.enumerate() and threading.active_count() == 2
        end.set()
        assert task.join(HANG) is seen and not seen.is_alive()
        assert threading.enumerate() == [threading.main_thread()]
        """
    )


def test_plain_threads_are_what_they_were():
    ok(
        """
        import threading, time, _thread
        own = threading.get_ident, threading.current_thread
        before = threading.get_ident(), threading.main_thread(), threading.current_thread()
        from gmp_py import monkey
        monkey.patch_all()
        assert before == (threading.get_ident(), threading.main_thread(), threading.current_thread())
        assert own[0]() == threading.get_ident() and own[1]() is threading.current_thread()
        seen = []
        def body():
            me = threading.current_thread()
            seen.append((me, me.ident == threading.get_ident() == own[0](), me.native_id == threading.get_native_id()))
            time.sleep(0.001)
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        assert seen == [(thread, True, True)] and not thread.is_alive()
        end = _thread.allocate_lock()
        end.acquire()
        def foreign():
            seen.append((threading.current_thread(), threading.get_ident()))
            end.release()
        _thread.start_new_thread(foreign, ())
        assert end.acquire(timeout=60)
        assert isinstance(seen[1][0], threading._DummyThread) and seen[1][0].ident == seen[1][1]
        """
    )


def test_ten_thousand_tasks_leave_nothing_in_the_registry():
    patched(
        """
        import gc, weakref
        def who():
            return weakref.ref(threading.current_thread())
        refs = []
        for _ in range(100):
            refs += [task.join(HANG) for task in [go(who) for _ in range(100)]]
        gc.collect()
        assert len(threading._active) == 1 and not any(ref() for ref in refs)
        """
    )


def test_signals_are_not_sent_to_task_ids():
    patched(
        """
        import signal
        arrived = threading.Event()
        signal.signal(signal.SIGUSR1, lambda *_: arrived.set())
        in_task(lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1))
        assert arrived.wait(HANG)
        end = threading.Event()
        task = go(end.wait)
        gmp_py.sleep(0.01)
        assert isinstance(raised(signal.pthread_kill, task.id, signal.SIGUSR1), ProcessLookupError)
        end.set()
        task.join(HANG)
        """
    )


EXCLUSION = """
inside = most = 0
def work(n):
    global inside, most
    for _ in range(20):
        with lock, lock:
            inside += 1
            most = max(most, inside)
            gmp_py.yield_()
            inside -= 1
tasks = [go(work, n) for n in range(10)]
threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
for thread in threads:
    thread.start()
for task in tasks + threads:
    task.join(HANG)
assert most == 1 and inside == 0, most
"""


@both
@pytest.mark.parametrize("made", ["threading.RLock()", "__import__('_thread').RLock()", "threading._RLock()", "threading.Condition()"])
def test_an_rlock_excludes_across_a_yield(procs, made):
    patched(f"lock = {made}\n" + EXCLUSION, procs)


@both
@pytest.mark.parametrize("held", ["lock = threading.RLock()", "lock = threading.Condition()", "class Box: pass\nbox = Box()\nbox.lock = threading.RLock()"])
def test_an_rlock_from_before_the_patches_excludes_too(procs, held):
    patch = f"{held}\nmonkey.patch_all()" + ("\nlock = box.lock" if "box" in held else "")
    patched(EXCLUSION, procs, patch)


def test_locks_from_before_are_found_where_they_are_held():
    patched(
        """
        monkey.patch_threading()
        assert type(lock) is type(listed[0]) is type(slotted.lock) is type(closure()) is threading.Lock
        assert slotted.lock is lock and listed[0] is lock and closure() is lock
        assert condition.acquire.__self__ is condition._lock is rlock
        assert type(logging._lock) is type(rlock) and type(logging.lastResort.lock) is type(rlock)
        assert type(waiting.mutex) is threading.Lock and waiting.not_empty._lock is waiting.mutex
        assert type(mine) is not own[1] and mine._is_owned()
        mine.release()
        mine.release()
        assert raised(mine.release)
        assert type(locked) is own[0] and locked.locked()
        """,
        patch="""
import logging, queue
own = [type(threading.Lock()), type(threading.RLock())]
lock, rlock, mine, locked = threading.Lock(), threading.RLock(), threading.RLock(), threading.Lock()
listed = [lock]
class Slotted:
    __slots__ = "lock"
slotted = Slotted()
slotted.lock = lock
def outer(kept):
    return lambda: kept
closure = outer(lock)
condition = threading.Condition(rlock)
waiting = queue.Queue()
mine.acquire()
mine.acquire()
locked.acquire()
""",
    )


def test_an_rlock_that_another_thread_holds_is_told_of():
    done = child(
        """
        import threading
        lock, held, end = threading.RLock(), threading.Event(), threading.Event()
        def hold():
            with lock:
                held.set()
                end.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        from gmp_py import monkey
        monkey.patch_all()
        end.set()
        thread.join()
        with lock:
            print("ok")
        """
    )
    assert done.returncode == 0 and done.stdout == "ok\n", done.stderr
    assert "MonkeyPatchWarning: 1 RLock(s) were held by other threads" in done.stderr


@both
def test_what_threading_builds_works_between_tasks_and_threads(procs):
    patched(
        """
        def both_kinds(n, fn):
            tasks = [go(fn, i) for i in range(n)]
            threads = [threading.Thread(target=fn, args=(i,)) for i in range(n)]
            for thread in threads:
                thread.start()
            return tasks + threads
        def end(them):
            for one in them:
                one.join(HANG)
                assert not isinstance(one, threading.Thread) or not one.is_alive()
        seen = []
        barrier = threading.Barrier(10)
        end(both_kinds(5, lambda i: seen.append(barrier.wait(HANG))))
        assert sorted(seen) == list(range(10))
        event, count = threading.Event(), []
        waiting = both_kinds(5, lambda i: count.append(event.wait(HANG)))
        assert not event.wait(0.01)
        event.set()
        end(waiting)
        assert count == [True] * 10
        semaphore, inside, most = threading.BoundedSemaphore(2), [], []
        def enter(i):
            with semaphore:
                inside.append(i)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()
        end(both_kinds(5, enter))
        assert max(most) <= 2
        condition, ready = threading.Condition(), []
        def consume(i):
            with condition:
                assert condition.wait_for(lambda: ready, HANG)
                ready.pop()
        consumers = both_kinds(5, consume)
        for _ in range(10):
            with condition:
                ready.append(1)
                condition.notify()
        end(consumers)
        assert not ready
        fired = threading.Event()
        timer = threading.Timer(0.001, fired.set)
        timer.start()
        assert in_task(fired.wait, HANG)
        timer.join()
        """,
        procs,
    )


@both
def test_a_thousand_tasks_wait_in_locks_on_few_threads(procs):
    patched(
        """
        gate = threading.Event()
        tasks = [go(gate.wait) for _ in range(1000)]
        in_task(gmp_py.yield_)
        assert threads() < 30, threads()
        gate.set()
        assert all(task.join(HANG) for task in tasks)
        """,
        procs,
    )


def test_a_task_that_joins_a_thread_is_parked():
    patched(
        """
        end = threading.Event()
        thread = threading.Thread(target=end.wait)
        thread.start()
        tasks = [go(thread.join) for _ in range(100)]
        in_task(lambda: thread.join(0.01))
        assert thread.is_alive() and threads() < 30, threads()
        end.set()
        for task in tasks:
            task.join(HANG)
        assert not thread.is_alive()
        assert isinstance(raised(in_task, lambda: threading.Thread().join()), RuntimeError)
        """
    )


def test_logging_excludes_while_a_handler_parks():
    patched(
        """
        import logging
        class Slow(logging.Handler):
            inside = 0
            lines = []
            def emit(self, record):
                self.inside += 1
                assert self.inside == 1
                time.sleep(0.001)
                self.lines.append((record.getMessage(), record.threadName, record.thread))
                self.inside -= 1
        logger = logging.getLogger("slow")
        logger.addHandler(Slow())
        logger.propagate = False
        tasks = [go(logger.warning, "line %d", n, name=f"task {n}") for n in range(20)]
        for task in tasks:
            task.join(HANG)
        assert sorted(Slow.lines) == sorted((f"line {n}", f"task {n}", t.id) for n, t in enumerate(tasks))
        """
    )


def test_thread_locals_belong_to_tasks():
    patched(
        """
        from _threading_local import local as written_in_python
        for kind in (threading.local, written_in_python):
            mine = kind()
            def own(n):
                assert not hasattr(mine, "n")
                mine.n = n
                gmp_py.yield_()
                return mine.n
            tasks = [go(own, n) for n in range(20)]
            assert [task.join(HANG) for task in tasks] == list(range(20))
            assert not hasattr(mine, "n")
        """
    )
