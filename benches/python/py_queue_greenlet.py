"""py_queue: two greenlets hand a value over by the switch itself; ns per message. No queue and no scheduler."""

from frame import Frame, now
from greenlet import getcurrent, greenlet

frame = Frame("py_queue", "greenlet")


def answer(asker: greenlet, value: int) -> None:
    while True:
        value = asker.switch(value)


for rep, count in frame.repetitions():
    other = greenlet(answer)
    start = now()
    other.switch(getcurrent(), 0)
    for n in range(count):
        other.switch(n)
    frame.line(rep, "message", (now() - start) / (2 * count), "ns")
