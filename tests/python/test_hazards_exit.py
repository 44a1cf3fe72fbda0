"""Hazards 15 and 21: the process ends, or forks, with a task in every state there is; -X dev, warnings are errors."""

import re
import subprocess
import sys

import pytest
from support import HANG

STRICT = ("-X", "dev", "-W", "error")

# What a task is in when the end comes. TaskExit ends the wait, and the finally block runs.
PARKED = {
    "sleep": "gmp_py.sleep(1000)",
    "join": "gmp_py.go(gmp_py.sleep, 1000).join()",
    "exception": "gmp_py.go(gmp_py.sleep, 1000).exception(1000)",
    "native join": "gmp_py.go_native(nap, 10**12).join()",
    "send": "gmp_py.Chan().send(1)",
    "recv": "gmp_py.Chan().recv()",
    "recv with a timeout": "gmp_py.Chan().recv(timeout=1000)",
    "chan iteration": "list(gmp_py.Chan())",
    "select": "gmp_py.select(gmp_py.recv(gmp_py.Chan()), gmp_py.send(gmp_py.Chan(), 1))",
    "Mutex": "m = gmp_py.Mutex(); m.acquire(); m.acquire()",
    "RLock": "m = gmp_py.RLock(); gmp_py.go(m.acquire).join(); m.acquire()",
    "RWLock": "m = gmp_py.RWLock(); m.write().__enter__(); m.read().__enter__()",
    "Condition": "c = gmp_py.Condition(); c.acquire(); c.wait()",
    "WaitGroup": "w = gmp_py.WaitGroup(); w.add(1); w.wait()",
    "Semaphore": "gmp_py.Semaphore(0).acquire()",
    "Event": "gmp_py.Event().wait()",
    "Barrier": "gmp_py.Barrier(2).wait()",
    "after": "gmp_py.after(1000).recv()",
    "Ticker": "gmp_py.Ticker(1000).c.recv()",
    "Group": "\n    with gmp_py.Group() as group:\n      group.go(gmp_py.sleep, 1000)",
    "cancel_scope": "\n    with gmp_py.cancel_scope(1000):\n      gmp_py.sleep(1000)",
    "Context": "gmp_py.Context().done().recv()",
    "accept": "gmp_py.net.listen('tcp', '127.0.0.1:0').accept()",
    "read": "\n    with gmp_py.net.listen('tcp', '127.0.0.1:0') as l, gmp_py.net.dial('tcp', '127.0.0.1:%d' % l.address[1]) as s:\n      s.read(1)",
    "nested": "\n    try:\n      gmp_py.sleep(1000)\n    finally:\n      gmp_py.sleep(0.001)",
    "below C": "sorted([2, 1], key=lambda _: gmp_py.sleep(1000))",
    "del": "Waits().now = None",
}

SCRIPT = """
import ctypes, os, sys, threading, time, warnings, gmp_py
nap = ctypes.cast(ctypes.CDLL(os.path.join(gmp_py.get_library_dir(), 'libgmprt.so.0')).gmp_sleep, ctypes.c_void_p).value
class Waits:
    def __setattr__(self, name, value):
        gmp_py.sleep(1000)
def work():
  started.append(1)
  try:
    {body}
  finally:
    print('finally', flush=True)
def until(condition):
    end = time.monotonic() + 50
    while not condition():
        assert time.monotonic() < end
        gmp_py.sleep(0.001)
started = []
task = gmp_py.go(work)
until(lambda: started)
gmp_py.sleep(0.005)  # by now it is most often parked; the end must be right at any other moment too
"""


def end_of(script: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, *STRICT, "-c", script], capture_output=True, text=True, timeout=HANG)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("what", PARKED)
def test_exit_with_a_task_that_waits_in(what):
    assert end_of(SCRIPT.format(body=PARKED[what])) == (0, "finally\n", "")


EVERY = """
import random
bodies = {bodies!r}
def run_body(body):
    scope = dict(globals())
    exec(compile(body, '<body>', 'exec'), scope)
for body in bodies * 3:
    gmp_py.go(run_body, 'if 1:' + body if body.startswith(chr(10)) else body)
gmp_py.go(lambda: [gmp_py.yield_() for _ in iter(int, 1)])
gmp_py.go(lambda: sum(1 for _ in iter(int, 1)))
gmp_py.go(time.sleep, 1000)
gmp_py.go_native(nap, 10**12)
for start in range(5):
    gmp_py.go(print, 'never')  # may have started, or may not
threading.Thread(target=task.exception, daemon=True).start()
threading.Thread(target=lambda: gmp_py.go(gmp_py.sleep, 1000).exception(), daemon=True).start()
"""

ENDS = {
    "falls off the end": ("", 0),
    "sys.exit(3)": ("sys.exit(3)", 3),
    "os._exit(4)": ("sys.stdout.flush(); os._exit(4)", 4),
    "a task exits": ("gmp_py.go(sys.exit, 5).join()", 5),
    "an atexit callback that waits": ("import atexit; atexit.register(gmp_py.sleep, 0.01)", 0),
}


@pytest.mark.parametrize("what", ENDS)
def test_exit_with_tasks_in_every_state_at_once(what):
    bodies = list(PARKED.values())
    end, status = ENDS[what]
    code, out, errors = end_of(SCRIPT.format(body="gmp_py.sleep(1000)") + EVERY.format(bodies=bodies) + end)
    # One task may be told of twice: a destructor that was cut off, where the interpreter says that it ignores the exception.
    assert (code, errors) == (status, ""), errors
    # Tasks that print at once may do so into each other's lines.
    assert not re.sub(r"finally|never|\s", "", out) and ("finally" in out or status == 4)


FORK = """
warnings.simplefilter('ignore', DeprecationWarning)  # 3.12 tells of a fork beside threads
def child():
    assert gmp_py.num_tasks() == 0 and gmp_py.current() is None
    assert gmp_py.run(lambda: [t.join() for t in [gmp_py.go(int, '5') for _ in range(20)]]) == [5] * 20
def fork():
    pid = os.fork()
    if pid == 0:
        try:
            child()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
for _ in range(5):
    fork()
    gmp_py.go(fork).join()
print('forked', flush=True)
os._exit(0)
"""


def test_forks_beside_tasks_in_every_state():
    bodies = list(PARKED.values())
    code, out, errors = end_of(SCRIPT.format(body="gmp_py.sleep(1000)") + EVERY.format(bodies=bodies) + FORK)
    assert (code, errors) == (0, "") and "forked" in out.split()


PROCESSES = """
import multiprocessing
def in_child(n):
    return gmp_py.run(lambda: sum(task.join() for task in [gmp_py.go(int, n) for _ in range(10)]))
if __name__ == '__main__':
    warnings.simplefilter('ignore', DeprecationWarning)
    def pool():
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            return pool.map(in_child, range(4))
    print(*pool(), 'pool', flush=True)
    print(*gmp_py.go(pool).join(), 'pool', flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_beside_tasks_in_every_state(method, tmp_path):
    bodies = list(PARKED.values())
    script = tmp_path / "script.py"
    guarded = SCRIPT.format(body="gmp_py.sleep(1000)") + EVERY.format(bodies=bodies)
    # Children that import the script afresh must not start the parent's tasks.
    head, _, tail = guarded.partition("started = []\n")
    tail = "if __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in tail.splitlines())
    script.write_text(head + "started = []\n" + tail + PROCESSES.format(method=method))
    done = subprocess.run([sys.executable, *STRICT, str(script)], capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert done.stdout.count("0 10 20 30 pool") == 2
