"""Some of CPython's own tests in a task without patches; `make test-cpython-in-task` runs all of the list."""

import pathlib
import subprocess
import sys

import pytest
from support import HANG

RUNNER = pathlib.Path(__file__).with_name("cpython_bare.py")


def test_cpythons_tests_in_a_task_differ_from_a_plain_run_only_where_that_is_known():
    pytest.importorskip("test.test_dict", reason="this interpreter came without its tests")
    done = subprocess.run([sys.executable, str(RUNNER), "--quick"], capture_output=True, text=True, timeout=HANG * 20)
    assert done.returncode == 0 and "\n8 modules, 0 surprises, " in done.stdout, done.stdout[-8000:] + done.stderr
