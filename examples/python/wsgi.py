"""A WSGI server (PEP 3333) with a task for each connection: python wsgi.py [MODULE:APP [HOST:PORT]]

HTTP/1.1 and 1.0: connections that are kept, pipelining, chunked bodies both ways, HEAD, `Expect: 100-continue`. What a client
can make large, slow or many has a limit (wsgi_request.py), and a status that says so. Without an argument it serves an
application of its own, asks it a few things, and ends. Nothing is patched: an application may block in anything.

Not there: TLS, compression, logs of requests, HTTP/2.
"""

import http.client
import importlib
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

import gmp_py
from gmp_py import net
from wsgi_request import CONTROL, LIMITS, STATUS, TOKEN, Body, Refused, parse

Headers = list[tuple[str, str]]
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"}


class Response:
    """What an application's ``start_response`` and its result become."""

    def __init__(self, connection: "Connection", version: str, is_head: bool, keep: bool) -> None:
        self.connection = connection
        self.version = version
        self.is_head = is_head
        self.keep = keep
        self.status = ""
        self.headers: Headers = []
        self.begun = False
        self.chunked = False
        self.left: int | None = None  # bytes that Content-Length still promises

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status:
            raise RuntimeError("start_response was called twice")
        if not STATUS.fullmatch(status) or CONTROL.search(status):
            raise ValueError(f"not a status: {status!r}")
        for name, value in headers:
            if not TOKEN.fullmatch(name) or CONTROL.search(value) or name.lower() in HOP_BY_HOP:
                raise ValueError(f"not a header of an application: {name!r}: {value!r}")
        self.status, self.headers = status, headers
        return self.write

    def _begin(self, length: int | None) -> bytes:
        """The head; `length` is the body's where that is known."""
        if not self.status:
            raise RuntimeError("the application did not call start_response")
        self.begun = True
        lines = [f"{self.version} {self.status}"]
        told = set()
        for name, value in self.headers:
            told.add(name.lower())
            lines.append(f"{name}: {value}")
            if name.lower() == "content-length":
                self.left = int(value)
        bare = self.status[:3] in ("204", "304") or self.status[0] == "1"
        if self.left is None and not bare:
            if length is not None:
                self.left = length
                lines.append(f"Content-Length: {length}")
            elif self.version == "HTTP/1.1":
                self.chunked = not self.is_head
                lines.append("Transfer-Encoding: chunked")
            else:
                self.keep = False
        if bare or self.is_head:
            self.is_head, self.left = True, None
        if "date" not in told:
            lines.append(date_line())
        if not self.keep:
            lines.append("Connection: close")
        elif self.version == "HTTP/1.0":
            lines.append("Connection: keep-alive")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def write(self, data: bytes, length: int | None = None) -> None:
        head = b"" if self.begun else self._begin(length)
        if self.is_head:
            data = b""
        elif self.left is not None:
            if len(data) > self.left:
                self.begun = not head
                raise RuntimeError("the body is longer than its Content-Length")
            self.left -= len(data)
        elif self.chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if head or data:
            self.connection.stream.write(head + data, LIMITS.send)

    def send(self, result: Iterable[bytes]) -> None:
        length = sum(map(len, result)) if isinstance(result, (list, tuple)) else None
        if length is not None and not self.begun:
            self.write(b"".join(result), length)
        else:
            for piece in result:
                if piece:
                    self.write(piece)
        if not self.begun:
            self.write(b"", 0)
        if self.chunked:
            self.connection.stream.write(b"0\r\n\r\n", LIMITS.send)
        if self.left:
            raise RuntimeError("the body is shorter than its Content-Length")


_date = (0, "")


def date_line() -> str:
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, "Date: " + formatdate(now, usegmt=True))
    return _date[1]


class Connection:
    """One client: its requests are read and answered one after the other."""

    def __init__(self, server: "Server", stream: net.Stream) -> None:
        self.server = server
        self.stream = stream
        self.ahead = b""
        self.resting = True  # between two requests: closing loses nothing
        self.environ = {**server.environ, **address_of(stream)}

    def receive(self, timeout: float) -> bytes:
        try:
            return self.stream.read(65536, timeout)
        except TimeoutError:
            raise Refused(408) from None

    def go_on(self) -> None:
        """Tells a client that waits for it to send its body."""
        self.stream.write(b"HTTP/1.1 100 Continue\r\n\r\n", LIMITS.send)

    def take(self, most: int) -> bytes:
        """Up to so many bytes of a body, at least one."""
        data = self.ahead or self.receive(LIMITS.request)
        if not data:
            raise ConnectionError("the client left in the middle of a body")
        self.ahead = data[most:]
        return data[:most]

    def line(self) -> bytes:
        """A line of a chunked body, without its end."""
        while (end := self.ahead.find(b"\r\n")) < 0:
            if len(self.ahead) > 1024:
                raise Refused(400)
            self.ahead += (more := self.receive(LIMITS.request))
            if not more:
                raise ConnectionError("the client left in the middle of a body")
        line, self.ahead = self.ahead[:end], self.ahead[end + 2 :]
        return line

    def head(self) -> str | None:
        """The next request's head; None when there is none."""
        data, end_of_time = self.ahead, 0.0
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > LIMITS.head_bytes:
                raise Refused(431)
            wait = LIMITS.idle
            if data:
                end_of_time = end_of_time or time.monotonic() + LIMITS.request
                wait = max(0.0, end_of_time - time.monotonic())
            try:
                more = self.stream.read(65536, wait)
            except TimeoutError:
                if not data:
                    return None
                raise Refused(408) from None
            self.resting = False
            if not more:
                return None
            data += more
        if end > LIMITS.head_bytes:
            raise Refused(431)
        self.ahead = data[end + 4 :]
        return data[:end].decode("latin-1")

    def serve(self) -> None:
        with self.stream:
            try:
                while not self.server.ending and (head := self.head()) is not None:
                    if not self.answer(head):
                        return
                    self.resting = not self.ahead
            except Refused as refused:
                body = str(refused).encode()
                text = f"HTTP/1.1 {refused}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{date_line()}\r\n\r\n"
                self.stream.write(text.encode() + body, LIMITS.send)
                self.stream.close_write()
                for _ in range(16):  # a client that still sends would lose the answer to a reset
                    if not self.stream.read(65536, 1.0):
                        break
            except OSError:
                pass  # the client left, or reads nothing

    def answer(self, head: str) -> bool:
        """Serves one request; False when the connection is to be closed."""
        environ, keep, length = parse(head, self.environ)
        if length and length > LIMITS.body_bytes:
            raise Refused(413)
        version = environ["SERVER_PROTOCOL"]
        expects = version == "HTTP/1.1" and environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        body = Body(self, length, expects)
        environ["wsgi.input"] = body
        keep = keep and not self.server.ending
        response = Response(self, version, environ["REQUEST_METHOD"] == "HEAD", keep)
        result: Any = ()
        try:
            try:
                result = self.server.app(environ, response.start)
                response.send(result)
            finally:
                if hasattr(result, "close"):
                    result.close()
        except (OSError, Refused) as error:
            if not response.begun and isinstance(error, Refused):
                raise
            if not isinstance(error, Refused) and not self.stream.closed:
                traceback.print_exc(file=environ["wsgi.errors"])
            if response.begun:
                return False
            raise Refused(500) from None
        except Exception:
            traceback.print_exc(file=environ["wsgi.errors"])
            if response.begun:
                return False
            raise Refused(500) from None
        return response.keep and body.drop()


def address_of(stream: net.Stream) -> dict[str, str]:
    remote = stream.remote_address
    return {"REMOTE_ADDR": remote[0], "REMOTE_PORT": str(remote[1])} if isinstance(remote, tuple) else {}


class Server:
    """Serves an application on a listener."""

    def __init__(self, app: App, listener: net.Listener) -> None:
        self.app = app
        self.listener = listener
        self.ending = False
        self.connections: set[Connection] = set()
        host, port = listener.address[:2]
        self.environ: dict[str, Any] = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def serve(self) -> None:
        """Accepts connections until `stop`."""
        while not self.listener.closed:
            try:
                stream = self.listener.accept()
            except OSError:
                if not self.listener.closed:
                    gmp_py.sleep(0.1)  # no descriptors are left; who ends gives one back
                continue
            connection = Connection(self, stream)
            self.connections.add(connection)
            gmp_py.go(self.one, connection)

    def one(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            self.connections.discard(connection)

    def stop(self) -> None:
        """Listens no more, lets requests under way be answered, and cuts off what is left after the grace."""
        self.ending = True
        self.listener.close()
        end = time.monotonic() + LIMITS.grace
        for connection in list(self.connections):
            if connection.resting:
                connection.stream.close()
        while self.connections and time.monotonic() < end:
            gmp_py.sleep(0.01)
        for connection in list(self.connections):
            connection.stream.close()


def demo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What is served without an argument."""
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise LookupError("an application's own error")
    if path == "/upper":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (line.upper() for line in environ["wsgi.input"])
    if path == "/sleep":
        time.sleep(0.1)  # of the standard library: the other tasks go on
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['REQUEST_METHOD']} {path}\n".encode()]


def ask_demo(host: str, port: int) -> None:
    """A client of the standard library, in a plain thread or a task."""
    client = http.client.HTTPConnection(host, port, timeout=60)
    for method, path, body, expected in [
        ("GET", "/a%20b", None, b"GET /a b\n"),
        ("POST", "/upper", [b"one\nt", b"wo\n"], b"ONE\nTWO\n"),
        ("HEAD", "/", None, b""),
        ("GET", "/sleep", None, b"GET /sleep\n"),
    ]:
        client.request(method, path, body, encode_chunked=False)
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, expected), path
        print(method, path, answer.status, flush=True)
    client.request("GET", "/broken")
    answer = client.getresponse()
    assert answer.status == 500 and b"LookupError" not in answer.read()
    print("GET /broken", answer.status, flush=True)
    client.close()


def main(words: list[str]) -> None:
    module, _, name = (words[0] if words else "").partition(":")
    app = getattr(importlib.import_module(module), name or "application") if module else demo
    server = Server(app, net.listen("tcp", words[1] if len(words) > 1 else "127.0.0.1:0"))
    print("port", server.listener.address[1], flush=True)
    serving = gmp_py.go(server.serve)
    try:
        if module:
            serving.join()
        else:
            ask_demo(*server.listener.address[:2])
    finally:
        server.stop()
        serving.join()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        pass
