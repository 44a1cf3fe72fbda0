"""Everything at once, seeded: tasks, threads, native tasks, callbacks, waits with the GIL held and released."""

import ctypes
import os
import random
import threading
import time

import gmp_py
import pytest
from support import in_task

SECONDS = float(os.environ.get("GMP_TEST_SECONDS", "2"))
LIBRARY = os.path.join(gmp_py.get_library_dir(), "libgmprt.so.0")


def address(function) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value


class Stress:
    """A mix of operations; each checks itself."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.end = time.monotonic() + SECONDS
        self.released, self.kept = ctypes.CDLL(LIBRARY), ctypes.PyDLL(LIBRARY)
        self.released.gmp_sleep.argtypes = [ctypes.c_int64]
        self.callback = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda value: sum(range(50)) and 5)
        self.operations = [getattr(self, name) for name in dir(self) if name.startswith("op_")]
        self.turns = 0

    def work(self) -> None:
        while time.monotonic() < self.end:
            self.turns += 1
            self.random.choice(self.operations)()

    def op_yield(self):
        gmp_py.yield_()

    def op_sleep(self):
        gmp_py.sleep(self.random.random() / 1000)

    def op_spawn_and_join(self):
        assert gmp_py.go(int, "5").join() == 5

    def op_many(self):
        for task in [gmp_py.go(gmp_py.yield_) for _ in range(20)]:
            task.join()

    def op_yield_released(self):
        self.released.gmp_yield()

    def op_sleep_released(self):
        self.released.gmp_sleep(100_000)

    def op_yield_in_c(self):
        self.kept.gmp_yield()

    def op_native(self):
        assert gmp_py.go_native(address(ctypes.CDLL(None).labs), 3).join() == 3

    def op_native_left_alone(self):
        gmp_py.go_native(address(self.released.gmp_sleep), 1_000_000)

    def op_native_into_python(self):
        assert gmp_py.go_native(address(self.callback)).join() == 5

    def op_compute(self):
        sum(range(200_000))

    def op_block(self):
        time.sleep(0.001)

    def op_timeout(self):
        try:
            gmp_py.go(gmp_py.sleep, 0.01).join(self.random.random() / 50)
        except TimeoutError:
            pass

    def op_error(self):
        assert isinstance(gmp_py.go(int, "x").exception(), ValueError)

    def op_generator(self):
        def numbers():
            for n in range(5):
                gmp_py.yield_()
                yield n

        assert list(numbers()) == list(range(5))

    def op_max_procs(self):
        gmp_py.max_procs(self.random.randint(1, 4))

    def op_thread(self):
        thread = threading.Thread(target=lambda: [gmp_py.go(gmp_py.yield_).join() for _ in range(5)])
        thread.start()
        while thread.is_alive():
            gmp_py.sleep(0.001)


@pytest.mark.parametrize("seed", [random.randrange(1 << 32)])
def test_everything_at_once(seed):
    print("seed", seed)
    procs = gmp_py.max_procs()
    stress = Stress(seed)
    threads = [threading.Thread(target=stress.work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        in_task(lambda: [task.join() for task in [gmp_py.go(stress.work) for _ in range(30)]])
    finally:
        for thread in threads:
            thread.join()
        gmp_py.max_procs(procs)
    assert stress.turns > 30
