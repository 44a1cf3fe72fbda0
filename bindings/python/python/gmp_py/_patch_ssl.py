"""What `gmp_py.monkey.patch_ssl` puts into ``ssl.SSLSocket``.

Always true: from its first handshake, read or write on, a wrapped socket's own timeout is 0, so that the TLS layer
never waits: it says what it wants, and the waiting is done here. The timeout that the program has set lies in the
object's ``_gmp_timeout``, and every method that tells or sets it goes there.
"""

from collections.abc import Callable
from select import POLLIN, POLLOUT
from time import monotonic
from typing import Any

from . import _gmp
from ._patching import is_first


def patch() -> None:
    """Replaces the methods of ``ssl.SSLSocket``; the class stays, so its objects and subclasses are patched too."""
    if not is_first("ssl"):
        return
    import _socket
    import ssl
    from ssl import SSL_ERROR_EOF, SSLError, SSLSocket, SSLWantReadError, SSLWantWriteError

    own = _socket.socket

    def adopt(self: Any) -> float | None:
        """The program's timeout; the socket's own is 0 from now on."""
        try:
            timeout: float | None = self.__dict__["_gmp_timeout"]
        except KeyError:
            timeout = self.__dict__["_gmp_timeout"] = own.gettimeout(self)
            own.settimeout(self, 0.0)
        return timeout

    def give_back(self: Any) -> None:
        """The TLS layer is gone: the socket waits by itself again."""
        if "_gmp_timeout" in self.__dict__:
            timeout = self.__dict__.pop("_gmp_timeout")
            if own.fileno(self) >= 0:
                own.settimeout(self, timeout)

    def call(self: Any, what: str, function: Callable[..., Any], *args: Any) -> Any:
        timeout = adopt(self)
        end = None
        while True:
            try:
                return function(*args)
            except SSLWantReadError:
                if timeout == 0.0:
                    raise
                events = POLLIN
            except SSLWantWriteError:
                if timeout == 0.0:
                    raise
                events = POLLOUT
            left = None
            if timeout is not None:
                if end is None:
                    end = monotonic() + timeout
                left = max(0.0, end - monotonic())
            if not _gmp._wait_fd(own.fileno(self), events, left):
                raise TimeoutError(f"The {what} operation timed out")

    def read(self: Any, len: int = 1024, buffer: Any = None) -> Any:
        self._checkClosed()
        if self._sslobj is None:
            raise ValueError("Read on closed or unwrapped SSL socket.")
        args = (len,) if buffer is None else (len, buffer)
        try:
            return call(self, "read", self._sslobj.read, *args)
        except SSLError as error:
            if error.args[0] == SSL_ERROR_EOF and self.suppress_ragged_eofs:
                return b"" if buffer is None else 0
            raise

    def write(self: Any, data: Any) -> int:
        self._checkClosed()
        if self._sslobj is None:
            raise ValueError("Write on closed or unwrapped SSL socket.")
        sent: int = call(self, "write", self._sslobj.write, data)
        return sent

    own_send = SSLSocket.send

    def send(self: Any, data: Any, flags: int = 0) -> int:
        self._checkClosed()
        if self._sslobj is None or flags != 0:
            return own_send(self, data, flags)
        return write(self, data)

    def do_handshake(self: Any, block: bool = False) -> None:
        self._check_connected()
        timeout = self.gettimeout()
        try:
            if timeout == 0.0 and block:
                self.settimeout(None)
            call(self, "handshake", self._sslobj.do_handshake)
        finally:
            self.settimeout(timeout)

    def unwrap(self: Any) -> Any:
        if not self._sslobj:
            raise ValueError("No SSL wrapper around " + str(self))
        plain = call(self, "shutdown", self._sslobj.shutdown)
        self._sslobj = None
        give_back(self)
        return plain

    own_shutdown = SSLSocket.shutdown

    def shutdown(self: Any, how: int) -> None:
        own_shutdown(self, how)
        give_back(self)

    def gettimeout(self: Any) -> float | None:
        if "_gmp_timeout" in self.__dict__:
            timeout: float | None = self.__dict__["_gmp_timeout"]
            return timeout
        return own.gettimeout(self)

    def settimeout(self: Any, value: float | None, /) -> None:
        own.settimeout(self, value)  # also the one that complains
        if "_gmp_timeout" in self.__dict__:
            self.__dict__["_gmp_timeout"] = own.gettimeout(self)
            own.settimeout(self, 0.0)

    def setblocking(self: Any, flag: bool, /) -> None:
        settimeout(self, None if flag else 0.0)

    def getblocking(self: Any) -> bool:
        return gettimeout(self) != 0.0

    for method in (read, write, send, do_handshake, unwrap, shutdown, gettimeout, settimeout, setblocking, getblocking):
        method.__doc__ = getattr(SSLSocket, method.__name__).__doc__
        method.__qualname__ = f"SSLSocket.{method.__name__}"
        method.__module__ = ssl.__name__
        setattr(SSLSocket, method.__name__, method)
    setattr(SSLSocket, "timeout", property(gettimeout))
