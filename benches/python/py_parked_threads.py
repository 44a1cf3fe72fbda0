"""py_parked: n threads wait on one Event; bytes resident each, ms until all wait, ms to wake all and see them end."""

import threading

from frame import Frame, now, resident_bytes

frame = Frame("py_parked", "threads")


def wait_at_gate(opened: threading.Event, arrived: threading.Semaphore) -> None:
    arrived.release()
    opened.wait()


def park_and_wake(count: int, rep: int) -> None:
    opened, arrived = threading.Event(), threading.Semaphore(0)
    before = resident_bytes()
    start = now()
    threads = [threading.Thread(target=wait_at_gate, args=(opened, arrived)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in range(count):
        arrived.acquire()
    created = now() - start
    grown = resident_bytes() - before
    wake = now()
    opened.set()
    for thread in threads:
        thread.join()
    frame.parked_lines(rep, count, grown, created, now() - wake)


park_and_wake(100, -1)
park_and_wake(frame.n, 0)
