"""SHA-256 of every regular file below a directory, one task a file: python gsum.py DIR

Prints what `find DIR -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum` prints, in the same order, and one line
of statistics that starts with "# ". A file that cannot be read is told on stderr and counted; it does not change the
exit status.

Each task is plain blocking code: open, read, hash.
"""

import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterator

import gmp_py

Outcome = str | OSError


class Report:
    """What could not be read, told as it is found."""

    def __init__(self) -> None:
        self.unreadable = 0

    def complain(self, path: bytes, error: OSError) -> None:
        sys.stderr.buffer.write(b"gsum: " + path + f": {error.strerror}\n".encode())
        self.unreadable += 1


def files_below(directory: bytes, report: Report) -> Iterator[bytes]:
    """Every regular file below a directory; symbolic links are left alone."""
    try:
        entries = list(os.scandir(directory))
    except OSError as error:
        report.complain(directory, error)
        return
    for entry in entries:
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError as error:
            report.complain(entry.path, error)
            continue
        if stat.S_ISREG(mode):
            yield entry.path
        elif stat.S_ISDIR(mode):
            yield from files_below(entry.path, report)


def digest(path: bytes) -> Outcome:
    """A task's work: the file's SHA-256, or what stopped it."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        return error


def line(path: bytes, digest: str) -> bytes:
    """As sha256sum: a name with a backslash or a line end is escaped, and its line then starts with a backslash."""
    escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"\\" if escaped != path else b""
    return mark + digest.encode() + b"  " + escaped + b"\n"


def main(root: bytes) -> None:
    begin = time.monotonic()
    report = Report()
    paths = [root] if os.path.isfile(root) else sorted(files_below(root, report))
    tasks = [gmp_py.go(digest, path) for path in paths]
    out = sys.stdout.buffer
    for path, task in zip(paths, tasks):
        outcome = task.join()
        if isinstance(outcome, OSError):
            report.complain(path, outcome)
        else:
            out.write(line(path, outcome))
    stats = gmp_py.stats()
    out.write(
        f"# {len(paths)} files, {report.unreadable} unreadable, {stats.tasks_created} tasks, "
        f"{stats.threads_peak} machines, {stats.handoffs + stats.retakes_blocked} hand-offs, {stats.steals} steals, "
        f"{time.monotonic() - begin:.3f} s\n".encode()
    )
    out.flush()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: gsum.py DIR")
    gmp_py.run(main, os.fsencode(sys.argv[1]))
