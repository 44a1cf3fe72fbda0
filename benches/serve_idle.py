"""Drives the row idle_connections: n connections that have had one message each, and then nothing.

What a connection costs the server's process: bytes resident, and CPU time of all its threads while nothing happens. The
kernel's own part of a socket is not in it.
"""

import subprocess
import time

from served import Asked, Server, load, load_program, main, on_cpu, two_cpus
from shell import Missing
from watch import cpu_time_of

SETTLED = 1.0  # seconds after the last message: what a server does late is not counted
WATCHED = 2.0


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))


def measure(asked: Asked) -> None:
    words = [*asked.program, "--procs", str(asked.procs)]
    with Server(words, asked.procs) as server:
        port = ["--port", str(server.port)]
        load([load_program(), *port, "--connections", "1", "--messages", "100"])
        before = resident(server.pid)
        holding = subprocess.Popen([load_program(), *port, "--connections", str(asked.n), "--hold", "1"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   preexec_fn=on_cpu(two_cpus()[1]))
        try:
            if holding.stdout.readline().strip() != "held":
                raise Missing("the connections could not be made")
            time.sleep(SETTLED)
            grown = resident(server.pid) - before
            used = cpu_time_of(server.pid)
            time.sleep(WATCHED)
            used = cpu_time_of(server.pid) - used
        finally:
            holding.kill()
            holding.communicate()
    asked.show("resident", grown / asked.n, "B")
    asked.show("cpu", used * 1e6 / WATCHED, "us/s")


main(measure)
