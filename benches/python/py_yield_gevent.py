"""py_yield: two gevent greenlets call gevent.sleep(0); ns per call."""

import gevent
from frame import Frame, now

frame = Frame("py_yield", "gevent")


def yield_often(count: int) -> None:
    for _ in range(count):
        gevent.sleep(0)


for rep, count in frame.repetitions():
    start = now()
    gevent.joinall([gevent.spawn(yield_often, count) for _ in range(2)])
    frame.line(rep, "yield", (now() - start) / (2 * count), "ns")
