"""Makes the standard library's sockets park the task that waits, instead of blocking the thread under it.

A task that waits in an ordinary socket blocks its thread, and with it the other Python tasks. Patched, it is parked, and
ten thousand of them wait on a few threads.

The classes stay what they are (``socket.socket`` and ``ssl.SSLSocket`` get other methods), so sockets that exist and
names that were imported before are patched too. Plain threads notice nothing.
"""

from . import _patch_select, _patch_socket, _patch_ssl

__all__ = ["is_patched", "patch_all", "patch_select", "patch_socket", "patch_ssl"]


def patch_all(*, socket: bool = True, ssl: bool = True, select: bool = True) -> None:
    """Patches every module that this package knows, but for those that are told off.

    Patching twice does nothing. Best done first in a program.

    Args:
        socket: Whether to call `patch_socket`.
        ssl: Whether to call `patch_ssl`.
        select: Whether to call `patch_select`.

    Example:
        >>> import subprocess, sys
        >>> script = '''
        ... from gmp_py import go, monkey
        ... monkey.patch_all()
        ... import socket
        ... a, b = socket.socketpair()
        ... reader = go(a.recv, 10)
        ... b.sendall(b'hello')
        ... print(reader.join())
        ... '''
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        "b'hello'\\n"
    """
    if socket:
        patch_socket()
    if select:
        patch_select()
    if ssl:
        patch_ssl()


def patch_socket(*, dns: bool = True) -> None:
    """Patches ``socket``: connections of every kind, and the functions that look up names.

    Timeouts, non-blocking sockets, errors and ``makefile`` work as before. Two things differ, in tasks only: closing a
    socket ends the calls that wait on it, with OSError (EBADF), and accepted TCP connections have TCP_NODELAY set.

    Args:
        dns: Whether ``getaddrinfo`` and its relatives look up names on another thread, while other tasks run.

    Example:
        >>> import subprocess, sys
        >>> script = 'from gmp_py import monkey; monkey.patch_socket(); print(monkey.is_patched("socket"))'
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'True\\n'
    """
    _patch_socket.patch(dns)


def patch_select() -> None:
    """Patches ``select`` and ``selectors``: select, poll and epoll.

    ``select.poll`` and ``select.epoll`` become classes of this package; objects made before are not patched.

    Example:
        >>> import subprocess, sys
        >>> script = 'from gmp_py import monkey; monkey.patch_select(); print(monkey.is_patched("select"))'
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'True\\n'
    """
    _patch_select.patch()


def patch_ssl() -> None:
    """Patches ``ssl``: sockets that a context wraps. Patches ``socket`` too.

    The descriptor of a wrapped socket is non-blocking from then on, which only its other users can see.

    Example:
        >>> import subprocess, sys
        >>> script = 'from gmp_py import monkey; monkey.patch_ssl(); print(monkey.is_patched("ssl"))'
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'True\\n'
    """
    patch_socket()
    _patch_ssl.patch()


def is_patched(module: str) -> bool:
    """Tells whether a module of the standard library is patched.

    Args:
        module: Its name, such as ``'socket'``.

    Example:
        >>> from gmp_py import monkey
        >>> monkey.is_patched('json')
        False
    """
    patched = {"socket": _patch_socket.done, "select": _patch_select.done, "ssl": _patch_ssl.done}
    return module in patched and patched[module]()
