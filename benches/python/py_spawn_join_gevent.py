"""py_spawn_join: spawn one gevent greenlet, get() its result, n times over; ns each."""

import gevent
from frame import Frame, now

frame = Frame("py_spawn_join", "gevent")


def same(value: int) -> int:
    return value


for rep, count in frame.repetitions():
    start = now()
    for i in range(count):
        assert gevent.spawn(same, i).get() == i
    frame.line(rep, "task", (now() - start) / count, "ns")
