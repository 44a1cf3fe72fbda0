"""CPython's own tests of thread pools pass on the executor, but for the list in cpython_executor.py."""

import pathlib
import subprocess
import sys

import pytest
from support import HANG

SCRIPT = pathlib.Path(__file__).resolve().parent / "cpython_executor.py"
NO_TESTS = 77


@pytest.fixture(scope="module")
def runs():
    """Both at once: most of their time is sleep."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, str(SCRIPT), "-v"]
    started = {place: subprocess.Popen(command + options, **pipes) for place, options in PLACES.items()}
    yield started
    for run in started.values():
        run.kill()
        run.communicate()


PLACES = {"thread": [], "task": ["--task"]}


@pytest.mark.parametrize("place", PLACES)
def test_cpython_tests_of_thread_pools(runs, place):
    run = runs[place]
    out, errors = run.communicate(timeout=10 * HANG)
    if run.returncode == NO_TESTS:
        pytest.skip(f"CPython's own tests of executors are not run: {out}")
    assert run.returncode == 0, out + errors[-4000:]
