"""Servers of the standard library with a task for each connection, and nothing patched.

Example:
    >>> import http.server, urllib.request
    >>> from gmp_py import go, servers
    >>> class Hello(http.server.BaseHTTPRequestHandler):
    ...     def do_GET(self):
    ...         self.send_response(200)
    ...         self.end_headers()
    ...         self.wfile.write(b'hello')
    ...     def log_message(self, *args):
    ...         pass
    >>> class Server(servers.TaskMixIn, http.server.HTTPServer):
    ...     pass
    >>> with Server(('127.0.0.1', 0), Hello) as server:
    ...     serving = go(server.serve_forever)
    ...     urllib.request.urlopen('http://127.0.0.1:%d' % server.server_port).read()
    ...     server.shutdown()
    b'hello'
"""

import socket
import socketserver
from select import POLLIN
from typing import Any

from . import _gmp
from ._gmp import Task
from .net import Socket

__all__ = ["TaskMixIn"]


class TaskMixIn(socketserver.BaseServer):
    """Gives a server of ``socketserver`` or ``http.server`` a task for each request. Put it first among the bases.

    Connections are `gmp_py.net.Socket`: a handler that waits in one, or in ``rfile`` and ``wfile``, is parked. What a server
    whose socket was replaced (by one that ``ssl`` wrapped) accepts is of that kind, and parks only when patched.

    Attributes:
        request_queue_size: How many connections may wait to be accepted.
        block_on_close: Whether ``server_close`` waits for the tasks under way. A connection that a client holds open
            keeps its task: servers of HTTP/1.1 may prefer False, as ``http.server.ThreadingHTTPServer`` does.

    Example:
        >>> import socket, socketserver
        >>> from gmp_py import go, servers
        >>> class Upper(socketserver.StreamRequestHandler):
        ...     def handle(self):
        ...         for line in self.rfile:
        ...             self.wfile.write(line.upper())
        >>> class Server(servers.TaskMixIn, socketserver.TCPServer):
        ...     pass
        >>> with Server(('127.0.0.1', 0), Upper) as server:
        ...     serving = go(server.serve_forever)
        ...     with socket.create_connection(server.server_address) as near:
        ...         near.sendall(b'hello\\n')
        ...         near.recv(100)
        ...     server.shutdown()
        b'HELLO\\n'
    """

    block_on_close = True
    request_queue_size = 1024

    _loop: Task[None] | None = None
    _ending = False
    _most = 100  # requests kept before those that have ended are dropped

    def server_activate(self) -> None:
        """Makes the server's socket one that parks, then goes on as the other base does."""
        own: Any = getattr(self, "socket", None)
        if type(own) is socket.socket:
            timeout = own.gettimeout()
            ours = Socket(own.family, own.type, own.proto, own.detach())
            ours.settimeout(timeout)
            setattr(self, "socket", ours)  # the other base's attribute, which this class does not declare
        super().server_activate()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serves until `shutdown`. From a task or a plain thread; Ctrl-C ends it in the main thread."""
        self._ending = False
        self._loop = _gmp.go(self._serve, poll_interval, name="serve_forever")
        try:
            self._loop.join()
        finally:
            self._ending = True

    def _serve(self, poll_interval: float) -> None:
        while not self._ending:
            ready = _gmp._wait_fd(self.fileno(), POLLIN, poll_interval)  # type: ignore[attr-defined]
            if self._ending:
                break
            if ready:
                self._handle_request_noblock()  # type: ignore[attr-defined]
            self.service_actions()

    def shutdown(self) -> None:
        """Ends `serve_forever` and waits until it has ended; in a handler too. At most ``poll_interval``."""
        loop = self._loop
        self._ending = True
        if loop is not None and loop is not _gmp.current():
            loop.exception()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts the task of a request."""
        task = _gmp.go(self.process_request_task, request, client_address, name="request")
        if self.block_on_close:
            under_way = self._under_way()
            if len(under_way) >= self._most:
                under_way[:] = [task for task in under_way if not task.done()]
                self._most = max(100, 2 * len(under_way))
            under_way.append(task)

    def _under_way(self) -> list[Task[None]]:
        under_way: list[Task[None]] = self.__dict__.setdefault("_requests", [])
        return under_way

    def process_request_task(self, request: Any, client_address: Any) -> None:
        """What the task of a request does: as ``ThreadingMixIn.process_request_thread``.

        Args:
            request: The connection, or what came in a datagram.
            client_address: Where it came from.
        """
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def server_close(self) -> None:
        """Closes the server's socket, and waits for the tasks under way if `block_on_close` says so."""
        super().server_close()
        under_way = self._under_way()
        while under_way:
            under_way.pop().exception()
