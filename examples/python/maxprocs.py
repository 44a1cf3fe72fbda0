"""What max_procs does, and what it cannot do for Python code: python maxprocs.py

Ten tasks sleep 10 ms each and then count to 10^7, with one processor and with the default number: once in Python,
once in a C function that runs as native tasks. The C function is compiled on the spot, with cc.
"""

import ctypes
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Callable

import gmp_py

TASKS = 10
COUNT = 10_000_000

C_SOURCE = """
#include <gmprt.h>
#include <stdint.h>
void *sleep_and_count(void *count) {
    gmp_sleep(10000000);
    for (volatile intptr_t i = 0; i < (intptr_t)count; i++) { }
    return count;
}
"""


def sleep_and_count() -> None:
    gmp_py.sleep(0.01)
    n = 0
    while n < COUNT:
        n += 1


def compiled() -> int:
    """The address of the C function; its library stays loaded."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = pathlib.Path(folder, "count.c"), pathlib.Path(folder, "count.so")
        source.write_text(C_SOURCE)
        command = ["cc", "-O2", "-shared", "-fPIC", f"-I{gmp_py.get_include()}", str(source), "-o", str(library)]
        subprocess.run([*command, f"-L{gmp_py.get_library_dir()}", "-l:libgmprt.so.0"], check=True)
        function = ctypes.CDLL(str(library)).sleep_and_count
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def seconds(start: Callable[[], gmp_py.Task[object]]) -> float:
    """How long ten tasks take."""
    begin = time.monotonic()
    for task in [start() for _ in range(TASKS)]:
        task.join()
    return time.monotonic() - begin


def main() -> None:
    default = gmp_py.max_procs()
    native = compiled()
    for what, start in [
        ("Python", lambda: gmp_py.go(sleep_and_count)),
        ("native", lambda: gmp_py.go_native(native, COUNT)),
    ]:
        for procs in (1, default):
            gmp_py.max_procs(procs)
            print(f"{what} tasks, max_procs {procs}: {seconds(start) * 1000:.0f} ms", flush=True)
        if what == "Python":
            print("(the sleeps overlap, the counting does not: one task at a time holds the GIL)")
        else:
            print("(native tasks run without the GIL: they count on all processors)")


gmp_py.run(main)
