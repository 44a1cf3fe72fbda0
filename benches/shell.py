"""Commands: how the benches run another program and what they keep of it when it fails.

Always true: a failure is a `Missing` with one line of reason, so that a peer can be skipped by name.
"""

import os
import signal
import subprocess
from pathlib import Path


class Missing(Exception):
    """A peer, a package or a program that is not to be had; the text says why."""


def run(command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None, limit: float = 900) -> str:
    """Runs command, returns its standard output; the whole process group ends with it.

    Raises:
        Missing: it was not found, ran past limit seconds, or ended with another status than 0.
    """
    try:
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )
    except OSError as error:
        raise Missing(f"{Path(command[0]).name}: {error.strerror}") from None
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        raise Missing(f"ran past {limit:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode != 0:
        raise Missing(f"{ended_how(process.returncode)}: {reason(err or out)}")
    return out


def ended_how(status: int) -> str:
    return f"died of {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def reason(text: str) -> str:
    """The first line that names an error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if "error" in line.lower() or "panicked" in line]
    return (named or lines[-1:] or ["no word of it"])[0][:200]


def stale(made: Path, sources: list[Path]) -> bool:
    """Is there no `made`, or is a source newer?"""
    return not made.exists() or any(source.stat().st_mtime > made.stat().st_mtime for source in sources)
