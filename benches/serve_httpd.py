"""Drives the row httpd: wrk asks on n connections that stay open, for a small file and for a JSON answer."""

import re
import tempfile
from pathlib import Path

from served import Asked, Server, load, main
from shell import Missing

SECONDS = 2
PAGE = 1024
ROUTES = {"file": "/page.html", "json": "/api/hello?name=bench"}
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


def ask(asked: Asked, url: str, seconds: int) -> tuple[float, float]:
    """ns a request, and µs within which 99 of 100 were answered."""
    text = load(["wrk", "-t1", f"-c{asked.n}", f"-d{seconds}s", "--timeout", "10s", "--latency", url])
    trouble = re.search(r"(Non-2xx.*|Socket errors.*)", text)
    rate, slow = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if trouble or not rate or not slow:
        raise Missing(f"wrk: {trouble[1] if trouble else text[-100:]}")
    return 1e9 / float(rate[1]), float(slow[1]) * UNITS[slow[2]]


def measure(asked: Asked) -> None:
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "page.html").write_text("x" * PAGE, encoding="ascii")
        with Server([*asked.program, "--root", root, "--port", "0"], asked.procs) as server:
            at = f"http://127.0.0.1:{server.port}"
            ask(asked, at + ROUTES["json"], 1)
            for _ in range(asked.reps):
                for name, route in ROUTES.items():
                    each, slow = ask(asked, at + route, SECONDS)
                    asked.show(name, each, "ns")
                    asked.show(f"{name}_p99", slow, "us")


main(measure)
