"""py_parked: n tasks join one task; bytes resident each, ms until all wait, ms to wake all and see them end.

The task they join yields until it is told to end (there is no event yet to wait on).
"""

import gmp_py
from frame import Frame, now, resident_bytes

frame = Frame("py_parked", "gmp")


class Gate:
    """What the waiting tasks share."""

    def __init__(self) -> None:
        self.is_open = False
        self.arrived = 0
        self.ended = 0
        self.task = gmp_py.go(self.stand)

    def stand(self) -> None:
        while not self.is_open:
            gmp_py.yield_()


def wait_at_gate(gate: Gate) -> None:
    gate.arrived += 1
    gate.task.join()
    gate.ended += 1


def park_and_wake(count: int, rep: int) -> None:
    gate = Gate()
    before = resident_bytes()
    start = now()
    for _ in range(count):
        gmp_py.go(wait_at_gate, gate)
    while gate.arrived < count:
        gmp_py.yield_()
    gmp_py.yield_()
    created = now() - start
    grown = resident_bytes() - before
    wake = now()
    gate.is_open = True
    while gate.ended < count:
        gmp_py.yield_()
    frame.parked_lines(rep, count, grown, created, now() - wake)


def main() -> None:
    park_and_wake(100, -1)
    park_and_wake(frame.n, 0)


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
