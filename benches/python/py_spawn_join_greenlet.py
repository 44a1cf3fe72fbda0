"""py_spawn_join: make one greenlet, switch to it, get its result when it ends, n times over; ns each."""

from frame import Frame, now
from greenlet import greenlet

frame = Frame("py_spawn_join", "greenlet")


def same(value: int) -> int:
    return value


for rep, count in frame.repetitions():
    start = now()
    for i in range(count):
        assert greenlet(same).switch(i) == i
    frame.line(rep, "task", (now() - start) / count, "ns")
