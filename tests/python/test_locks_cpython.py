"""CPython's own tests of locks and queues, on this package's classes."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("cpython_locks.py")
CLASSES = {
    "locks": ["LockTests", "RLockTests", "EventTests", "SemaphoreTests"],
    "conditions": ["ConditionTests", "ConditionAsRLockTests", "BarrierTests"],
    "queues": ["queues"],
}
LIMIT = 600  # many of the tests sleep; no test waits for this


@pytest.mark.skipif(importlib.util.find_spec("test.lock_tests") is None, reason="CPython's tests are not installed")
@pytest.mark.parametrize("mode", ["tasks", "threads"])
@pytest.mark.parametrize("name", CLASSES)
def test_the_standard_librarys_tests_pass(mode, name):
    command = [sys.executable, str(SCRIPT), mode, "-v", *CLASSES[name]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"
