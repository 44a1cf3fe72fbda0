"""Drives the rows py_http and py_wsgi: wrk asks on n connections that stay open, for an answer of 100 bytes."""

from served import Asked, Server, ask_http, main

SECONDS = 2


def measure(asked: Asked) -> None:
    with Server([*asked.program, "--procs", str(asked.procs)], asked.procs) as server:
        url = f"http://127.0.0.1:{server.port}/page"
        ask_http(asked.n, url, 1)
        for _ in range(asked.reps):
            each, slow = ask_http(asked.n, url, SECONDS)
            asked.show("request", each, "ns")
            asked.show("p99", slow, "us")


main(measure)
