"""py_parked: n asyncio tasks wait on one Event; bytes resident each, ms until all wait, ms until all were woken.

--loop uvloop for the same on uvloop. A coroutine has no stack: its memory is not like for like.
"""

import asyncio

from frame import Frame, now, resident_bytes, run_loop

frame = Frame("py_parked", "asyncio")


class Gate:
    """The event they wait on, and how many came and are left: one thread, so plain numbers do."""

    def __init__(self, count: int) -> None:
        self.opened, self.came, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.missing = self.left = count

    async def wait(self) -> None:
        self.missing -= 1
        if self.missing == 0:
            self.came.set()
        await self.opened.wait()
        self.left -= 1
        if self.left == 0:
            self.ended.set()


async def park_and_wake(count: int, rep: int) -> None:
    gate = Gate(count)
    before = resident_bytes()
    start = now()
    tasks = [asyncio.create_task(gate.wait()) for _ in range(count)]
    await gate.came.wait()
    created = now() - start
    grown = resident_bytes() - before
    wake = now()
    gate.opened.set()
    await gate.ended.wait()
    frame.parked_lines(rep, count, grown, created, now() - wake)
    await asyncio.wait(tasks)


async def main() -> None:
    await park_and_wake(100, -1)
    await park_and_wake(frame.n, 0)


run_loop(frame, main)
