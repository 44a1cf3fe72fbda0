#!/usr/bin/env python3
"""Counts the system calls of an echo server for each message, by strace: ours, epoll by hand, Go, tokio.

    python3 benches/syscalls.py [--peers gmp,epoll] [--connections 50] [--messages 20000]

Each server runs twice, for few messages and for more, and only the difference counts: starting, taking connections in and
ending fall out. Under strace a server is slow and finds more connections ready at once than it would alone, so the calls
that wait are shared by more messages; they are shown by name for that reason. A count, no timing: the machine need not be
quiet.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import packages
from peers import PEERS
from served import Server, load, load_program
from shell import Missing

TARGET = 2.1  # of ours
FEW = 2000
SHOWN = 0.005  # calls a message, below which a name is left out


class Traced(Server):
    """A server under `strace -f -c`; its counts are there after `counts`."""

    def __init__(self, words: list[str], folder: str) -> None:
        self.summary = Path(folder) / "summary"
        super().__init__(["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", str(self.summary), *words], 1)

    def counts(self) -> dict[str, int]:
        """Ends the server, and strace with it, which then writes what it counted."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for child in children:
            subprocess.run(["kill", f"-{signal.SIGKILL.value}", child], check=True)
        self.process.wait(timeout=30)
        found = re.findall(r"^\s*(\d+)\s+(\w+)\s*$", self.summary.read_text(), re.MULTILINE)
        return {name: int(calls) for calls, name in found if name != "total"}


def count(words: list[str], connections: int, messages: int) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder, Traced(words, folder) as server:
        load([load_program(), "--port", str(server.port), "--connections", str(connections), "--messages", str(messages)],
             limit=300)
        return server.counts()


def each_message(words: list[str], connections: int, messages: int) -> dict[str, float]:
    few, many = (count(words, connections, n) for n in (FEW, FEW + messages))
    return {name: (many.get(name, 0) - few.get(name, 0)) / messages for name in {*few, *many}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=lambda text: text.split(","), default=["gmp", "epoll", "go", "tokio"])
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20_000)
    options = parser.parse_args()
    packages.prepare(offline=True)
    print(f"system calls a message, {options.messages:,} messages of 64 bytes, {options.connections} connections, P=1")
    for peer in PEERS:
        if peer.name not in options.peers or "echo_50" not in peer.rows:
            continue
        try:
            peer.find()
            words = [*peer.command("echo"), "--procs", "1"]
            found = each_message(words, options.connections, options.messages)
        except (Missing, OSError, subprocess.SubprocessError) as why:
            print(f"  {peer.name:<6} left out: {why}")
            continue
        names = sorted(found.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {calls:.3f}" for name, calls in names if calls >= SHOWN)
        target = f", target <= {TARGET}" if peer.name == "gmp" else ""
        print(f"  {peer.name:<6} {sum(found.values()):.3f}{target}  ({shown})", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Missing as why:
        sys.exit(f"error: {why}")
