"""py_parked: n tasks wait on one Event; bytes resident each, ms until all wait, ms until all were woken."""

import gmp_py
from frame import Frame, now, resident_bytes

frame = Frame("py_parked", "gmp")


class Gate:
    """The event they wait on, and how many came and are left."""

    def __init__(self, count: int) -> None:
        self.opened, self.came, self.ended = gmp_py.Event(), gmp_py.Event(), gmp_py.Event()
        self.missing = self.left = count

    def wait(self) -> None:
        self.missing -= 1
        if self.missing == 0:
            self.came.set()
        self.opened.wait()
        self.left -= 1
        if self.left == 0:
            self.ended.set()


def park_and_wake(count: int, rep: int) -> None:
    gate = Gate(count)
    before = resident_bytes()
    start = now()
    for _ in range(count):
        gmp_py.go(gate.wait)
    gate.came.wait()
    created = now() - start
    grown = resident_bytes() - before
    wake = now()
    gate.opened.set()
    gate.ended.wait()
    frame.parked_lines(rep, count, grown, created, now() - wake)


def main() -> None:
    park_and_wake(100, -1)
    park_and_wake(frame.n, 0)


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
