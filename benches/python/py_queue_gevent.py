"""py_queue: two gevent greenlets, a gevent.queue.Queue each way; ns per message."""

import gevent
from frame import Frame, now
from gevent.queue import Queue

frame = Frame("py_queue", "gevent")


def answer(there: Queue, back: Queue, count: int) -> None:
    for _ in range(count):
        back.put(there.get())


def ask(there: Queue, back: Queue, count: int) -> None:
    for n in range(count):
        there.put(n)
        back.get()


for rep, count in frame.repetitions():
    queues = Queue(), Queue()
    start = now()
    gevent.joinall([gevent.spawn(answer, *queues, count), gevent.spawn(ask, *queues, count)])
    frame.line(rep, "message", (now() - start) / (2 * count), "ns")
