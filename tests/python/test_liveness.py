"""Nothing that a task does in unpatched code stops the other tasks: Python ones, native ones, on one processor too.

Each script ends only if another task goes on while one is stuck: what the stuck one waits for is done by the other.
A regression hangs, and the child's limit ends it.
"""

import pytest
from support import ok

HEAD = """
import gmp_py, os, socket, sys, threading, time
PROCS = {procs}
gmp_py.max_procs(PROCS)
def both(stuck, other):
    def main():
        waits = gmp_py.go(stuck)
        frees = gmp_py.go(other)
        frees.join()
        return waits.join()
    return gmp_py.run(main)
"""

STUCK = {
    "os_read": """
        ours, theirs = os.pipe()
        assert both(lambda: os.read(ours, 1), lambda: os.write(theirs, b'x')) == b'x'
    """,
    "socket_recv": """
        ours, theirs = socket.socketpair()
        assert both(lambda: ours.recv(1), lambda: theirs.send(b'x')) == b'x'
    """,
    "socket_accept": """
        ours = socket.create_server(('127.0.0.1', 0))
        def knock():
            socket.create_connection(ours.getsockname()).close()
        both(lambda: ours.accept()[0].close(), knock)
    """,
    "threading_lock": """
        lock = threading.Lock()
        lock.acquire()
        assert both(lock.acquire, lock.release)
    """,
    "threading_event": """
        event = threading.Event()
        assert both(event.wait, event.set) is None or event.is_set()
    """,
    "queue_get": """
        import queue
        items = queue.Queue()
        assert both(items.get, lambda: items.put(7)) == 7
    """,
    "thread_join": """
        event = threading.Event()
        thread = threading.Thread(target=event.wait)
        thread.start()
        both(thread.join, event.set)
    """,
    "subprocess_run": """
        import subprocess
        ours, theirs = os.pipe()
        def child():
            return subprocess.run(['cat'], stdin=ours, capture_output=True).stdout
        def feed():
            os.write(theirs, b'fed')
            os.close(theirs)
        os.set_inheritable(theirs, False)
        assert both(child, feed) == b'fed'
    """,
    "sqlite_busy": """
        import sqlite3, tempfile
        with tempfile.TemporaryDirectory() as folder:
            path = folder + '/busy.db'
            first = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            first.execute('create table t(x)')
            first.execute('begin exclusive')
            begun = []
            def stuck():
                second = sqlite3.connect(path, timeout=50, isolation_level=None)
                begun.append(1)
                second.execute('insert into t values (1)')
                second.close()
            def free():
                while not begun:
                    gmp_py.yield_()
                first.execute('commit')
            both(stuck, free)
            assert first.execute('select count(*) from t').fetchone() == (1,)
            first.close()
    """,
    "ctypes_call": """
        import ctypes
        libc = ctypes.CDLL(None)
        ours, theirs = os.pipe()
        byte = ctypes.create_string_buffer(1)
        assert both(lambda: libc.read(ours, byte, 1), lambda: os.write(theirs, b'x')) == 1
    """,
    "select_poll": """
        import select
        ours, theirs = os.pipe()
        def stuck():
            poll = select.poll()
            poll.register(ours, select.POLLIN)
            return poll.poll()
        assert both(stuck, lambda: os.write(theirs, b'x')) == [(ours, select.POLLIN)]
    """,
    "spinning": """
        flag = []
        def spin():
            while not flag:
                pass
        both(spin, lambda: flag.append(1))
    """,
    "hashing": """
        import hashlib
        big, flag = bytes(1 << 22), []
        def hash_on():
            while not flag:
                hashlib.sha256(big).digest()
        both(hash_on, lambda: flag.append(1))
    """,
    "sleeping": """
        flag = []
        def nap():
            while not flag:
                time.sleep(0.001)
        both(nap, lambda: flag.append(1))
    """,
    "import_of_a_module_that_waits": """
        import tempfile
        ours, theirs = os.pipe()
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + '/slow_to_import.py', 'w') as file:
                file.write('import os; got = os.read(%d, 1)' % ours)
            sys.path.insert(0, folder)
            def load():
                import slow_to_import
                return slow_to_import.got
            assert both(load, lambda: os.write(theirs, b'x')) == b'x'
    """,
}


@pytest.mark.parametrize("procs", [1, 2])
@pytest.mark.parametrize("name", STUCK)
def test_another_python_task_frees_one_that_is_stuck(name, procs):
    ok(HEAD.format(procs=procs) + "if 1:" + STUCK[name] + "\nprint('done')")


@pytest.mark.parametrize("procs", [1, 2])
def test_native_tasks_go_on_beside_one_that_is_stuck(procs):
    ok(
        HEAD.format(procs=procs)
        + """
import ctypes
from ctypes import c_int, c_size_t, c_void_p
lib = ctypes.CDLL(gmp_py.get_library_dir() + '/libgmprt.so.0')
ours, theirs = os.pipe()
# gmp_close_fd(fd) as a task: the reader gets its end of file from a native task.
code = ctypes.cast(lib.gmp_close_fd, c_void_p).value
def main():
    waits = gmp_py.go(os.read, ours, 1)
    gmp_py.go_native(code, theirs).join()
    return waits.join()
assert gmp_py.run(main) == b''
"""
    )


@pytest.mark.parametrize("procs", [1, 2])
def test_many_stuck_tasks_do_not_stop_one(procs):
    ok(
        HEAD.format(procs=procs)
        + """
pairs = [os.pipe() for _ in range(50)]
def main():
    waits = [gmp_py.go(os.read, ours, 1) for ours, _ in pairs]
    def free():
        for _, theirs in pairs:
            os.write(theirs, b'x')
            gmp_py.yield_()
    gmp_py.go(free).join()
    assert [task.join() for task in waits] == [b'x'] * 50
gmp_py.run(main)
"""
    )


@pytest.mark.parametrize("procs", [1, 2])
def test_many_spinning_tasks_do_not_stop_one(procs):
    ok(
        HEAD.format(procs=procs)
        + """
flag = []
def spin():
    while not flag:
        pass
def main():
    spinning = [gmp_py.go(spin) for _ in range(8)]
    gmp_py.go(flag.append, 1).join()
    for task in spinning:
        task.join()
gmp_py.run(main)
"""
    )


@pytest.mark.parametrize("procs", [1, 2])
def test_stuck_tasks_and_a_thread_that_computes(procs):
    """Both need the GIL that a foreign thread hogs; a native task wants the processor too."""
    ok(
        HEAD.format(procs=procs)
        + """
flag = []
def compute():
    while not flag:
        sum(range(1000))
thread = threading.Thread(target=compute)
thread.start()
ours, theirs = os.pipe()
def main():
    waits = gmp_py.go(os.read, ours, 1)
    for _ in range(20):
        time.sleep(0.0005)
        gmp_py.yield_()
    gmp_py.go(os.write, theirs, b'x').join()
    return waits.join()
assert gmp_py.run(main) == b'x'
flag.append(1)
thread.join()
"""
    )


def test_parked_tasks_leave_the_thread_that_is_stuck():
    """Tasks that were started on the stuck task's thread and parked there go on on another one."""
    ok(
        HEAD.format(procs=1)
        + """
parked, ours_theirs = [], os.pipe()
ours, theirs = ours_theirs
def waiter():
    parked.append(1)
    gmp_py.sleep(0.02)
    return threading.get_native_id()
def main():
    tasks = [gmp_py.go(waiter) for _ in range(10)]
    while len(parked) < 10:
        gmp_py.yield_()
    stuck = gmp_py.go(os.read, ours, 1)
    threads = {task.join() for task in tasks}
    gmp_py.go(os.write, theirs, b'x').join()
    stuck.join()
    return threads
assert gmp_py.run(main)
"""
    )


@pytest.mark.parametrize("procs", [1, 2])
def test_declared_blocking_calls(procs):
    ok(
        HEAD.format(procs=procs)
        + """
import pytest
def nested():
    return gmp_py.blocking(gmp_py.blocking, os.read, ours, 1)
def waits_inside(n, *, more):
    gmp_py.sleep(0.001)
    return os.read(ours, n) + more
ours, theirs = os.pipe()
for stuck in (nested, lambda: gmp_py.blocking(os.read, ours, 1), lambda: gmp_py.blocking(waits_inside, 1, more=b'')):
    assert both(stuck, lambda: os.write(theirs, b'x')) == b'x'
os.write(theirs, b'y')
assert gmp_py.blocking(os.read, ours, 1) == b'y'
def fails():
    raise KeyError(1)
for wrong, error in (((), TypeError), ((1,), TypeError), ((fails,), KeyError), ((os.read, 'no'), TypeError)):
    for call in (gmp_py.blocking, lambda *args: gmp_py.go(gmp_py.blocking, *args).join()):
        with pytest.raises(error):
            call(*wrong)
"""
    )
