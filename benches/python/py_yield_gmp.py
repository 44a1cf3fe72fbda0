"""py_yield: two tasks call gmp_py.yield_(); ns per yield."""

import gmp_py
from frame import Frame, now

frame = Frame("py_yield", "gmp")


def yield_often(count: int) -> None:
    for _ in range(count):
        gmp_py.yield_()


def main() -> None:
    for rep, count in frame.repetitions():
        start = now()
        both = [gmp_py.go(yield_often, count) for _ in range(2)]
        for task in both:
            task.join()
        frame.line(rep, "yield", (now() - start) / (2 * count), "ns")


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
