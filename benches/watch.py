"""The watcher of the row `idle`: runs a program and adds what it uses while all its tasks sleep.

`watch.py PROGRAM WORDS...`: the program's tasks wake every 200 ms, in step, from its start on. Looked at from another
process, so that the looking costs the program nothing: CPU time from 50 ms after they woke until 150 ms after, eight
times; one line `between`, µs a second, behind the program's own.
"""

import subprocess
import sys
import time

PERIOD = 0.2
PERIODS = 8
CPU_CLOCK = 2  # CPUCLOCK_SCHED of the kernel: what CLOCK_PROCESS_CPUTIME_ID is for one's own process


def cpu_time_of(pid: int) -> float:
    """Seconds used by all threads of pid; the clock's number is that of clock_getcpuclockid."""
    return time.clock_gettime((~pid << 3) | CPU_CLOCK)


def watch(program: subprocess.Popen) -> float:
    """CPU seconds used within the windows."""
    start = time.monotonic()
    used = 0.0

    def at(periods: float) -> float:
        time.sleep(max(start + periods * PERIOD - time.monotonic(), 0))
        return cpu_time_of(program.pid)

    for period in range(1, PERIODS + 1):
        opened = at(period + 0.25)
        used += at(period + 0.75) - opened
    return used


def main() -> None:
    program = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    try:
        used = watch(program)
    except OSError as error:
        used = None
        print(f"error: the clock of the program cannot be read: {error}", file=sys.stderr)
    out, _ = program.communicate()
    words = out.split()
    if used is None or program.returncode != 0 or len(words) < 3:
        sys.exit(program.returncode or 1)
    print(out, end="")
    print(*words[:3], "between", f"{used * 1e6 / (PERIODS * PERIOD / 2):.3f}", "us/s")


if __name__ == "__main__":
    main()
