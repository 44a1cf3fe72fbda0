"""Drives the row kvd: redis-benchmark sets and gets on n connections, one request at a time and sixteen."""

import csv

from served import Asked, Server, free_port, load, main

REQUESTS = {1: 60_000, 16: 400_000}  # by the depth of the pipeline: about half a second each
KEYS = 10_000
VALUE = 64
REDIS = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--io-threads", "1"]


def ask(asked: Asked, port: int, depth: int, requests: int) -> dict[str, dict[str, str]]:
    words = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-c", str(asked.n), "-n", str(requests),
             "-P", str(depth), "-r", str(KEYS), "-d", str(VALUE), "-t", "set,get", "--csv"]
    lines = load(words).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith('"test"'))
    return {line["test"].split()[0].lower(): line for line in csv.DictReader(lines[start:])}


def measure(asked: Asked) -> None:
    port = free_port() if asked.peer == "redis" else None
    words = [*asked.program, "--port", str(port or 0), *(REDIS if asked.peer == "redis" else ())]
    with Server(words, asked.procs, port) as server:
        ask(asked, server.port, 1, REQUESTS[1] // 4)
        for _ in range(asked.reps):
            for depth, requests in REQUESTS.items():
                found = ask(asked, server.port, depth, requests)
                for command in ("set", "get"):
                    name = command if depth == 1 else f"{command}_p{depth}"
                    asked.show(name, 1e9 / float(found[command]["rps"]), "ns")
                    if depth == 1:
                        asked.show(f"{name}_p99", float(found[command]["p99_latency_ms"]) * 1e3, "us")


main(measure)
