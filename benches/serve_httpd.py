"""Drives the row httpd: wrk asks on n connections that stay open, for a small file and for a JSON answer."""

import tempfile
from pathlib import Path

from served import Asked, Server, ask_http, main

SECONDS = 2
PAGE = 1024
ROUTES = {"file": "/page.html", "json": "/api/hello?name=bench"}


def measure(asked: Asked) -> None:
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "page.html").write_text("x" * PAGE, encoding="ascii")
        with Server([*asked.program, "--root", root, "--port", "0"], asked.procs) as server:
            at = f"http://127.0.0.1:{server.port}"
            ask_http(asked.n, at + ROUTES["json"], 1)
            for _ in range(asked.reps):
                for name, route in ROUTES.items():
                    each, slow = ask_http(asked.n, at + route, SECONDS)
                    asked.show(name, each, "ns")
                    asked.show(f"{name}_p99", slow, "us")


main(measure)
