"""Servers of other makers that the tests of drivers need, each in a directory of its own, on a unix socket.

Always true: a server ends with its fixture, and with the tests however these end; without the program the tests skip and say so.
"""

import contextlib
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from support import HANG


@contextlib.contextmanager
def directory():
    """A directory that a server of another user may own; the names of sockets in it stay short."""
    with tempfile.TemporaryDirectory(prefix="gmp-", dir="/tmp") as path:
        yield pathlib.Path(path)


def harmless() -> list[str]:
    """What a server runs under: the signal that ends it with its parent, and a user who is not root."""
    setpriv = shutil.which("setpriv") or pytest.skip("missing: setpriv (Debian: util-linux)")
    words = [setpriv, "--pdeathsig", "KILL"]
    if os.getuid() == 0:
        words += ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    return words


def give(path: pathlib.Path) -> None:
    if os.getuid() == 0:
        shutil.chown(path, "nobody", "nogroup")


@contextlib.contextmanager
def running(words, ready, how=signal.SIGTERM):
    """Runs a server until the block ends; `ready` says whether it answers."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*harmless(), *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        try:
            end = time.monotonic() + HANG
            while not ready():
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise AssertionError(f"{words[0]} does not answer:\n{log.read().decode(errors='replace')}")
                time.sleep(0.02)
            yield
        finally:
            process.send_signal(how)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def connects(path: pathlib.Path, hello: bytes) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.settimeout(1)
            sock.connect(str(path))
            sock.sendall(hello)
            return not hello or bool(sock.recv(1))
        except OSError:
            return False


@pytest.fixture(scope="session")
def redis_socket():
    """The path of the socket of a running redis-server."""
    pytest.importorskip("redis")
    program = shutil.which("redis-server") or pytest.skip("missing: redis-server (Debian: redis-server)")
    with directory() as path:
        give(path)
        at = path / "redis"
        words = [program, "--port", "0", "--unixsocket", str(at), "--save", "", "--appendonly", "no", "--dir", str(path)]
        with running(words, lambda: connects(at, b"PING\r\n")):
            yield str(at)


@pytest.fixture(scope="session")
def postgres():
    """The directory of the socket of a running PostgreSQL; user and database are both named postgres."""
    pytest.importorskip("psycopg")
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    if not found:
        pytest.skip("missing: PostgreSQL (Debian: postgresql)")
    programs = pathlib.Path(found[-1]).parent
    with directory() as path:
        give(path)
        data = path / "data"
        init = [*harmless(), str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N"]
        made = subprocess.run(init, capture_output=True, text=True, timeout=300, cwd="/")
        assert made.returncode == 0, made.stdout + made.stderr
        words = [str(programs / "postgres"), "-D", str(data), "-k", str(path), "-c", "listen_addresses="]
        words += ["-c", "fsync=off", "-c", "max_connections=60"]
        ask = [str(programs / "pg_isready"), "-q", "-h", str(path)]
        with running(words, lambda: subprocess.run(ask).returncode == 0, signal.SIGINT):
            yield str(path)


