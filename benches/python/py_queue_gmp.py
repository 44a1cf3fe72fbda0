"""py_queue: two tasks, a channel each way; ns per message. Unbuffered, as a Chan is unless told otherwise."""

import gmp_py
from frame import Frame, now

frame = Frame("py_queue", "gmp")


def answer(there: gmp_py.Chan[int], back: gmp_py.Chan[int], count: int) -> None:
    for _ in range(count):
        back.send(there.recv())


def ask(there: gmp_py.Chan[int], back: gmp_py.Chan[int], count: int) -> None:
    for n in range(count):
        there.send(n)
        back.recv()


def main() -> None:
    for rep, count in frame.repetitions():
        chans: tuple[gmp_py.Chan[int], gmp_py.Chan[int]] = gmp_py.Chan(), gmp_py.Chan()
        start = now()
        both = [gmp_py.go(answer, *chans, count), gmp_py.go(ask, *chans, count)]
        for task in both:
            task.join()
        frame.line(rep, "message", (now() - start) / (2 * count), "ns")


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
