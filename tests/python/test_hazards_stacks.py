"""Hazards 5 and 14: what tasks cost when there is no more of it, and that the interpreter's data stacks are given back.

That each stack has its guard is proved in C (`c/parked/*`, `crash/guard`) and by test_overflow.py.
"""

import pathlib
import subprocess
import sysconfig

import pytest
from support import ok

SCARCE = """
import gmp_py, resource
def size():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmSize')) * 1024
def fill(limit):
    tasks, refused = [], 0
    while refused < 10 and len(tasks) < limit:
        try:
            tasks.append(gmp_py.go(gate.join))
        except MemoryError:
            refused += 1
    return tasks, refused
open_gate = []
def wait_for_the_gate():
    while not open_gate:
        gmp_py.sleep(0.001)
    return 'open'
gate = gmp_py.go(wait_for_the_gate)
gmp_py.yield_()
"""


def test_address_space_that_is_used_up_is_a_memory_error():
    out = ok(
        SCARCE
        + """
gmp_py.go(int).join()
_, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (size() + (1 << 30), hard))
tasks, refused = fill(100_000)
assert refused == 10 and tasks
open_gate.append(True)
assert {task.join() for task in tasks} == {'open'}
print(len({task.id for task in tasks}) == len(tasks), gmp_py.go(int, '7').join())
"""
    )
    assert out == "True 7\n"


def test_mappings_that_are_used_up_are_a_memory_error(monkeypatch):
    limit = int(pathlib.Path("/proc/sys/vm/max_map_count").read_text())
    if limit > 100_000:
        pytest.skip(f"this machine allows {limit} mappings: too many to use up")
    monkeypatch.setenv("GMP_TEST_GUARD", "mprotect")
    out = ok(
        SCARCE
        + f"""
tasks, refused = fill({limit})
assert refused == 10 and len(tasks) > 1000, (len(tasks), refused)
open_gate.append(True)
assert {{task.join() for task in tasks}} == {{'open'}}
print(gmp_py.go(int, '7').join())
"""
    )
    assert out == "7\n"


def available() -> int:
    text = pathlib.Path("/proc/meminfo").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("MemAvailable")) >> 20


@pytest.mark.skipif(available() < 4, reason="less than 4 GiB are free")
def test_a_hundred_thousand_parked_tasks_fit_into_600_megabytes_and_all_go_on():
    out = ok(
        SCARCE
        + """
def rss():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmRSS')) * 1024
before = rss()
tasks, refused = fill(100_000)
while gmp_py.stats().tasks_parked < len(tasks):
    gmp_py.yield_()
used = rss() - before
open_gate.append(True)
assert len(tasks) == 100_000 and all(task.join() == 'open' for task in tasks)
print(used)
"""
    )
    assert int(out) < 600_000_000


# Chunks of the data stack come from the allocator of arenas; they are 16 KiB or a little more, arenas are larger by far.
COUNTER = r"""
#include <Python.h>
#include <stdatomic.h>
static PyObjectArenaAllocator before;
static atomic_long chunks, made;
static void *take(void *ctx, size_t size) {
    void *found = before.alloc(ctx, size);
    if (found != NULL && size < 256 * 1024) {
        atomic_fetch_add(&chunks, 1);
        atomic_fetch_add(&made, 1);
    }
    return found;
}
static void give(void *ctx, void *chunk, size_t size) {
    if (size < 256 * 1024)
        atomic_fetch_sub(&chunks, 1);
    before.free(ctx, chunk, size);
}
void watch(void) {
    PyObject_GetArenaAllocator(&before);
    PyObjectArenaAllocator mine = {before.ctx, take, give};
    PyObject_SetArenaAllocator(&mine);
}
long alive(void) { return atomic_load(&chunks); }
long total(void) { return atomic_load(&made); }
"""


def test_every_chunk_of_a_data_stack_is_given_back(tmp_path):
    if not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").is_file():
        pytest.skip("this interpreter came without its headers")
    source, library = tmp_path / "counter.c", tmp_path / "counter.so"
    source.write_text(COUNTER)
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", include, str(source), "-o", str(library)], check=True)
    out = ok(
        f"""
        import ctypes, gmp_py, sys
        counter = ctypes.PyDLL({str(library)!r})
        def deep(n, wait):
            if n:
                return deep(n - 1, wait)
            wait()
            return 0
        def many(*arguments):
            gmp_py.yield_()
            return len(arguments)
        def fail():
            raise LookupError
        def endless():
            return endless()
        def generate(n):
            gmp_py.yield_()
            yield n
            if n:
                yield from generate(n - 1)
        works = [(deep, 900, gmp_py.yield_), (many, *range(5000)), (deep, 900, fail), (endless,), (int,),
                 (lambda: sum(generate(200)),), (deep, 900, lambda: many(*range(5000)))]
        def main():
            for _ in range(20):
                for task in [gmp_py.go(*work) for work in works]:
                    task.exception()
        def settle():
            gmp_py.go(int).join()  # the state of a task that ended is deleted at the next Swap
            return counter.alive()
        gmp_py.run(main)
        counter.watch()
        baseline = settle()
        for _ in range(3):
            gmp_py.run(main)
        # The main thread's own stack may have grown or shrunk by a chunk.
        assert abs(settle() - baseline) <= 1, (baseline, settle())
        print(counter.total() > 1000)
        """
    )
    assert out == "True\n"
