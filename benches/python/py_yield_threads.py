"""py_yield: two threads call time.sleep(0), which lets the GIL go; ns per call. The other need not have run then."""

import threading
import time

from frame import Frame, now

frame = Frame("py_yield", "threads")


def yield_often(count: int) -> None:
    for _ in range(count):
        time.sleep(0)


for rep, count in frame.repetitions():
    both = [threading.Thread(target=yield_often, args=(count,)) for _ in range(2)]
    start = now()
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    frame.line(rep, "yield", (now() - start) / (2 * count), "ns")
