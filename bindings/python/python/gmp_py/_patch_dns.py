"""What `gmp_py.monkey.patch_dns` puts into ``socket``: lookups of names that are made on another thread.

Always true: who is no task, and a host that nobody needs to be asked for, is served by the interpreter's own function at
once.
"""

import _socket
import socket
from collections.abc import Callable
from typing import Any

from . import _gmp
from ._elsewhere import call_elsewhere
from ._patching import is_first, remember, replace

own_getaddrinfo = _socket.getaddrinfo
_LOOKUPS = ("getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr")


def patch() -> None:
    if not is_first("dns"):
        return
    for name in _LOOKUPS:
        lookup = _handing_on(getattr(_socket, name))
        # socket.getaddrinfo is written in Python and looks in _socket for the real one.
        if name == "getaddrinfo":
            remember(own_getaddrinfo, lookup, "_socket.getaddrinfo")
            setattr(_socket, name, lookup)
        else:
            replace(socket, name, lookup)
            replace(_socket, name, lookup)


def _handing_on(own: Callable[..., Any]) -> Callable[..., Any]:
    def lookup(*args: Any, **kwargs: Any) -> Any:
        if not _gmp._in_task() or (args and is_numeric(args[0])):
            return own(*args, **kwargs)
        return call_elsewhere(own, *args, **kwargs)

    lookup.__name__ = lookup.__qualname__ = own.__name__
    lookup.__doc__ = own.__doc__
    lookup.__module__ = own.__module__
    return lookup


def is_numeric(host: Any) -> bool:
    """Whether a host is one that nobody needs to be asked for."""
    if host is None or host in ("", b""):
        return True
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host if isinstance(host, str) else host.decode("ascii"))
            return True
        except (OSError, AttributeError, ValueError):
            pass
    return False
