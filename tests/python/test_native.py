"""Native tasks, and Python tasks that wait below foreign C frames."""

import ctypes
import os
import subprocess
import threading

import gmp_py
import pytest
from support import in_task, ok, wait_until

LIBRARY = os.path.join(gmp_py.get_library_dir(), "libgmprt.so.0")

C_SOURCE = """
#include <gmprt.h>
#include <stdatomic.h>
static atomic_int here;
/* Returns only when two of it run at the same instant. */
void *meet(void *arg) {
    atomic_fetch_add(&here, 1);
    while (atomic_load(&here) < 2) { }
    return arg;
}
void *add_one(void *arg) { return (char *)arg + 1; }
volatile int released;
void *hold(void *arg) { while (!released) gmp_sleep(200000); return arg; }
void *nap(void *arg) { gmp_sleep(1000000); gmp_yield(); return arg; }
void *leave(void *arg) { gmp_exit(); return arg; }
typedef void *(*callback)(void *);
void *call_back(void *arg) { return ((callback)arg)((void *)7); }
"""


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    folder = tmp_path_factory.mktemp("native")
    source, library = folder / "native.c", folder / "libnative.so"
    source.write_text(C_SOURCE)
    command = ["cc", "-O2", "-shared", "-fPIC", f"-I{gmp_py.get_include()}", str(source), "-o", str(library)]
    command += [f"-L{gmp_py.get_library_dir()}", "-l:libgmprt.so.0"]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


def address(function) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value


def test_a_native_task_gives_its_pointer(native):
    assert gmp_py.go_native(address(native.add_one), 41).join() == 42
    assert gmp_py.go_native(address=address(native.add_one)).join() == 1
    assert gmp_py.go_native(address(native.add_one), arg=(1 << 64) - 2).join() == (1 << 64) - 1


def test_native_tasks_may_wait_and_be_joined_by_many(native):
    def main():
        released = ctypes.c_int.in_dll(native, "released")
        released.value = 0
        task = gmp_py.go_native(address(native.hold), 5)
        joiners = [gmp_py.go(task.join) for _ in range(10)]
        with pytest.raises(TimeoutError):
            task.join(0)
        released.value = 1
        assert [joiner.join() for joiner in joiners] == [5] * 10
        return task.join(timeout=1), task.exception(), task.done()

    assert in_task(main) == (5, None, True)
    assert main() == (5, None, True)


def test_native_tasks_run_in_parallel(native):
    before = gmp_py.max_procs(2)
    try:
        tasks = [gmp_py.go_native(address(native.meet), n) for n in (1, 2)]
        assert [task.join() for task in tasks] == [1, 2]
    finally:
        gmp_py.max_procs(before)


def test_a_native_task_has_id_and_name(native):
    task = gmp_py.go_native(address(native.add_one))
    task.join()
    assert task.id > 0 and task.name == f"task-{task.id}"
    assert "done" in repr(task)


def test_a_native_task_whose_handle_dies_first(native):
    for _ in range(20):
        gmp_py.go_native(address(native.nap), 1)
    assert gmp_py.go_native(address(native.nap), 2).join() == 2


def test_gmp_exit_in_a_native_task_is_an_error_of_join(native):
    task = gmp_py.go_native(address(native.leave))
    with pytest.raises(gmp_py.GmpError, match="cut off"):
        task.join()


def test_wrong_arguments_of_go_native():
    with pytest.raises(ValueError, match="0"):
        gmp_py.go_native(0)
    with pytest.raises(TypeError):
        gmp_py.go_native()
    with pytest.raises(TypeError):
        gmp_py.go_native("main")
    with pytest.raises(TypeError):
        gmp_py.go_native(1, 2, 3)
    for wrong in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            gmp_py.go_native(wrong)
        with pytest.raises(OverflowError):
            gmp_py.go_native(1, wrong)


def test_a_native_task_may_call_into_python_but_not_wait_there(native):
    ended = gmp_py.go(int, "3")
    ended.join()
    waiting = gmp_py.go(gmp_py.sleep, 0.2)
    enters = [
        gmp_py.yield_,
        gmp_py.checkpoint,
        gmp_py.max_procs,
        waiting.join,
        lambda: gmp_py.sleep(0.001),
        lambda: gmp_py.go(int),
        lambda: gmp_py.go_native(address(native.add_one)),
        lambda: gmp_py.run(int),
    ]
    calls = []

    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    def callback(value):
        refused = 0
        for call in enters:
            try:
                call()
            except gmp_py.Misuse:
                refused += 1
        calls.append((value, gmp_py.current(), ended.join(), refused))
        return value + 1

    tasks = [gmp_py.go_native(address(native.call_back), address(callback)) for _ in range(5)]
    assert [task.join() for task in tasks] == [8] * 5
    assert calls == [(7, None, 3, len(enters))] * 5
    waiting.join()


COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))


def sort_with(callback, numbers):
    array = (ctypes.c_int * len(numbers))(*numbers)
    ctypes.CDLL(None).qsort(array, len(numbers), ctypes.sizeof(ctypes.c_int), COMPARE(callback))
    return list(array)


def test_ctypes_callbacks_wait():
    def work(n):
        def compare(a, b):
            me = gmp_py.current()
            gmp_py.yield_()
            if (a[0] + b[0]) % 7 == 0:
                gmp_py.sleep(0.0001)
            assert gmp_py.current() is me
            return a[0] - b[0]

        return sort_with(compare, list(range(20 + n, 0, -1)))

    tasks = [gmp_py.go(work, n) for n in range(10)]
    assert [task.join() for task in tasks] == [list(range(1, 21 + n)) for n in range(10)]


def test_nested_callbacks_wait():
    def nested(depth):
        def compare(a, b):
            gmp_py.yield_()
            if depth:
                nested(depth - 1)
            return a[0] - b[0]

        return sort_with(compare, [3, 1, 2])

    tasks = [gmp_py.go(nested, 3) for _ in range(4)]
    assert [task.join() for task in tasks] == [[1, 2, 3]] * 4


def test_waiting_while_foreign_code_has_released_the_gil():
    released = ctypes.CDLL(LIBRARY)  # releases the GIL around every call
    kept = ctypes.PyDLL(LIBRARY)
    released.gmp_sleep.argtypes = kept.gmp_sleep.argtypes = [ctypes.c_int64]

    def work(n):
        me = gmp_py.current()
        for library in (released, kept, released):
            library.gmp_yield()
            library.gmp_sleep(100_000 * (n % 3))
            gmp_py.yield_()
            assert gmp_py.current() is me
            assert sort_with(lambda a, b: gmp_py.yield_() or a[0] - b[0], [2, 1]) == [1, 2]
        return n

    tasks = [gmp_py.go(work, n) for n in range(10)]
    assert [task.join() for task in tasks] == list(range(10))


def test_a_python_task_cut_off_by_gmp_exit_fails_and_wakes_its_joiners():
    out = ok(
        f"""
        import ctypes, gmp_py
        for load in (ctypes.CDLL, ctypes.PyDLL):
            library = load({LIBRARY!r})
            task = gmp_py.go(library.gmp_exit)
            waiting = gmp_py.go(task.exception)
            print(type(waiting.join()).__name__, task.done())
            try:
                task.join()
            except gmp_py.GmpError as error:
                print(error)
            print(gmp_py.go(int, '5').join())
        """
    )
    assert out == 2 * "GmpError True\nthe task was cut off by gmp_exit or by a foreign exception\n5\n"


def test_threads_compute_beside_yielding_tasks():
    stop = []

    def spin():
        count = 0
        while not stop:
            gmp_py.yield_()
            count += 1
        return count

    task = gmp_py.go(spin)
    turns = []

    def compute():
        for _ in range(20):
            sum(range(1000))
            turns.append(1)

    threads = [threading.Thread(target=compute) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(turns) == 60
    wait_until(lambda: "started" in repr(task) and "not" not in repr(task))
    stop.append(True)
    assert task.join() >= 0
