"""What else gmp_py.monkey makes park: time.sleep, queues, child processes, Threads that are tasks."""

import pytest
from patches import both, patched
from support import child


@both
def test_a_task_that_sleeps_is_parked(procs):
    patched(
        """
        began = time.monotonic()
        tasks = [go(time.sleep, 0.2) for _ in range(1000)]
        in_task(gmp_py.yield_)
        assert threads() < 30, threads()
        for task in tasks:
            task.join(HANG)
        assert 0.2 <= time.monotonic() - began < 0.2 * 500
        """,
        procs,
    )


def test_sleep_is_as_before():
    patched(
        """
        import pickle
        from fractions import Fraction
        class Index:
            def __index__(self):
                return 0
        class Holder:
            sleep = time.sleep
        def use():
            for fine in (0, 0.0, -0.0, 1e-9, True, False, Index()):
                assert time.sleep(fine) is None
            assert Holder().sleep(0) is None and Holder.sleep(0) is None
            errors = {-1: ValueError, -1e-9: ValueError, float("nan"): ValueError, "1": TypeError, None: TypeError,
                      Fraction(1, 2): TypeError, 1e300: OverflowError, 10**400: OverflowError}
            for bad, kind in errors.items():
                assert type(raised(time.sleep, bad)) is kind, (bad, raised(time.sleep, bad))
            assert type(raised(time.sleep)) is type(raised(time.sleep, 1, 2)) is TypeError
        use()
        in_task(use)
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        assert pickle.loads(pickle.dumps(time.sleep)) is time.sleep and time.sleep.__module__ == "time"
        """
    )


@both
def test_queues_carry_everything_between_tasks_and_threads(procs):
    patched(
        """
        import queue
        for kind in (queue.Queue, lambda: queue.Queue(3), queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue):
            q, seen = kind(), []
            def produce(base):
                for i in range(50):
                    q.put(base + i)
            def consume(_):
                for _ in range(50):
                    seen.append(q.get(timeout=HANG))
            parties = [go(consume, 0), go(produce, 0), go(consume, 0), go(produce, 100)]
            parties += [threading.Thread(target=consume, args=(0,)), threading.Thread(target=produce, args=(200,))]
            for thread in parties[4:]:
                thread.start()
            for party in parties:
                party.join(HANG)
            assert sorted(seen) == sorted([*range(50), *range(100, 150), *range(200, 250)]), kind
        """,
        procs,
    )


def test_a_simple_queue_is_as_before():
    patched(
        """
        import pickle, queue, weakref
        def use():
            q = queue.SimpleQueue()
            assert q.empty() and q.qsize() == 0 and weakref.ref(q)() is q
            for call in (q.get_nowait, lambda: q.get(False), lambda: q.get(timeout=0), lambda: q.get(True, 0.001)):
                assert type(raised(call)) is queue.Empty
            q.put(1)
            q.put(2, False)
            q.put(3, timeout=-1)
            q.put_nowait(4)
            assert q.qsize() == 4 and not q.empty()
            assert [q.get(), q.get(timeout=5), q.get_nowait(), q.get(block=False)] == [1, 2, 3, 4]
            assert type(raised(q.get, True, -1)) is ValueError and type(raised(q.get, True, "1")) is TypeError
            assert type(raised(q.get, True, 1e300)) is OverflowError
            assert queue.SimpleQueue[int] and type(raised(queue.SimpleQueue, 1)) is TypeError
            assert type(raised(pickle.dumps, q)) is TypeError
        use()
        in_task(use)
        """
    )


@both
def test_tasks_wait_for_children_without_threads_of_their_own(procs):
    patched(
        """
        import subprocess
        children = [subprocess.Popen(["cat"], stdin=subprocess.PIPE) for _ in range(40)]
        tasks = [go(child.wait) for child in children]
        in_task(gmp_py.yield_)
        assert threads() < 30, threads()
        error = raised(in_task, lambda: children[0].wait(timeout=0.05))
        assert isinstance(error, subprocess.TimeoutExpired) and error.timeout == 0.05 and error.cmd == ["cat"]
        for timeout in (0, -1, -1e-9):
            assert isinstance(raised(in_task, children[0].wait, timeout), subprocess.TimeoutExpired)
        for child in children:
            child.stdin.close()
        assert [task.join(HANG) for task in tasks] == [0] * 40
        assert in_task(children[0].wait) == 0 == children[0].wait()
        """,
        procs,
    )


@both
def test_subprocess_talks_to_its_children(procs):
    patched(
        """
        import subprocess
        data = bytes(range(256)) * 4000
        def talk(n):
            done = subprocess.run(["cat"], input=data, stdout=subprocess.PIPE, timeout=HANG)
            return done.stdout == data and done.returncode == 0
        assert all([task.join(HANG) for task in [go(talk, n) for n in range(8)]])
        def fails():
            return subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True, text=True)
        done = in_task(fails)
        assert (done.stdout, done.stderr, done.returncode) == ("out\\n", "err\\n", 3)
        assert isinstance(raised(in_task, subprocess.run, ["/no/such/program"]), FileNotFoundError)
        assert in_task(lambda: subprocess.call(["sh", "-c", "kill -9 $$"])) == -9
        def too_late():
            subprocess.run(["sleep", "1000"], timeout=0.05)
        assert isinstance(raised(in_task, too_late), subprocess.TimeoutExpired)
        """,
        procs,
    )


WAITS = {
    "os.waitpid(pid, 0)": "(pid, 768)",
    "os.waitpid(-1, 0)": "(pid, 768)",
    "os.waitpid(0, 0)": "(pid, 768)",
    "os.waitpid(-os.getpgrp(), 0)": "(pid, 768)",
    "os.waitpid(pid, os.WUNTRACED)": "(pid, 768)",
    "os.wait()": "(pid, 768)",
    "os.wait3(0)[:2]": "(pid, 768)",
    "os.wait4(pid, 0)[:2]": "(pid, 768)",
    "os.wait4(pid, options=0)[:2]": "(pid, 768)",
    "os.waitid(os.P_PID, pid, os.WEXITED).si_status": "3",
    "os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT).si_status": "3",
}


@pytest.mark.parametrize("call", WAITS)
def test_functions_of_os_wait_for_a_child_while_others_run(call):
    patched(
        f"""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(3)
        os.close(reader)
        waiting = go(lambda: {call})
        assert in_task(lambda: 5) == 5 and not waiting.done()
        os.close(writer)
        assert waiting.join(HANG) == {WAITS[call]}
        """
    )


def test_waits_for_children_fail_as_before():
    patched(
        """
        def use():
            for call in (lambda: os.waitpid(-1, 0), os.wait, lambda: os.wait3(0), lambda: os.waitpid(os.getpid(), 0),
                         lambda: os.wait4(2**22 + 1, 0), lambda: os.waitid(os.P_ALL, 0, os.WEXITED)):
                assert type(raised(call)) is ChildProcessError
            assert type(raised(os.waitpid, "1", 0)) is type(raised(os.waitpid, 1)) is TypeError
            assert type(raised(os.waitpid, 2**80, 0)) is OverflowError
            assert type(raised(os.waitid, os.P_ALL, 0, 0)) is OSError
        use()
        in_task(use)
        """
    )


@pytest.mark.parametrize("pid", ["pid", "-1"])
def test_a_cancelled_wait_takes_no_status(pid):
    patched(
        f"""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(3)
        os.close(reader)
        task = go(os.waitpid, {pid}, 0)
        in_task(gmp_py.yield_)
        task.cancel()
        try:
            task.join(HANG)
        except gmp_py.Cancelled:
            os.close(writer)
        assert os.waitpid(pid, 0) == (pid, 768)
        """
    )


TASKS = "monkey.patch_all(threads=True)"


@both
def test_threads_are_tasks_when_asked_for(procs):
    patched(
        """
        assert monkey.is_patched("threads")
        seen = []
        def body(n, end=None):
            me = threading.current_thread()
            seen.append((me.ident == threading.get_ident() == gmp_py.current().id, me in threading.enumerate()))
            if end is not None:
                end.wait()
        end = threading.Event()
        many = [threading.Thread(target=body, args=(n,), kwargs={"end": end}) for n in range(1000)]
        for thread in many:
            thread.start()
        assert threads() < 30, threads()
        assert all(thread.is_alive() and not thread.daemon for thread in many)
        many[0].join(0.01)
        assert many[0].is_alive() and "started" in repr(many[0])
        end.set()
        for thread in many:
            thread.join(HANG)
        assert seen == [(True, True)] * 1000 and not any(thread.is_alive() for thread in many)
        assert "stopped" in repr(many[0]) and threading.enumerate() == [threading.main_thread()]
        assert isinstance(raised(many[0].start), RuntimeError)
        assert isinstance(raised(threading.Thread().join), RuntimeError)
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(4) as executor:
            assert list(executor.map(abs, range(-50, 0))) == list(range(50, 0, -1))
            assert executor.submit(gmp_py.current).result() is not None
        """,
        procs,
        TASKS,
    )


def test_what_a_thread_raises_is_reported_also_when_it_is_a_task():
    done = child(
        """
        from gmp_py import monkey
        monkey.patch_all(threads=True)
        import threading
        def fail():
            raise ValueError("of the thread")
        for target in (fail, exit):
            thread = threading.Thread(target=target, name="failing")
            thread.start()
            thread.join()
        """
    )
    assert done.returncode == 0 and "Exception in thread failing:" in done.stderr, done.stderr
    assert done.stderr.count("Traceback") == 1 and done.stderr.rstrip().endswith("ValueError: of the thread")
