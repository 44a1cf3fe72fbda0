"""Servers under load: starts a peer's server on one CPU and leaves another to who asks it.

Owns: the server, for the time of a `with`. Always true: the server ends with the `with`, with the script, and with the
harness, however these end; it and the load never share a CPU where there are two; the limit of descriptors is raised for
both. Called by: serve_echo, serve_idle, serve_httpd, serve_web, serve_kvd and syscalls, which the harness runs as
`SCRIPT ROW PEER --procs P --n N --reps N -- PROGRAM WORDS...`; they print result lines.
"""

import argparse
import ctypes
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from places import BUILD, NET
from shell import Missing, run, stale

PR_SET_PDEATHSIG = 1
STARTED = 20.0  # seconds in which a server must listen
WRK_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Asked:
    row: str
    peer: str
    procs: int
    n: int
    reps: int
    program: list[str]

    def show(self, metric: str, value: float, unit: str) -> None:
        print(self.row, self.peer, self.procs, metric, f"{value:.3f}", unit, flush=True)


def asked() -> Asked:
    parser = argparse.ArgumentParser()
    parser.add_argument("row")
    parser.add_argument("peer")
    for name in ("--procs", "--n", "--reps"):
        parser.add_argument(name, type=int, default=1)
    words = sys.argv[1:]
    at = words.index("--")
    return Asked(**vars(parser.parse_args(words[:at])), program=words[at + 1:])


def two_cpus() -> tuple[int, int]:
    """One for the server, one for the load; the same where there is but one."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[0], cpus[-1]


def on_cpu(cpu: int):
    """What a child does before it becomes its program."""
    parent = os.getpid()

    def prepare() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        os.sched_setaffinity(0, {cpu})
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return prepare


def free_port() -> int:
    """For a server that takes no port 0. Another may take it first: then the server fails, and is skipped by name."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server: `port` and `pid`."""

    def __init__(self, words: list[str], procs: int, port: int | None = None) -> None:
        env = {**os.environ, "GMP_MAXPROCS": str(procs), "GOMAXPROCS": str(procs)}
        self.words = words
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=env,
                                        preexec_fn=on_cpu(two_cpus()[0]))
        self.pid = self.process.pid
        try:
            self.port = self.told_port() if port is None else self.reach(port)
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def told_port(self) -> int:
        """From its line `port N`."""
        until = time.monotonic() + STARTED
        told = b""
        while b"\n" not in told:
            ready, _, _ = select.select([self.process.stdout], [], [], max(until - time.monotonic(), 0))
            if not ready:
                raise Missing(f"{self.words[0]}: told no port within {STARTED:g} s")
            more = os.read(self.process.stdout.fileno(), 200)
            if not more:
                raise Missing(f"{self.words[0]}: ended with status {self.process.wait()} before it listened")
            told += more
        words = told.split()
        if words[0] != b"port":
            raise Missing(f"{self.words[0]}: not a line `port N`: {told[:80]!r}")
        return int(words[1])

    def reach(self, port: int) -> int:
        """Asks until it takes a connection."""
        until = time.monotonic() + STARTED
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return port
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise Missing(f"{self.words[0]}: cannot be reached: {error}") from None
            time.sleep(0.01)


def load(words: list[str], limit: float = 90) -> str:
    """Runs what asks, on the other CPU; gives what it printed."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL,
                              preexec_fn=on_cpu(two_cpus()[1]), check=False)
    except FileNotFoundError:
        raise Missing(f"{words[0]} is not there") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{words[0]} ran past {limit:g} s") from None
    if done.returncode != 0:
        raise Missing(f"{words[0]} ended with status {done.returncode}: {(done.stderr or done.stdout).strip()[:200]}")
    return done.stdout


def ask_http(connections: int, url: str, seconds: int) -> tuple[float, float]:
    """ns a request, and µs within which 99 of 100 were answered."""
    text = load(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", url])
    trouble = re.search(r"(Non-2xx.*|Socket errors.*)", text)
    rate, slow = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if trouble or not rate or not slow:
        raise Missing(f"wrk: {trouble[1] if trouble else text[-100:]}")
    return 1e9 / float(rate[1]), float(slow[1]) * WRK_UNITS[slow[2]]


def load_program() -> str:
    """Our own load generator, built when it is not there."""
    source, program = NET / "load.c", BUILD / "net" / "load"
    if stale(program, [source]):
        program.parent.mkdir(parents=True, exist_ok=True)
        run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-Wall", str(source), "-o", str(program)])
    return str(program)


def main(measure) -> None:
    """The main of a script: a failure is a line that names an error, and status 1."""
    try:
        measure(asked())
    except (Missing, OSError, ValueError, KeyError) as why:
        sys.exit(f"error: {why}")
