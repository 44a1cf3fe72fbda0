"""The watcher of the row `quiet`: runs a program and counts how often its threads wake while it does nothing.

`wakeups.py PROGRAM WORDS...`: from 1 s after the start until 6 s after it, each time that a thread gave its CPU up by
itself (`voluntary_ctxt_switches`: it had woken, and sleeps again). One line `wakeups`, per second, behind the program's
own; which threads they were goes to standard error.
"""

import subprocess
import sys
import time
from pathlib import Path

FROM = 1.0
UNTIL = 6.0


def switches(pid: int) -> dict[str, tuple[str, int]]:
    """By thread: its name, and how often it has gone to sleep."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            lines = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines() if ":" in line)
        except FileNotFoundError:
            continue  # it ended
        found[task.name] = (lines["Name"].strip(), int(lines["voluntary_ctxt_switches"]))
    return found


def main() -> None:
    program = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    time.sleep(FROM)
    before = switches(program.pid)
    time.sleep(UNTIL - FROM)
    after = switches(program.pid)
    out, _ = program.communicate()
    words = out.split()
    if program.returncode != 0 or len(words) < 3:
        sys.exit(program.returncode or 1)
    woken = {tid: (name, n - before.get(tid, ("", 0))[1]) for tid, (name, n) in after.items()}
    for tid, (name, n) in woken.items():
        if n:
            print(f"{words[1]}: thread {name}: {n} wake-ups in {UNTIL - FROM:g} s", file=sys.stderr)
    print(out, end="")
    print(*words[:3], "wakeups", f"{sum(n for _, n in woken.values()) / (UNTIL - FROM):.3f}", "1/s")


main()
