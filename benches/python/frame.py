"""The frame of the Python programs: arguments, resident memory, result lines.

Always true: standard output carries `row peer procs metric value unit` lines only; a server's, `port N`.
"""

import argparse
import os
import time
from collections.abc import Iterator

now = time.perf_counter_ns
PAGE = b"x" * 100


class Page:
    """What py_http's handlers of http.server do, whatever serves them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # two writes an answer: the second would wait for an ACK, for whoever did not ask

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


def application(environ, start_response):
    """What py_wsgi's servers serve."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


class Frame:
    """One program's row, peer and sizes."""

    def __init__(self, row: str, peer: str) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--procs", type=int, default=1)
        parser.add_argument("--n", type=int, default=1000)
        parser.add_argument("--reps", type=int, default=1)
        parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="asyncio programs only")
        options = parser.parse_args()
        self.row = row
        self.procs: int = options.procs
        self.n: int = options.n
        self.reps: int = options.reps
        self.loop: str = options.loop
        self.peer = options.loop if peer == "asyncio" else peer

    def repetitions(self) -> Iterator[tuple[int, int]]:
        """The repetitions with their sizes: the warm-up, -1, does a tenth of the work and its lines are dropped."""
        for rep in range(-1, self.reps):
            yield rep, self.n // 10 + 1 if rep < 0 else self.n

    def line(self, rep: int, metric: str, value: float, unit: str) -> None:
        if rep >= 0:
            print(self.row, self.peer, self.procs, metric, f"{value:.3f}", unit, flush=True)

    def parked_lines(self, rep: int, count: int, grown: int, created_ns: int, woken_ns: int) -> None:
        """The three figures of py_parked."""
        self.line(rep, "resident", grown / count, "B")
        self.line(rep, "create", created_ns / 1e6, "ms")
        self.line(rep, "wake_all", woken_ns / 1e6, "ms")


def told(port: int) -> None:
    """The one line of a server: where it listens. It ends when it is killed."""
    print("port", port, flush=True)


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def run_loop(frame: Frame, main) -> None:
    """Runs main() on the event loop that --loop names."""
    import asyncio

    if frame.loop == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
