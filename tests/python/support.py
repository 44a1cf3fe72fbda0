"""What several tests need: scripts in children of their own, and events that two tasks pass back and forth."""

import re
import subprocess
import sys
import textwrap
import threading

import gmp_py
import pytest

# A hang is a failure, told apart from a slow machine by a wide margin. No test waits for this.
HANG = 60


def child(script: str, *options: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a script in an interpreter of its own."""
    command = [sys.executable, *options, "-c", textwrap.dedent(script)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=HANG)


def ok(script: str, *options: str) -> str:
    """Runs a script that must end well, silently on stderr; gives what it printed."""
    done = child(script, *options)
    assert done.returncode == 0 and done.stderr == "", f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def in_task(fn, *args):
    """Calls fn in a task and gives its result."""
    return gmp_py.go(fn, *args).join()


def wait_until(condition) -> None:
    """Lets other tasks run until the condition holds; the runtime's progress is what ends the loop."""
    while not condition():
        gmp_py.yield_()


def in_thread(fn, *args):
    """Calls fn in a plain thread and gives its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(fn(*args)))
    thread.start()
    thread.join(HANG)
    assert results, "the thread has not ended, or failed"
    return results[0]


ANYWHERE = pytest.mark.parametrize("where", [in_task, in_thread, lambda fn, *args: fn(*args)], ids=["task", "thread", "main"])


def waiting(chan: gmp_py.Chan) -> int:
    """How many calls wait at the channel, senders or receivers."""
    found = re.search(r" (?:senders|receivers)=(\d+)", repr(chan))
    return int(found[1]) if found else 0
