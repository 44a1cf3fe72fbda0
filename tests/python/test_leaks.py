"""Nothing is left behind: a million tasks, and a loop over every public class, in memory and in objects."""

import subprocess
import sys

import pytest
from support import ok

MEASURE = """
import gc, sys
import gmp_py
from gmp_py import *
def rss():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmRSS')) * 1024
def settle():
    go(int).join()  # the state of the task before it goes with the next one
    while gmp_py.num_tasks() > parked:
        yield_()
    gc.collect()
def objects():
    settle()
    return len(gc.get_objects()), sys.getallocatedblocks()
parked = 0
"""


def test_a_million_tasks_leave_memory_as_it_was():
    script = (
        MEASURE
        + """
def work(n):
    if n % 8 == 0:
        yield_()
    if n % 100 == 1:
        raise LookupError
    return n
def main(count):
    for start in range(0, count, 1000):
        for task in [go(work, n) for n in range(start, start + 1000)]:
            task.exception()
run(main, 100_000)
before, bytes_before = objects(), rss()
run(main, 900_000)
after, bytes_after = objects(), rss()
print(after[0] - before[0], after[1] - before[1], bytes_after - bytes_before)
"""
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    tracked, blocks, grown = map(int, done.stdout.split())
    assert abs(tracked) < 100 and abs(blocks) < 500, (tracked, blocks)
    assert grown < 4 << 20


# One turn of each. `Anything` is an object that only the garbage collector frees, and that refers to what it is told.
CASES = {
    "Task": "task = go(int, '3', name='n'); task.join(); task.exception(); task.done(); repr(task); task.id; task.name; hash(task)",
    "Task error": "go(int, 'x').exception()",
    "Task error raised": "caught(ValueError, go(int, 'x').join)",
    "Task timeout": "task = go(sleep, 0.001); caught(TimeoutError, task.join, 0); task.join()",
    "Task in a cycle": "a = Anything(); a.task = go(getattr, a, 'task', a); a.task.join()",
    "Task in a weak reference": "import weakref; r = weakref.ref(go(int)); r()",
    "Task cancel": "task = go(sleep, 100); yield_(); task.cancel(); caught(Cancelled, task.join)",
    "Task cancel before its start": "task = go(sleep, 100); task.cancel(); caught(Cancelled, task.join)",
    "Task in a context": "import contextvars; go(int, context=contextvars.copy_context()).join()",
    "go_native": "go_native(labs, 5).join()",
    "Task alias": "gmp_py.Task[int]; repr(gmp_py.Task[str])",
    "current": "go(current).join(); current()",
    "bad input": "caught(TypeError, go, 3); caught(TypeError, go, int, name=3); caught(ValueError, sleep, -1); caught(TypeError, sleep, 'x')",
    "stats": "stats(); max_procs(); num_tasks(); repr(stats())",
    "Chan": "c = gmp_py.Chan(3); [c.send(Anything()) for _ in range(3)]; c.recv(); c.try_recv(); c.close(); list(c); len(c); repr(c)",
    "Chan unbuffered": "c = gmp_py.Chan(); t = go(c.send, Anything()); c.recv(); t.join()",
    "Chan left full": "c = gmp_py.Chan(3); c.send(c); c.send(Anything())",
    "Chan timeouts": "c = gmp_py.Chan(); caught(TimeoutError, c.send, Anything(), timeout=0.0005); caught(TimeoutError, c.recv, timeout=0)",
    "Chan closed": "c = gmp_py.Chan(1); c.close(); caught(gmp_py.ChannelClosed, c.send, 1); caught(gmp_py.ChannelClosed, c.recv)",
    "select": "c = gmp_py.Chan(1); gmp_py.select(gmp_py.send(c, Anything()), gmp_py.recv(gmp_py.Chan())); gmp_py.select(gmp_py.recv(c))",
    "select default": "gmp_py.select(gmp_py.recv(gmp_py.Chan()), default=True)",
    "select timeout": "caught(TimeoutError, gmp_py.select, gmp_py.recv(gmp_py.Chan()), timeout=0.0005)",
    "Mutex": "m = gmp_py.Mutex(); together(m); repr(m)",
    "RLock": "m = gmp_py.RLock(); together(m); repr(m)",
    "RWLock": "m = gmp_py.RWLock(); together(m.read()); together(m.write())",
    "Condition": "c = gmp_py.Condition(); together(c); c.acquire(); c.wait(0.0005); c.notify_all(); c.release()",
    "WaitGroup": "w = gmp_py.WaitGroup(); w.add(1); t = go(w.wait); w.done(); t.join()",
    "Once": "o = gmp_py.Once(); o.do(int); o.do(int)",
    "Semaphore": "s = gmp_py.Semaphore(1); together(s)",
    "Event": "e = gmp_py.Event(); t = go(e.wait); e.set(); t.join(); e.clear(); e.wait(0)",
    "Barrier": "b = gmp_py.Barrier(2); t = go(b.wait); b.wait(); t.join()",
    "Timer": "t = gmp_py.Timer(100, Anything()); t.stop()",
    "Timer that fires": "e = gmp_py.Event(); t = gmp_py.Timer(0.0001, e.set); e.wait()",
    "Ticker": "t = gmp_py.Ticker(0.0005); t.c.recv(); t.stop()",
    "after": "gmp_py.after(0.0005).recv()",
    "Group": "\n    with gmp_py.Group() as g:\n        g.go(int, '3')\n        g.go(yield_)",
    "Group error": "caught(BaseExceptionGroup, failing_group)",
    "cancel_scope": "caught(TimeoutError, scoped, 0.0005); scoped(None)",
    "Context": "c = gmp_py.Context(); d = gmp_py.Context(c, timeout=100); c.cancel(); d.done(); d.err(); c.err()",
    "Executor": "\n    with gmp_py.Executor(2) as e:\n        list(e.map(int, '123'))\n        e.submit(int, 'x').exception()",
    "blocking": "gmp_py.blocking(int, '3'); go(gmp_py.blocking, int, '3').join(); caught(ValueError, gmp_py.blocking, int, 'x')",
    "net": "\n    with net.listen('tcp', '127.0.0.1:0') as l:\n        with net.dial('tcp', '127.0.0.1:%d' % l.address[1]) as s, l.accept() as t:\n"
    "            s.write(b'x\\n'); t.readline(); repr(t), t.local_address, s.remote_address",
    "net timeout": "\n    with net.listen('tcp', '127.0.0.1:0') as l:\n        caught(TimeoutError, l.accept, 0.0005)",
    "dump": "import io; gmp_py.dump(io.StringIO())",
    "_C_API": "import ctypes; gmp_py._C_API; gmp_py.get_include()",
}

LOOP = """
import ctypes, threading
labs = ctypes.cast(ctypes.CDLL(None).labs, ctypes.c_void_p).value
class Anything:
    def __init__(self):
        self.me = self
    def __call__(self):
        pass
def caught(kind, fn, *args, **kwargs):
    try:
        fn(*args, **kwargs)
    except kind:
        return
    raise AssertionError('no ' + kind.__name__)
def hold(lock):
    with lock:
        yield_()
def together(lock):
    for task in [go(hold, lock) for _ in range(3)]:
        task.join()
def failing_group():
    with gmp_py.Group() as group:
        group.go(sleep, 100)
        group.go(int, 'x')
def scoped(timeout):
    with gmp_py.cancel_scope(timeout) as scope:
        if timeout is None:
            scope.cancel()
        sleep(100)
def turn():
    {turn}
def turns(count):
    for _ in range(count):
        turn()
def both(count):
    turns(count)
    go(turns, count).join()
both(100)
both(100)
before = objects()
both(200)
middle = objects()
both(400)
after = objects()
# Caches and tables grow by leaps, a leak by every turn: 400 turns in a task, 400 outside.
print(*(a - m for a, m in zip(after, middle)), *(m - b for m, b in zip(middle, before)))
"""


@pytest.mark.parametrize("case", CASES)
def test_a_loop_leaves_no_object_behind(case):
    tracked, blocks, _, _ = map(int, ok(MEASURE + LOOP.replace("{turn}", CASES[case])).split())
    assert tracked < 200 and blocks < 400, (tracked, blocks)
