"""What `gmp_py.monkey.patch_socket` puts into ``socket``.

Always true: in a plain thread, and on a non-blocking socket, every method is the interpreter's own. In a task a method
that would wait parks the task; the interpreter's own method is then called when it can go on without waiting.
"""

import _socket
import errno
import os
import socket
from collections.abc import Callable
from select import POLLIN, POLLOUT
from time import monotonic
from typing import Any

from . import _gmp
from ._elsewhere import call_elsewhere
from ._patch_dns import is_numeric, own_getaddrinfo
from ._patching import is_first

_Own = _socket.socket
_MSG_DONTWAIT = socket.MSG_DONTWAIT


def patch() -> None:
    """Replaces the methods of ``socket.socket``; the class stays, so its objects and subclasses are patched too."""
    if not is_first("socket"):
        return
    methods: dict[str, Any] = {
        **_gmp._socket_methods(_Own),
        "recvfrom": recvfrom,
        "recvfrom_into": recvfrom_into,
        "recvmsg": recvmsg,
        "recvmsg_into": recvmsg_into,
        "sendto": sendto,
        "sendmsg": sendmsg,
        "connect": connect,
        "connect_ex": connect_ex,
        "_real_close": _real_close,
        "_sendfile_use_sendfile": _sendfile_use_sendfile,
    }
    for name, method in methods.items():
        setattr(socket.socket, name, method)


def _wait(sock: socket.socket, events: int, end: float | None) -> None:
    """Waits until the socket is ready; raises what a socket's method raises when the time is over."""
    left = None if end is None else max(0.0, end - monotonic())
    if not _gmp._wait_fd(_Own.fileno(sock), events, left):
        raise TimeoutError("timed out")


def _retry(sock: socket.socket, events: int, own: Callable[..., Any], *args: Any) -> Any:
    """Calls a method that is told not to wait until it did not have to."""
    timeout = _Own.gettimeout(sock)
    end = None
    if timeout is not None:
        # With a timeout the method itself would wait first.
        end = monotonic() + timeout
        _wait(sock, events, end)
    while True:
        try:
            return own(sock, *args)
        except BlockingIOError:
            _wait(sock, events, end)


def _parks(sock: socket.socket, flags: Any = 0) -> bool:
    if not _gmp._in_task() or _Own.gettimeout(sock) == 0.0 or _Own.fileno(sock) < 0:
        return False
    return not (isinstance(flags, int) and flags & _MSG_DONTWAIT)


def recvfrom(self: socket.socket, bufsize: int, flags: int = 0, /) -> Any:
    if not _parks(self, flags):
        return _Own.recvfrom(self, bufsize, flags)
    return _retry(self, POLLIN, _Own.recvfrom, bufsize, flags | _MSG_DONTWAIT)


def recvfrom_into(self: socket.socket, buffer: Any, nbytes: int = 0, flags: int = 0) -> Any:
    if not _parks(self, flags):
        return _Own.recvfrom_into(self, buffer, nbytes, flags)
    return _retry(self, POLLIN, _Own.recvfrom_into, buffer, nbytes, flags | _MSG_DONTWAIT)


def recvmsg(self: socket.socket, bufsize: int, ancbufsize: int = 0, flags: int = 0, /) -> Any:
    if not _parks(self, flags):
        return _Own.recvmsg(self, bufsize, ancbufsize, flags)
    return _retry(self, POLLIN, _Own.recvmsg, bufsize, ancbufsize, flags | _MSG_DONTWAIT)


def recvmsg_into(self: socket.socket, buffers: Any, ancbufsize: int = 0, flags: int = 0, /) -> Any:
    if not _parks(self, flags):
        return _Own.recvmsg_into(self, buffers, ancbufsize, flags)
    buffers = list(buffers)  # an iterator would be used up by the first try
    return _retry(self, POLLIN, _Own.recvmsg_into, buffers, ancbufsize, flags | _MSG_DONTWAIT)


def sendto(self: socket.socket, data: Any, *args: Any) -> int:
    flags = args[0] if len(args) == 2 else 0
    if not _parks(self, flags) or not 1 <= len(args) <= 2 or not isinstance(flags, int):
        return _Own.sendto(self, data, *args)
    sent: int = _retry(self, POLLOUT, _Own.sendto, data, flags | _MSG_DONTWAIT, args[-1])
    return sent


def sendmsg(self: socket.socket, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None, /) -> int:
    if not _parks(self, flags):
        return _Own.sendmsg(self, buffers, ancdata, flags, address)
    buffers, ancdata = list(buffers), list(ancdata)
    sent: int = _retry(self, POLLOUT, _Own.sendmsg, buffers, ancdata, flags | _MSG_DONTWAIT, address)
    return sent


def connect(self: socket.socket, address: Any, /) -> None:
    if not _parks(self):
        return _Own.connect(self, address)
    error = _connect(self, address)
    if error == errno.EWOULDBLOCK:
        raise TimeoutError("timed out")
    if error:
        raise OSError(error, os.strerror(error))


def connect_ex(self: socket.socket, address: Any, /) -> int:
    if not _parks(self):
        return _Own.connect_ex(self, address)
    return _connect(self, address)


def _connect(sock: socket.socket, address: Any) -> int:
    """Connects within the socket's timeout; gives the error's number, EWOULDBLOCK when the time is over."""
    timeout = _Own.gettimeout(sock)
    end = None if timeout is None else monotonic() + timeout
    address = _numeric(sock, address)
    pause = 0.001
    while True:
        error = _try_connect(sock, address, timeout)
        if error != errno.EAGAIN or sock.family != socket.AF_UNIX:
            break
        # The listener's queue is full, and nothing tells when it no longer is.
        if end is not None and monotonic() >= end:
            return errno.EWOULDBLOCK
        _gmp.sleep(pause)
        pause = min(2 * pause, 0.05)
    if error not in (errno.EINPROGRESS, errno.EINTR):
        return error
    try:
        _wait(sock, POLLOUT, end)
    except TimeoutError:
        return errno.EWOULDBLOCK
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error == 0 and timeout is None:
        # As after a connect that waited in the kernel: the next one is told EISCONN.
        _Own.connect_ex(sock, address)
    return error


def _try_connect(sock: socket.socket, address: Any, timeout: float | None) -> int:
    """The interpreter's own method, which knows every form of address, without its wait."""
    _Own.settimeout(sock, 0.0)
    try:
        return _Own.connect_ex(sock, address)
    finally:
        if _Own.fileno(sock) >= 0:
            _Own.settimeout(sock, timeout)


def _numeric(sock: socket.socket, address: Any) -> Any:
    """An address whose host is looked up, where it is a name; all other things are the method's to complain about."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple) or len(address) < 2:
        return address
    host = address[0]
    if not isinstance(host, (str, bytes)) or is_numeric(host) or host == "<broadcast>":
        return address
    found = call_elsewhere(own_getaddrinfo, host, None, sock.family)
    return (found[0][4][0], *address[1:])


def _real_close(
    self: socket.socket, _ss: type[_socket.socket] = _Own, _close: Callable[[int], None] = _gmp._close_fd
) -> None:
    # No globals: this runs while the interpreter ends, too.
    fd = _ss.detach(self)
    if fd >= 0:
        try:
            _close(fd)
        except ConnectionResetError:
            pass


def _sendfile_use_sendfile(self: socket.socket, file: Any, offset: int = 0, count: int | None = None) -> int:
    if not _parks(self):
        return _own_sendfile(self, file, offset, count)
    self._check_sendfile_params(file, offset, count)  # type: ignore[attr-defined]
    try:
        fileno = file.fileno()
        size = os.fstat(fileno).st_size
    except (AttributeError, OSError) as error:
        raise socket._GiveupOnSendfile(error)  # type: ignore[attr-defined]
    if not size:
        return 0
    timeout = _Own.gettimeout(self)
    total = 0
    try:
        while not count or total < count:
            most = min(count - total if count else size, 2**30)
            try:
                sent = _gmp._sendfile(_Own.fileno(self), fileno, offset, most, timeout)
            except TimeoutError:
                raise
            except OSError as error:
                if total == 0:
                    raise socket._GiveupOnSendfile(error)  # type: ignore[attr-defined]
                raise error from None
            if sent == 0:
                break
            offset += sent
            total += sent
        return total
    finally:
        if total > 0 and hasattr(file, "seek"):
            file.seek(offset)


_own_sendfile: Callable[..., int] = socket.socket._sendfile_use_sendfile  # type: ignore[attr-defined]
