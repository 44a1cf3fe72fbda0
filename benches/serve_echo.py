"""Drives the rows echo_*: n connections to an echo server, a message of 64 bytes under way on each."""

from served import Asked, Server, load, load_program, main

WARM_MS = 300
RUN_MS = 1000


def measure(asked: Asked) -> None:
    words = [*asked.program, "--procs", str(asked.procs)]
    with Server(words, asked.procs) as server:
        for _ in range(asked.reps):
            text = load([load_program(), "--port", str(server.port), "--connections", str(asked.n),
                         "--warm-ms", str(WARM_MS), "--run-ms", str(RUN_MS)])
            for line in text.splitlines():
                metric, value, unit = line.split()
                asked.show(metric, float(value), unit)


main(measure)
