"""C functions as tasks, wherever their pointers come from: ctypes, cffi, numba."""

import ctypes
import sys

import gmp_py
import pytest
from support import in_task, wait_until

libc = ctypes.CDLL(None)


def pointer(function) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value


class Gate(ctypes.Structure):
    """Counts who has come, and opens when told."""

    _fields_ = [("here", ctypes.c_int64), ("open", ctypes.c_int64)]


def join_all(tasks):
    return [task.join() for task in tasks]


def meet_in_pairs(address):
    """Native tasks that each wait, awake, for another one: they end only when two of them run at a time."""
    before = gmp_py.max_procs(2)
    try:
        for _ in range(20):
            gate = (ctypes.c_int64 * 1)(0)
            tasks = [gmp_py.go_native(address, ctypes.addressof(gate)) for _ in range(2)]
            assert join_all(tasks) == [2, 2] and gate[0] == 2
    finally:
        gmp_py.max_procs(before)


def beside_python_tasks(address):
    """A native task that runs until a Python task tells it to end."""
    gate = Gate()

    def main():
        task = gmp_py.go_native(address, ctypes.addressof(gate))
        wait_until(lambda: gate.here)
        turns = [gmp_py.go(int).join() for _ in range(100)]
        gate.open = 1
        return task.join(), len(turns)

    before = gmp_py.max_procs(2)
    try:
        assert in_task(main) == (7, 100)
    finally:
        gmp_py.max_procs(before)


def test_a_function_of_ctypes():
    tasks = [gmp_py.go_native(pointer(libc.labs), n) for n in range(100)]
    assert join_all(tasks) == list(range(100))


def test_a_function_of_ctypes_that_blocks_its_thread():
    tasks = [gmp_py.go_native(pointer(libc.usleep), 2000) for _ in range(20)]
    assert in_task(join_all, tasks) == [0] * 20


def test_a_callback_of_ctypes():
    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    def double(value):
        return sum([value, value])

    assert join_all([gmp_py.go_native(pointer(double), n) for n in range(1, 50)]) == [2 * n for n in range(1, 50)]


def test_an_exception_in_a_callback_of_ctypes_is_reported(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(type(report.exc_value)))

    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    def fail(value):
        raise KeyError(value)

    gmp_py.go_native(pointer(fail), 1).join()
    assert reported == [KeyError]


cffi_is_here = "cffi is not installed: its functions are not tried"


def cffi_address(ffi, function) -> int:
    return int(ffi.cast("uintptr_t", function))


def test_a_function_of_cffi():
    cffi = pytest.importorskip("cffi", reason=cffi_is_here)
    ffi = cffi.FFI()
    ffi.cdef("long labs(long);")
    address = cffi_address(ffi, ffi.addressof(ffi.dlopen(None), "labs"))
    assert join_all([gmp_py.go_native(address, n) for n in range(100)]) == list(range(100))


def test_a_callback_of_cffi():
    cffi = pytest.importorskip("cffi", reason=cffi_is_here)
    ffi = cffi.FFI()

    @ffi.callback("uintptr_t(uintptr_t)")
    def double(value):
        return sum([value, value])

    assert join_all([gmp_py.go_native(cffi_address(ffi, double), n) for n in range(50)]) == [2 * n for n in range(50)]


CFFI_SOURCE = """
#include <stdatomic.h>
#include <stdint.h>
static void *meet(void *arg) {
    atomic_int_fast64_t *here = arg;
    atomic_fetch_add(here, 1);
    while (atomic_load(here) < 2) { }
    return (void *)2;
}
typedef struct { atomic_int_fast64_t here, open; } gate;
static void *stand(void *arg) {
    gate *at = arg;
    atomic_store(&at->here, 1);
    while (!atomic_load(&at->open)) { }
    return (void *)7;
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A module that cffi has compiled."""
    cffi = pytest.importorskip("cffi", reason=cffi_is_here)
    pytest.importorskip("setuptools", reason="setuptools is not installed: cffi cannot compile a module")
    ffi = cffi.FFI()
    ffi.cdef("void *meet(void *); void *stand(void *);")
    ffi.set_source("_gmp_py_compiled", CFFI_SOURCE)
    folder = tmp_path_factory.mktemp("cffi")
    ffi.compile(tmpdir=str(folder))
    sys.path.insert(0, str(folder))
    try:
        import _gmp_py_compiled
    finally:
        sys.path.remove(str(folder))
    return lambda name: cffi_address(
        _gmp_py_compiled.ffi, _gmp_py_compiled.ffi.addressof(_gmp_py_compiled.lib, name)
    )


def test_functions_that_cffi_has_compiled_run_in_parallel(compiled):
    meet_in_pairs(compiled("meet"))


def test_functions_that_cffi_has_compiled_run_beside_python_tasks(compiled):
    beside_python_tasks(compiled("stand"))


@pytest.fixture(scope="module")
def numba():
    return pytest.importorskip("numba", reason="numba is not installed: its functions are not tried")


@pytest.fixture(scope="module")
def pause():
    """A C function: what calls it must read its memory again afterwards."""
    libc.sched_yield.argtypes, libc.sched_yield.restype = [], ctypes.c_int
    return libc.sched_yield


def test_a_function_of_numba(numba):
    @numba.cfunc("intp(intp)")
    def triangle(n):
        total = 0
        for i in range(n + 1):
            total += i
        return total

    tasks = [gmp_py.go_native(triangle.address, n) for n in range(100)]
    assert join_all(tasks) == [n * (n + 1) // 2 for n in range(100)]


def test_a_function_of_numba_fills_an_array(numba):
    numpy = pytest.importorskip("numpy")
    types = numba.types

    @numba.cfunc(types.intp(types.CPointer(types.float64)))
    def fill(start):
        array = numba.carray(start, (1000,))
        for i in range(array.size):
            array[i] = i * 0.5
        return array.size

    arrays = [numpy.zeros(1000) for _ in range(20)]
    tasks = [gmp_py.go_native(fill.address, array.ctypes.data) for array in arrays]
    assert in_task(join_all, tasks) == [1000] * 20
    assert all((array == numpy.arange(1000) * 0.5).all() for array in arrays)


def test_functions_of_numba_run_in_parallel(numba, pause):
    types = numba.types

    @numba.cfunc(types.intp(types.CPointer(types.int64)))
    def meet(gate):
        # Each writes a number of its own once the other has come; numba has no atomic addition for the CPU.
        here = numba.carray(gate, (2,))
        mine = 0 if here[0] == 0 else 1
        here[mine] = 1
        while here[0] + here[1] < 2:
            pause()
        return mine

    before = gmp_py.max_procs(2)
    try:
        gate = (ctypes.c_int64 * 2)(0, 0)
        first = gmp_py.go_native(meet.address, ctypes.addressof(gate))
        wait_until(lambda: gate[0])
        second = gmp_py.go_native(meet.address, ctypes.addressof(gate))
        assert join_all([first, second]) == [0, 1]
    finally:
        gmp_py.max_procs(before)


def test_functions_of_numba_run_beside_python_tasks(numba, pause):
    types = numba.types

    @numba.cfunc(types.intp(types.CPointer(types.int64)))
    def stand(gate):
        fields = numba.carray(gate, (2,))
        fields[0] = 1
        while fields[1] == 0:
            pause()
        return 7

    beside_python_tasks(stand.address)
