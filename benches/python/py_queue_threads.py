"""py_queue: two threads, a queue.SimpleQueue each way; ns per message."""

import threading
from queue import SimpleQueue

from frame import Frame, now

frame = Frame("py_queue", "threads")


def answer(there: SimpleQueue[int], back: SimpleQueue[int], count: int) -> None:
    for _ in range(count):
        back.put(there.get())


def ask(there: SimpleQueue[int], back: SimpleQueue[int], count: int) -> None:
    for n in range(count):
        there.put(n)
        back.get()


for rep, count in frame.repetitions():
    queues: tuple[SimpleQueue[int], SimpleQueue[int]] = SimpleQueue(), SimpleQueue()
    both = [threading.Thread(target=work, args=(*queues, count)) for work in (answer, ask)]
    start = now()
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    frame.line(rep, "message", (now() - start) / (2 * count), "ns")
