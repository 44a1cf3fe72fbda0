"""`gmp_py.net.Socket`: a ``socket.socket`` that parks the task that waits in it, with nothing patched.

Always true: in a plain thread, and when it is non-blocking, it is a ``socket.socket`` and nothing else. Its file for reading
is Python down to the call that waits, so a task that waits in it can go on on another thread.
"""

import _socket
import io
import socket
from typing import Any

from . import _gmp, _patch_socket

_CHUNK = 65536
_own_makefile: Any = socket.socket.makefile


class Reader(io.BufferedIOBase):
    """What ``makefile("rb")`` gives: a buffered file of what a socket receives, for one reader at a time.

    The buffer is touched between waits only, and a call that fails, by its timeout too, has taken nothing out of it.
    """

    mode = "rb"

    def __init__(self, raw: socket.SocketIO) -> None:
        self.raw = raw
        self._recv = raw._sock.recv  # type: ignore[attr-defined]
        self._ahead = bytearray()

    @property
    def name(self) -> int:
        return self.raw.fileno()

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.raw.fileno()

    def _more(self) -> bool:
        """Waits for more to be read ahead; False at the end."""
        chunk = self._recv(_CHUNK)
        self._ahead += chunk
        return bool(chunk)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._ahead[:count])
        del self._ahead[:count]
        return taken

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")

    def readline(self, limit: int | None = -1, /) -> bytes:
        self._check()
        most = -1 if limit is None else limit
        searched = 0
        while True:
            end = self._ahead.find(b"\n", searched) + 1
            searched = len(self._ahead)
            if not end and not 0 <= most <= searched and self._more():
                searched = min(searched, len(self._ahead))  # another reader may have taken some
                continue
            end = end or len(self._ahead)
            return self._take(end if most < 0 else min(end, most))

    def read(self, size: int | None = -1, /) -> bytes:
        self._check()
        if size is None or size < 0:
            while self._more():
                pass
            return self._take(len(self._ahead))
        while len(self._ahead) < size and self._more():
            pass
        return self._take(size)

    def read1(self, size: int = -1, /) -> bytes:
        self._check()
        if size and not self._ahead:
            self._more()
        return self._take(size if size >= 0 else len(self._ahead))

    def peek(self, size: int = 0, /) -> bytes:
        """What was read ahead; waits for something if that is nothing."""
        self._check()
        if not self._ahead:
            self._more()
        return bytes(self._ahead)

    def readinto(self, buffer: Any, /) -> int:
        return self._into(buffer, self.read)

    def readinto1(self, buffer: Any, /) -> int:
        return self._into(buffer, self.read1)

    def _into(self, buffer: Any, read: Any) -> int:
        with memoryview(buffer) as view, view.cast("B") as room:
            data: bytes = read(len(room))
            room[: len(data)] = data
            return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.raw.close()


class Socket(socket.socket):
    """A ``socket.socket`` that parks the task that waits in it, with nothing patched.

    Everything that takes a socket takes it. What it accepts, and what it duplicates to, is of its kind; what ``ssl`` wraps
    is not.

    Example:
        >>> import socket
        >>> from gmp_py import go, net
        >>> with net.Socket() as listener, net.Socket() as near:
        ...     listener.bind(('127.0.0.1', 0))
        ...     listener.listen()
        ...     near.connect(listener.getsockname())
        ...     far, address = listener.accept()
        ...     with far:
        ...         reader = go(far.recv, 100)
        ...         near.sendall(b'hello')
        ...         reader.join(), isinstance(far, net.Socket)
        (b'hello', True)
    """

    __slots__ = ()

    locals().update(_gmp._socket_methods(_socket.socket))
    recvfrom = _patch_socket.recvfrom
    recvfrom_into = _patch_socket.recvfrom_into
    recvmsg = _patch_socket.recvmsg
    recvmsg_into = _patch_socket.recvmsg_into
    sendto = _patch_socket.sendto
    sendmsg = _patch_socket.sendmsg
    connect = _patch_socket.connect
    connect_ex = _patch_socket.connect_ex
    _real_close = _patch_socket._real_close
    _sendfile_use_sendfile = _patch_socket._sendfile_use_sendfile

    def accept(self) -> tuple["Socket", Any]:
        """As ``socket.socket``'s; gives a Socket."""
        fd, address = self._accept()  # type: ignore[attr-defined]
        accepted = Socket(self.family, self.type, self.proto, fileno=fd)
        if socket.getdefaulttimeout() is None and self.gettimeout():
            accepted.setblocking(True)
        return accepted, address

    def makefile(self, mode: str = "r", buffering: int | None = None, **text: Any) -> Any:
        """As ``socket.socket``'s."""
        if mode not in ("rb", "br") or buffering == 0 or text:
            return _own_makefile(self, mode, buffering, **text)
        raw = socket.SocketIO(self, "r")
        self._io_refs: int = self._io_refs + 1
        return Reader(raw)
