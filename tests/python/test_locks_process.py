"""Locks where the whole process matters: signals, fork, exit, native tasks, and states that only an empty runtime shows."""

import pytest
from support import child, ok

# 3.12 and later warn about fork in a process with threads; that is the point here.
QUIET = ("-W", "ignore::DeprecationWarning")

PRELUDE = """
import ctypes, os, signal, sys, threading, time
import gmp_py
from gmp_py import go

def parked(n):
    while gmp_py.stats().tasks_parked != n:
        gmp_py.yield_()

def interrupt_soon():
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
"""

WAITS = {
    "mutex": "lock = gmp_py.Mutex(); lock.acquire(); wait = lock.acquire",
    "rlock": "lock = gmp_py.RLock(); go(lock.acquire).join(); wait = lock.acquire",
    "semaphore": "wait = gmp_py.Semaphore(0).acquire",
    "event": "wait = gmp_py.Event().wait",
    "wait_group": "lock = gmp_py.WaitGroup(); lock.add(); wait = lock.wait",
    "reader": "lock = gmp_py.RWLock(); lock.write().acquire(); wait = lock.read().acquire",
    "writer": "lock = gmp_py.RWLock(); lock.read().acquire(); wait = lock.write().acquire",
    "condition": "lock = gmp_py.Condition(); lock.acquire(); wait = lock.wait",
    "barrier": "wait = gmp_py.Barrier(2).wait",
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_a_wait_of_the_main_thread(wait):
    out = ok(
        f"""{PRELUDE}
{WAITS[wait]}
for _ in range(2):
    interrupt_soon()
    try:
        wait()
    except KeyboardInterrupt:
        print('interrupted')
if {wait == "condition"}:
    assert lock._is_owned()
"""
    )
    assert out == "interrupted\n" * 2


@pytest.mark.parametrize("wait", WAITS)
def test_tasks_that_wait_at_exit_run_their_finally_blocks(wait):
    out = ok(
        f"""{PRELUDE}
{WAITS[wait]}
if {wait == "condition"}:
    lock.release()
def work():
    try:
        if {wait == "condition"}:
            lock.acquire()
        wait()
    finally:
        os.write(1, b'finally\\n')
        if {wait == "condition"}:
            lock.release()
tasks = [go(work) for _ in range({1 if wait == "barrier" else 3})]
parked(len(tasks))
"""
    )
    assert out == "finally\n" * (1 if wait == "barrier" else 3)


def test_a_native_task_cannot_wait_or_wake():
    out = ok(
        f"""{PRELUDE}
mutex = gmp_py.Mutex()
event, semaphore, group, rw, condition = gmp_py.Event(), gmp_py.Semaphore(0), gmp_py.WaitGroup(), gmp_py.RWLock(), gmp_py.Condition(mutex)
def native(_):
    with free:
        pass
    for call in (lambda: mutex.acquire(timeout=5), mutex.release, event.set, semaphore.release, group.done, rw.write().release):
        try:
            call()
            print('no error')
        except gmp_py.Misuse:
            pass
    return 0
callback = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(native)
free = gmp_py.RLock()
mutex.acquire(); group.add(); rw.write().acquire()
waiters = [go(f) for f in (mutex.acquire, event.wait, semaphore.acquire, group.wait, rw.read().acquire)]
parked(len(waiters))
go_native = gmp_py.go_native(ctypes.cast(callback, ctypes.c_void_p).value)
go_native.join(50)
mutex.release(); event.set(); semaphore.release(); group.done(); rw.write().release()
print([w.join(50) for w in waiters])
"""
    )
    assert out == "[True, True, True, None, True]\n"


def test_an_event_that_is_cleared_at_once_has_woken_all():
    out = ok(
        f"""{PRELUDE}
event = gmp_py.Event()
tasks = [go(event.wait) for _ in range(20)]
parked(20)
event.set()
event.clear()
print([task.join(50) for task in tasks] == [True] * 20, event.is_set())
"""
    )
    assert out == "True False\n"


def test_locks_in_the_child_of_a_fork():
    out = ok(
        f"""{PRELUDE}
mutex, rlock, semaphore, rw = gmp_py.Mutex(), gmp_py.RLock(), gmp_py.Semaphore(1), gmp_py.RWLock()
event, condition = gmp_py.Event(), gmp_py.Condition()
def hold():
    with rlock, mutex, semaphore, rw.write():
        gmp_py.sleep(1000)
def wait():
    with condition:
        condition.wait()
go(hold)
waiters = [go(f) for f in (rlock.acquire, mutex.acquire, semaphore.acquire, rw.read().acquire, event.wait, wait)]
parked(1 + len(waiters))
pid = os.fork()
if pid == 0:
    # What the parent's tasks held stays held, their waits are forgotten.
    print([lock.acquire(timeout=0.001) for lock in (mutex, rlock, semaphore, rw.read())])
    for lock in (mutex, rlock, condition):
        lock._at_fork_reinit()
    semaphore.release()
    rw.write().release()
    event.set()
    with condition:
        condition.notify_all()
    def use(lock, n):
        for _ in range(n):
            with lock:
                gmp_py.yield_()
    for lock in (mutex, rlock, semaphore, rw.read(), rw.write(), condition):
        for task in [go(use, lock, 5) for _ in range(5)]:
            task.join(50)
    print(event.wait(1), gmp_py.num_tasks())
    sys.stdout.flush()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
os._exit(0)
""",
        *QUIET,
    )
    assert out == "[False, False, False, False]\nTrue 0\n"


def test_a_task_that_forks_keeps_its_locks_in_the_child():
    out = ok(
        f"""{PRELUDE}
rlock, mutex = gmp_py.RLock(), gmp_py.Mutex()
def work():
    with rlock, rlock, mutex:
        pid = os.fork()
        if pid == 0:
            assert rlock._is_owned() and rlock.acquire()
            rlock.release()
            assert not any(go(rlock.acquire, False).join() for _ in range(20)), 'ids begin anew'
    if pid == 0:
        print(rlock.locked(), mutex.locked(), go(rlock.acquire, False).join(), flush=True)
        os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(gmp_py.run(work))
""",
        *QUIET,
    )
    assert out == "False False True\n3\n"


def test_a_wait_that_can_never_end_is_interrupted_in_run():
    done = child(
        f"""{PRELUDE}
mutex = gmp_py.Mutex()
def main():
    mutex.acquire()
    try:
        mutex.acquire()
    finally:
        print('finally', flush=True)
interrupt_soon()
gmp_py.run(main)
"""
    )
    assert "KeyboardInterrupt" in done.stderr and done.stdout == "finally\n" and done.returncode != 0
