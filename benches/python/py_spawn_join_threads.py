"""py_spawn_join: start one thread that leaves its result, join it, n times over; ns each."""

import threading

from frame import Frame, now

frame = Frame("py_spawn_join", "threads")
results = [-1]


def same(value: int) -> None:
    results[0] = value


for rep, count in frame.repetitions():
    start = now()
    for i in range(count):
        thread = threading.Thread(target=same, args=(i,))
        thread.start()
        thread.join()
        assert results[0] == i
    frame.line(rep, "task", (now() - start) / count, "ns")
