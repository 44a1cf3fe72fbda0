"""py_queue: two asyncio tasks, an asyncio.Queue each way; ns per message. --loop uvloop for the same on uvloop."""

import asyncio

from frame import Frame, now, run_loop

frame = Frame("py_queue", "asyncio")


async def answer(there: asyncio.Queue[int], back: asyncio.Queue[int], count: int) -> None:
    for _ in range(count):
        await back.put(await there.get())


async def ask(there: asyncio.Queue[int], back: asyncio.Queue[int], count: int) -> None:
    for n in range(count):
        await there.put(n)
        await back.get()


async def main() -> None:
    for rep, count in frame.repetitions():
        queues: tuple[asyncio.Queue[int], asyncio.Queue[int]] = asyncio.Queue(), asyncio.Queue()
        start = now()
        await asyncio.gather(answer(*queues, count), ask(*queues, count))
        frame.line(rep, "message", (now() - start) / (2 * count), "ns")


run_loop(frame, main)
