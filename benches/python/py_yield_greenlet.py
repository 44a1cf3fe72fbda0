"""py_yield: two greenlets switch to each other; ns per switch. No scheduler: each names the other."""

from frame import Frame, now
from greenlet import greenlet

frame = Frame("py_yield", "greenlet")


def switch_often(other: list[greenlet], count: int) -> None:
    for _ in range(count):
        other[0].switch()


for rep, count in frame.repetitions():
    first = greenlet(switch_often)
    second = greenlet(lambda: switch_often([first], count))
    start = now()
    first.switch([second], count)
    frame.line(rep, "yield", (now() - start) / (2 * count), "ns")
