"""Connections for tasks: dial, listen, and streams of bytes.

A task that waits here is parked; the others run on. From a plain thread the same calls block that thread. Timeouts are
seconds, and raise TimeoutError; what the operating system refuses is the OSError of that kind.

Example:
    >>> from gmp_py import go, net
    >>> def serve(listener):
    ...     with listener.accept() as stream:
    ...         stream.write(stream.readline().upper())
    >>> listener = net.listen('tcp', '127.0.0.1:0')
    >>> server = go(serve, listener)
    >>> with net.dial('tcp', '127.0.0.1:%d' % listener.address[1]) as stream:
    ...     stream.write(b'hello\\n')
    ...     stream.readline()
    6
    b'HELLO\\n'
    >>> server.join()
    >>> listener.close()
"""

import errno
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from . import _gmp
from ._gmp import Stream
from ._net_socket import Socket

__all__ = ["Listener", "Socket", "Stream", "dial", "listen"]


class Listener:
    """A socket that connections come to, made by `listen`.

    Any number of tasks may accept from one listener. It is an iterator of streams and a context manager that closes it.

    Example:
        >>> from gmp_py import net
        >>> with net.listen('tcp', '127.0.0.1:0') as listener:
        ...     host, port = listener.address
        ...     listener.closed
        False
        >>> host, listener.closed
        ('127.0.0.1', True)
    """

    __slots__ = ("_fd", "_address", "__weakref__")

    def __init__(self, fd: int) -> None:
        self._fd = -1
        self._address = _gmp._socket_address(fd)
        self._fd = fd

    @property
    def address(self) -> Any:
        """Where it listens, as in the socket module: host and port, or a path."""
        return self._address

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._fd < 0

    def fileno(self) -> int:
        """Gives the descriptor; -1 once closed.

        Example:
            >>> from gmp_py import net
            >>> with net.listen('tcp', '127.0.0.1:0') as listener:
            ...     listener.fileno() >= 0
            True
        """
        return self._fd

    def accept(self, timeout: float | None = None) -> Stream:
        """Waits for a connection.

        Args:
            timeout: Seconds to wait; None or infinity waits for ever.

        Returns:
            The connection's stream.

        Raises:
            TimeoutError: Nobody came in time.
            OSError: The listener was closed (EBADF), or there are no more descriptors (EMFILE): the connection
                then waits for the next call.

        Example:
            >>> from gmp_py import net
            >>> with net.listen('tcp', '127.0.0.1:0') as listener:
            ...     listener.accept(timeout=0.01)
            Traceback (most recent call last):
                ...
            TimeoutError: timed out
        """
        return _gmp._accept(self._fd, timeout)

    def close(self) -> None:
        """Closes the socket. Calls that wait on it end with OSError (EBADF).

        Closing twice does nothing.

        Example:
            >>> from gmp_py import net
            >>> listener = net.listen('tcp', '127.0.0.1:0')
            >>> listener.close()
            >>> listener.closed
            True
        """
        fd, self._fd = self._fd, -1
        if fd >= 0:
            _gmp._close_fd(fd)

    def __iter__(self) -> Iterator[Stream]:
        while not self.closed:
            try:
                stream = self.accept()
            except OSError:
                if self.closed:
                    return
                raise
            yield stream

    def __enter__(self) -> "Listener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # No warning: a listener's lifetime is often the program's.
        self.close()

    def __repr__(self) -> str:
        return f"<gmp_py.net.Listener {'closed' if self.closed else self._address}>"


def dial(network: str, address: str, timeout: float | None = None) -> Stream:
    """Connects to a server.

    Args:
        network: ``'tcp'``, ``'udp'``, each also with 4 or 6 behind it for one kind of IP, or ``'unix'``.
        address: ``'host:port'``, with an IPv6 host in brackets; for ``'unix'`` a path.
        timeout: Seconds for looking up the name and connecting; None or infinity waits for ever.

    Returns:
        The connection's stream.

    Raises:
        TimeoutError: The time is over.
        ValueError: There is no such network, or the address has another form.
        OSError: There is no such host (socket.gaierror), or no connection to it (ConnectionRefusedError and others).

    Example:
        >>> from gmp_py import net
        >>> with net.listen('tcp', '127.0.0.1:0') as listener:
        ...     with net.dial('tcp', '127.0.0.1:%d' % listener.address[1], timeout=60) as stream:
        ...         stream.remote_address == listener.address
        True
    """
    try:
        if not _gmp._in_task():
            # A task's, so that a signal's handler can end the wait of the main thread.
            return _gmp.go(_gmp._dial, network, address, timeout).join()
        return _gmp._dial(network, address, timeout)
    except OSError as error:
        if network.startswith("unix") or error.errno not in (errno.ENOENT, errno.EREMOTEIO):
            raise
        import socket

        again = error.errno == errno.EREMOTEIO
        code = socket.EAI_AGAIN if again else socket.EAI_NONAME
        why = "Temporary failure in name resolution" if again else "Name or service not known"
        raise socket.gaierror(code, f"{why}: {address}") from None


def listen(network: str, address: str) -> Listener:
    """Opens a socket that connections come to.

    Args:
        network: ``'tcp'``, ``'tcp4'``, ``'tcp6'`` or ``'unix'``.
        address: ``'host:port'``, without a host for every address of this machine; port 0 is any free one, which `Listener.address` tells. For ``'unix'`` a path.

    Returns:
        The listener.

    Raises:
        ValueError: There is no such network, or the address has another form.
        OSError: The address is taken, or not one of this machine.

    Example:
        >>> from gmp_py import net
        >>> with net.listen('tcp', '127.0.0.1:0') as listener:
        ...     listener.address[1] > 0
        True
    """
    fd = _gmp._listen(network, address)
    try:
        return Listener(fd)
    except BaseException:
        _gmp._close_fd(fd)
        raise
