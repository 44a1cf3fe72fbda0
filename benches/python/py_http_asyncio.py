"""py_http: an asyncio protocol that looks for the end of a head and reads nothing of it. --loop uvloop for uvloop.

No handler of http.server runs on an event loop: this is what a loop itself costs, not the same work.
"""

import asyncio

from frame import PAGE, Frame, run_loop, told

frame = Frame("py_http", "asyncio")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(PAGE), PAGE)


class Protocol(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ahead = b""

    def data_received(self, data: bytes) -> None:
        heads = (self.ahead + data).split(b"\r\n\r\n")
        self.ahead = heads.pop()
        self.transport.write(ANSWER * len(heads))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", 0, backlog=1024)
    told(server.sockets[0].getsockname()[1])
    await server.serve_forever()


run_loop(frame, main)
