"""The end of programs under the patches: exit in time and quietly, forks, and patches that are applied twice or wrongly."""

import subprocess
import sys
import textwrap

import pytest
from patches import patched
from support import child, ok

# An exit that hangs hangs for ever; the interpreter's start and a busy machine are given the rest.
EXIT = 30

PROGRAMS = {
    "nothing": "",
    "tasks parked": "for _ in range(10): go(time.sleep, 1000); go(threading.Event().wait); go(queue.Queue().get)",
    "a task in a lock": "lock = threading.RLock(); lock.acquire(); go(lock.acquire); gmp_py.sleep(0.01)",
    "a daemon in a lock": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "a daemon in a queue": "threading.Thread(target=queue.SimpleQueue().get, daemon=True).start()",
    "a daemon that polls": "e = threading.Event()\ndef poll():\n  while not e.wait(0.001): pass\n"
    "threading.Thread(target=poll, daemon=True).start()",
    "a thread that ends": "threading.Thread(target=time.sleep, args=(0.1,)).start()",
    "a thread that joins a task": "t = go(time.sleep, 0.1)\nthreading.Thread(target=t.join).start()",
    "an executor": "from concurrent.futures import ThreadPoolExecutor as E\ne = E(3)\ne.submit(time.sleep, 0.05)",
    "an executor in a task": "from concurrent.futures import ThreadPoolExecutor as E\ne = E(3)\n"
    "go(lambda: e.submit(time.sleep, 0.05).result()).join()",
    "a timer": "threading.Timer(0.05, print).start()",
    "a child": "subprocess.Popen(['true'])\ngo(subprocess.run, ['sleep', '1000'])\ngmp_py.sleep(0.05)",
    "run": "gmp_py.run(time.sleep, 0.01)",
    "a task asked who it is": "go(lambda: (threading.current_thread(), time.sleep(1000)))\ngmp_py.sleep(0.01)",
    "logging at exit": "import atexit, logging\natexit.register(logging.getLogger().debug, 'x')",
}


@pytest.mark.parametrize("threads", [False, True], ids=["threads", "threads as tasks"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_exit_in_time(name, threads):
    script = f"""
import gmp_py
from gmp_py import go, monkey
monkey.patch_all(threads={threads})
import queue, subprocess, threading, time
{PROGRAMS[name]}
"""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, timeout=EXIT)
    stderr = "".join(line for line in done.stderr.splitlines(True) if "ResourceWarning" not in line and line[0] != " ")
    assert done.returncode == 0 and stderr == "", (done.returncode, done.stderr)


def test_daemons_wait_on_silently_while_the_interpreter_exits():
    """What atexit got before gmp_py did runs after the tasks' end: threads go on meanwhile, as they always did."""
    out = ok(
        """
        import atexit, threading, time
        began = []
        def late():
            before = len(began)
            lock.release()
            assert handed.wait(60) and not threading.Event().wait(0.01)
            print(len(began) > before)
        atexit.register(late)
        from gmp_py import monkey
        monkey.patch_all()
        import queue
        event, handed, lock = threading.Event(), threading.Event(), threading.Lock()
        def poll():
            while not event.wait(0.001):
                began.append(1)
        def take():
            lock.acquire()
            while not event.wait(0.05):
                handed.set()
                event.wait()
        lock.acquire()
        for body in (poll, take, queue.SimpleQueue().get):
            threading.Thread(target=body, daemon=True).start()
        """
    )
    assert out == "True\n"


def test_a_lock_that_a_task_took_along_does_not_hang_the_exit():
    out = ok(
        """
        import atexit, threading
        def late():
            try:
                lock.acquire()
            except Exception as error:
                print(type(error).__name__)
        atexit.register(late)
        import gmp_py
        from gmp_py import monkey
        monkey.patch_all()
        lock = threading.Lock()
        gmp_py.go(lock.acquire).join()
        """
    )
    assert out == "Stopped\n"


def test_the_exit_status_is_kept():
    assert child("from gmp_py import monkey; monkey.patch_all(); raise SystemExit(3)").returncode == 3


def test_threads_are_waited_for_at_exit():
    script = """
        from gmp_py import monkey
        monkey.patch_all(threads={})
        import threading, time
        def late():
            threading.main_thread().join()
            time.sleep(0.05)
            print("late")
        threading.Thread(target=late).start()
        """
    for threads in (False, True):
        assert ok(textwrap.dedent(script).format(threads)) == "late\n"


def test_what_has_a_thread_of_its_own_can_be_called_at_exit():
    """From 3.12 on no thread starts then."""
    out = ok(
        """
        import socket
        import gmp_py
        gmp_py.monkey.patch_all()
        begun = gmp_py.Event()
        def resting():
            try:
                begun.set()
                gmp_py.sleep(float("inf"))
            finally:
                print(socket.gethostbyname("localhost"))
        gmp_py.go(resting)
        begun.wait()
        """
    )
    assert out == "127.0.0.1\n"


@pytest.mark.parametrize("where", ["fork()", "in_task(fork)"])
def test_a_forked_child_goes_on_under_the_patches(where):
    patched(
        f"""
        import queue, subprocess
        lock, event = threading.RLock(), threading.Event()
        parked = [go(event.wait) for _ in range(5)]
        in_task(threading.current_thread)
        def use():
            with lock:
                assert threading.current_thread() is threading.main_thread(), threading.current_thread()
            assert threading.enumerate() == [threading.main_thread()]
            result = queue.SimpleQueue()
            thread = threading.Thread(target=lambda: (time.sleep(0.01), result.put(threading.get_ident())))
            thread.start()
            assert result.get(timeout=HANG) == thread.ident
            thread.join(HANG)
            assert subprocess.run(["true"]).returncode == 0
            event.set()
            assert event.is_set()
        def fork():
            pid = os.fork()
            if pid:
                return pid
            status = 1
            try:
                use()
                status = 0
            finally:
                os._exit(status)
        pid = {where}
        assert in_task(os.waitpid, pid, 0)[1] == 0
        event.set()
        for task in parked:
            task.join(HANG)
        """
    )


def test_patching_twice_changes_nothing():
    patched(
        """
        import queue, subprocess, _thread, signal
        modules = (threading, _thread, time, queue, subprocess, subprocess.Popen, os, signal, select, socket, socket.socket)
        def state():
            return [dict(vars(module)) for module in modules]
        before = state()
        monkey.patch_all()
        monkey.patch_threading()
        monkey.patch_time()
        monkey.patch_queue()
        monkey.patch_subprocess()
        monkey.patch_dns()
        assert before == state()
        for name in ("threading", "time", "queue", "subprocess", "dns", "socket", "select", "ssl"):
            assert monkey.is_patched(name), name
        assert not monkey.is_patched("threads")
        """
    )


@pytest.mark.parametrize("name", ["threading", "time", "queue", "subprocess", "dns", "socket", "select"])
def test_what_is_told_off_is_not_patched(name):
    ok(
        f"""
        from gmp_py import monkey
        monkey.patch_all({name}=False{", ssl=False" if name == "socket" else ""})
        assert not monkey.is_patched("{name}") and monkey.is_patched("{"time" if name != "time" else "queue"}")
        """
    )


def test_nonsense_is_refused_and_patches_nothing():
    ok(
        """
        from gmp_py import monkey
        for arguments in ({"sockets": True}, {"gevent": True}, {"socket": 1}, {"threads": None}, {"time": "yes"}, {"": True}):
            try:
                monkey.patch_all(**arguments)
            except TypeError:
                continue
            raise AssertionError(arguments)
        for call in (lambda: monkey.patch_all(True), lambda: monkey.patch_threading(threads=2),
                     lambda: monkey.patch_socket(dns=None), lambda: monkey.is_patched(None), lambda: monkey.patch_time(1)):
            try:
                call()
            except TypeError:
                continue
            raise AssertionError
        assert not any(map(monkey.is_patched, ("threading", "time", "queue", "socket", "select", "subprocess", "dns", "ssl")))
        """
    )


def test_names_imported_before_are_renewed_in_the_standard_library_and_told_of_elsewhere():
    done = child(
        """
        import reprlib, sys, tempfile, types
        from time import sleep as pause
        other = types.ModuleType("other")
        exec("from threading import Lock, get_ident", vars(other))
        sys.modules["other"] = other
        from gmp_py import monkey
        monkey.patch_all()
        import threading, time
        assert reprlib.get_ident is threading.get_ident and tempfile._allocate_lock is threading.Lock
        assert pause is not time.sleep and other.Lock is not threading.Lock
        """
    )
    assert done.returncode == 0, done.stderr
    for kept in ("__main__.pause is still time.sleep", "other.Lock is still threading.Lock", "other.get_ident is still "):
        assert "MonkeyPatchWarning" in done.stderr and kept in done.stderr, done.stderr
    assert "reprlib" not in done.stderr and "gmp_py." not in done.stderr.split("MonkeyPatchWarning", 1)[1]
