"""`gmp_py.net.Socket`: a ``socket.socket`` that parks the task that waits in it, with nothing patched.

Always true: in a plain thread, and when it is non-blocking, it is a ``socket.socket`` and nothing else.
"""

import _socket
import socket
from typing import Any

from . import _gmp, _patch_socket


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
