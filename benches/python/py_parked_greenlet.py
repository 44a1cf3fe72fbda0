"""py_parked: n greenlets that switched back to the main one; bytes resident each, ms to make them, ms to end all.

No event: the main greenlet keeps them in a list and switches to one after the other.
"""

from frame import Frame, now, resident_bytes
from greenlet import getcurrent, greenlet

frame = Frame("py_parked", "greenlet")
hub = getcurrent()


def wait_at_gate() -> None:
    hub.switch()


def park_and_wake(count: int, rep: int) -> None:
    before = resident_bytes()
    start = now()
    waiting = []
    for _ in range(count):
        one = greenlet(wait_at_gate)
        one.switch()
        waiting.append(one)
    created = now() - start
    grown = resident_bytes() - before
    wake = now()
    for one in waiting:
        one.switch()
    frame.parked_lines(rep, count, grown, created, now() - wake)


park_and_wake(100, -1)
park_and_wake(frame.n, 0)
