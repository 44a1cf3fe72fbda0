"""py_echo: asyncio's streams. --loop uvloop for the same on uvloop."""

import asyncio

from frame import Frame, run_loop, told

frame = Frame("py_echo", "asyncio")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    told(server.sockets[0].getsockname()[1])
    await server.serve_forever()


run_loop(frame, main)
