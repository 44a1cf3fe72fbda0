"""What tasks cost in memory, and that they give it back."""

from support import ok

RSS = """
import gmp_py
def rss():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmRSS')) * 1024
"""


def test_a_parked_task_is_small():
    out = ok(
        RSS
        + """
count = 10_000
def main():
    gmp_py.go(int).join()
    before = rss()
    tasks = [gmp_py.go(gmp_py.sleep, 1000) for _ in range(count)]
    while any('not started' in repr(task) for task in tasks[-1:]):
        gmp_py.yield_()
    return (rss() - before) / count
print(gmp_py.run(main))
"""
    )
    assert 0 < float(out) < 6000


def test_tasks_that_ended_leave_nothing_behind():
    out = ok(
        RSS
        + """
import ctypes, gc, os
library = ctypes.PyDLL(os.path.join(gmp_py.get_library_dir(), 'libgmprt.so.0'))
def dive(n):
    if n == 0:
        raise LookupError
    dive(n - 1)
def dive_and_wait(n):
    return dive_and_wait(n - 1) if n else gmp_py.yield_()
def cut_off(steps):
    return library.gmp_exit() if next(steps, None) is None else cut_off(steps)
steps = [1] * 800
def round():
    for work in (dive, dive_and_wait):
        for task in [gmp_py.go(work, 800) for _ in range(20)]:
            task.exception()
    # Frames that gmp_exit cuts off are lost, and what they refer to. Their chunks are not.
    for _ in range(20):
        gmp_py.go(cut_off, iter(steps)).exception()
    gc.collect()
def main():
    for _ in range(3):
        round()
    before = rss()
    for _ in range(20):
        round()
    return rss() - before
print(gmp_py.run(main))
"""
    )
    # A lost chunk would be 16 KiB for each of 400 tasks at least.
    assert int(out) < 4 << 20


def test_handles_of_ended_tasks_are_given_back():
    out = ok(
        RSS
        + """
def main():
    for n in range(3):
        for _ in range(20_000):
            gmp_py.go(int).join()
        if n == 0:
            before = rss()
    return rss() - before
print(gmp_py.run(main))
"""
    )
    assert int(out) < 1 << 20


def test_a_hundred_thousand_parked_tasks_fit_in_600_mb():
    out = ok(
        RSS
        + """
count, came = 100_000, 0
def wait(gate):
    global came
    came += 1
    gate.wait()
    return 1
def main():
    gate = gmp_py.Event()
    tasks = [gmp_py.go(wait, gate) for _ in range(count)]
    while came < count:
        gmp_py.yield_()
    gmp_py.yield_()
    assert not any(task.done() for task in tasks)
    parked = rss()
    gate.set()
    assert sum(task.join() for task in tasks) == count
    return parked
print(gmp_py.run(main))
"""
    )
    # The whole process, interpreter and all. Measured: 517 MB on 3.11.
    assert int(out) < 600_000_000
