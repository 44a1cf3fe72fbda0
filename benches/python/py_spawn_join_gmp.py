"""py_spawn_join: start one task, join it for its result, n times over; ns each."""

import gmp_py
from frame import Frame, now

frame = Frame("py_spawn_join", "gmp")


def same(value: int) -> int:
    return value


def main() -> None:
    for rep, count in frame.repetitions():
        start = now()
        for i in range(count):
            assert gmp_py.go(same, i).join() == i
        frame.line(rep, "task", (now() - start) / count, "ns")


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
