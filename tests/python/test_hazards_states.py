"""Hazard 12: a thread state that is freed while the monitor reads it."""

import pytest
from support import ok

# The states of dead tasks lie in memory that the interpreter's debug allocator overwrites: -X dev.
STORM = """
import gmp_py, ctypes, os, select, time, random
gmp_py.max_procs({procs})
ends = random.Random(7)
library = ctypes.CDLL(os.path.join(gmp_py.get_library_dir(), 'libgmprt.so.0'))
address = ctypes.cast(library.gmp_sleep, ctypes.c_void_p).value
r, w = os.pipe()
def short(seconds):
    # Detached for about as long as the monitor waits before it looks, and then gone.
    time.sleep(seconds)
def polls(seconds):
    select.select([r], [], [], seconds)
def detached(seconds):
    library.gmp_sleep(ctypes.c_int64(int(seconds * 1e9)))
def nested(seconds):
    gmp_py.go(short, seconds).join()
def raises(seconds):
    time.sleep(seconds)
    raise LookupError
works = [short, polls, detached, nested, raises]
def main():
    # Native tasks keep the monitor attentive: there is always someone who could use the processor.
    for turn in range(60):
        natives = [gmp_py.go_native(address, 200_000) for _ in range(5)]
        tasks = [gmp_py.go(ends.choice(works), ends.random() * 4e-4) for _ in range(25)]
        for task in tasks:
            assert isinstance(task.exception(), (type(None), LookupError))
        for task in natives:
            task.join()
    return turn
print(gmp_py.run(main))
"""


@pytest.mark.parametrize("procs", [1, 2, 4])
def test_tasks_that_end_while_the_monitor_looks(procs):
    assert ok(STORM.format(procs=procs), "-X", "dev") == "59\n"
