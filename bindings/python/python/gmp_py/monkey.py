"""Makes the standard library park the task that waits, instead of blocking the thread under it.

Without patches nothing stands still: a task that waits in an ordinary socket, lock or `time.sleep` blocks its thread, and
the other tasks go on elsewhere. Patched, it is parked: ten thousand of them wait on a few threads, and locks, thread
idents and ``threading.current_thread()`` belong to the task.

Best done first in a program, before other imports. What was made before is found where that is possible: the classes
stay what they are (``socket.socket`` and ``ssl.SSLSocket`` get other methods), locks that nobody holds are replaced
where they are held, and names that the standard library itself has imported are too. A module of yours that did ``from
time import sleep`` before keeps the old one: a `MonkeyPatchWarning` names it.

Plain threads notice nothing; a ``threading.Thread`` stays one, unless it is asked for as a task.
"""

from . import (
    _patch_dns,
    _patch_queue,
    _patch_select,
    _patch_socket,
    _patch_ssl,
    _patch_subprocess,
    _patch_threading,
    _patch_threads,
    _patch_time,
)
from ._patching import MonkeyPatchWarning, patched, renew_references

__all__ = [
    "MonkeyPatchWarning",
    "is_patched",
    "patch_all",
    "patch_dns",
    "patch_queue",
    "patch_select",
    "patch_socket",
    "patch_ssl",
    "patch_subprocess",
    "patch_threading",
    "patch_time",
]


def patch_all(
    *,
    threading: bool = True,
    time: bool = True,
    queue: bool = True,
    socket: bool = True,
    dns: bool = True,
    select: bool = True,
    ssl: bool = True,
    subprocess: bool = True,
    threads: bool = False,
) -> None:
    """Patches every module that this package knows, but for those that are told off.

    Patching twice does nothing. Best done first in a program.

    Args:
        threading: Whether to call `patch_threading`.
        time: Whether to call `patch_time`.
        queue: Whether to call `patch_queue`.
        socket: Whether to call `patch_socket`.
        dns: Whether to call `patch_dns`.
        select: Whether to call `patch_select`.
        ssl: Whether to call `patch_ssl`, which patches ``socket`` too.
        subprocess: Whether to call `patch_subprocess`.
        threads: Whether every new ``threading.Thread`` is a task; see `patch_threading`.

    Raises:
        TypeError: There is no such module, or a value is not a bool.

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
    _check(threading, time, queue, socket, dns, select, ssl, subprocess, threads)
    if threading or threads:
        _patch_threading.patch()
    if threads:
        _patch_threads.patch()
    if time:
        _patch_time.patch()
    if queue:
        _patch_queue.patch()
    if socket or ssl:
        _patch_socket.patch()
    if dns:
        _patch_dns.patch()
    if select:
        _patch_select.patch()
    if ssl:
        _patch_ssl.patch()
    if subprocess:
        _patch_subprocess.patch()
    renew_references()


def patch_threading(*, threads: bool = False) -> None:
    """Patches ``threading`` and ``_thread``: identity and locks.

    In a task ``threading.get_ident()`` is the task's id and ``threading.current_thread()`` an object of its own, which
    ``threading.enumerate()`` lists until the task ends. ``Lock`` and ``RLock`` park the task that waits, and with them
    all that is built upon them: Condition, Event, Semaphore, Barrier, Timer, ``queue.Queue``, ``concurrent.futures``,
    ``logging``, and the import system, whose locks belong to a task then.

    Args:
        threads: Whether every ``threading.Thread`` that is started from now on is a task. It is cheap then, as tasks are,
            but it is none of the system's threads: C libraries see one thread run several, signals cannot be sent to it,
            and exit raises TaskExit in a daemon that still waits. Threads that a C library starts stay threads.

    Raises:
        TypeError: A value is not a bool.

    Example:
        >>> import subprocess, sys
        >>> script = '''
        ... from gmp_py import go, monkey
        ... monkey.patch_threading()
        ... import threading
        ... task = go(lambda: threading.current_thread().name, name='worker')
        ... print(task.join(), threading.current_thread().name)
        ... '''
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'worker MainThread\\n'
    """
    _check(threads)
    _patch_threading.patch()
    if threads:
        _patch_threads.patch()
    renew_references()


def patch_time() -> None:
    """Patches ``time.sleep``: a task that sleeps is parked.

    Example:
        >>> import subprocess, sys
        >>> script = 'from gmp_py import monkey; monkey.patch_time(); print(monkey.is_patched("time"))'
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'True\\n'
    """
    _patch_time.patch()
    renew_references()


def patch_queue() -> None:
    """Patches ``queue.SimpleQueue``, which becomes a class of this package; objects made before are not patched.

    The other queues wait in ``threading``'s locks: they need `patch_threading`.

    Example:
        >>> import subprocess, sys
        >>> script = 'from gmp_py import monkey; monkey.patch_queue(); print(monkey.is_patched("queue"))'
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'True\\n'
    """
    _patch_queue.patch()
    renew_references()


def patch_subprocess() -> None:
    """Patches waits for child processes: ``subprocess``, ``os.waitpid`` and its relatives.

    What ``communicate`` reads and writes is waited for in ``selectors``: it needs `patch_select`.

    Example:
        >>> import subprocess, sys
        >>> script = 'from gmp_py import monkey; monkey.patch_subprocess(); print(monkey.is_patched("subprocess"))'
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'True\\n'
    """
    _patch_subprocess.patch()
    renew_references()


def patch_socket(*, dns: bool = True) -> None:
    """Patches ``socket``: connections of every kind, and the functions that look up names.

    Timeouts, non-blocking sockets, errors and ``makefile`` work as before. Two things differ, in tasks only: closing a
    socket ends the calls that wait on it, with OSError (EBADF), and accepted TCP connections have TCP_NODELAY set.

    Args:
        dns: Whether to call `patch_dns`.

    Raises:
        TypeError: A value is not a bool.

    Example:
        >>> import subprocess, sys
        >>> script = 'from gmp_py import monkey; monkey.patch_socket(); print(monkey.is_patched("socket"))'
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'True\\n'
    """
    _check(dns)
    _patch_socket.patch()
    if dns:
        _patch_dns.patch()
    renew_references()


def patch_dns() -> None:
    """Patches ``getaddrinfo`` and its relatives: names are looked up on another thread, while other tasks run.

    Example:
        >>> import subprocess, sys
        >>> script = 'from gmp_py import monkey; monkey.patch_dns(); print(monkey.is_patched("dns"))'
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'True\\n'
    """
    _patch_dns.patch()
    renew_references()


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
    renew_references()


def patch_ssl() -> None:
    """Patches ``ssl``: sockets that a context wraps. Patches ``socket`` too.

    The descriptor of a wrapped socket is non-blocking from then on, which only its other users can see.

    Example:
        >>> import subprocess, sys
        >>> script = 'from gmp_py import monkey; monkey.patch_ssl(); print(monkey.is_patched("ssl"))'
        >>> subprocess.run([sys.executable, '-c', script], capture_output=True, text=True).stdout
        'True\\n'
    """
    _patch_socket.patch()
    _patch_dns.patch()
    _patch_ssl.patch()
    renew_references()


def is_patched(module: str) -> bool:
    """Tells whether a module of the standard library is patched.

    Args:
        module: Its name, such as ``'socket'``; ``'dns'`` and ``'threads'`` are known too.

    Raises:
        TypeError: The name is not a str.

    Example:
        >>> from gmp_py import monkey
        >>> monkey.is_patched('json')
        False
    """
    if not isinstance(module, str):
        raise TypeError(f"a module's name is required, not {type(module).__name__}")
    return module in patched


def _check(*values: object) -> None:
    for value in values:
        if not isinstance(value, bool):
            raise TypeError(f"True or False is required, not {value!r}")
