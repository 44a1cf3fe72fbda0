"""py_parked: n tasks wait on one Event; bytes resident each, ms until all wait, ms to wake all and see them end."""

import gmp_py
from frame import Frame, now, resident_bytes

frame = Frame("py_parked", "gmp")


def wait_at_gate(gate: gmp_py.Event, arrived: gmp_py.WaitGroup, ended: gmp_py.WaitGroup) -> None:
    arrived.done()
    gate.wait()
    ended.done()


def park_and_wake(count: int, rep: int) -> None:
    gate, arrived, ended = gmp_py.Event(), gmp_py.WaitGroup(), gmp_py.WaitGroup()
    arrived.add(count)
    ended.add(count)
    before = resident_bytes()
    start = now()
    for _ in range(count):
        gmp_py.go(wait_at_gate, gate, arrived, ended)
    arrived.wait()
    created = now() - start
    grown = resident_bytes() - before
    wake = now()
    gate.set()
    ended.wait()
    frame.parked_lines(rep, count, grown, created, now() - wake)


def main() -> None:
    park_and_wake(100, -1)
    park_and_wake(frame.n, 0)


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
