"""py_yield: two asyncio tasks await asyncio.sleep(0); ns each. --loop uvloop for the same on uvloop."""

import asyncio

from frame import Frame, now, run_loop

frame = Frame("py_yield", "asyncio")


async def yield_often(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def main() -> None:
    for rep, count in frame.repetitions():
        start = now()
        await asyncio.gather(yield_often(count), yield_often(count))
        frame.line(rep, "yield", (now() - start) / (2 * count), "ns")


run_loop(frame, main)
