"""py_spawn_join: create one asyncio task, await it, n times over; ns each. --loop uvloop for the same on uvloop."""

import asyncio

from frame import Frame, now, run_loop

frame = Frame("py_spawn_join", "asyncio")


async def same(value: int) -> int:
    return value


async def main() -> None:
    for rep, count in frame.repetitions():
        start = now()
        for i in range(count):
            assert await asyncio.create_task(same(i)) == i
        frame.line(rep, "task", (now() - start) / count, "ns")


run_loop(frame, main)
