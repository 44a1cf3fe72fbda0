"""Some of CPython's own tests under the patches, against a plain run; `make test-cpython` runs all of them."""

import pathlib
import subprocess
import sys

import pytest
from support import HANG

RUNNER = pathlib.Path(__file__).with_name("cpython_patched.py")


def run(*arguments):
    pytest.importorskip("test.test_threading", reason="this interpreter came without its tests")
    command = [sys.executable, str(RUNNER), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG * 20)


def test_cpythons_tests_differ_from_a_plain_run_only_where_that_is_known():
    done = run("--quick")
    assert done.returncode == 0 and "\n0 surprises, " in done.stdout, done.stdout[-8000:] + done.stderr
    assert "test_thread task: " in done.stdout and "test_subprocess.RunFuncTestCase main: " in done.stdout


@pytest.mark.parametrize("mode", ["main", "task"])
def test_a_difference_that_is_not_known_is_a_surprise(mode, tmp_path):
    (tmp_path / "known.txt").write_text("")
    done = run(f"--mode={mode}", f"--known={tmp_path / 'known.txt'}", "test_threading.MiscTestCase")
    assert done.returncode == 1
    assert f"SURPRISE {mode} test_threading.MiscTestCase.test__all__: ok -> fail, and not in the list" in done.stdout


@pytest.mark.parametrize("mode", ["main", "task"])
def test_a_known_difference_that_has_gone_is_a_surprise(mode, tmp_path):
    tests = "test_threading_local.ThreadLocalTest."
    (tmp_path / "known.txt").write_text(f"# a remark\n\n{mode} {tests}test_arguments: of old\n{mode} {tests}no: none such\n")
    done = run(f"--mode={mode}", f"--known={tmp_path / 'known.txt'}", "test_threading_local")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"SURPRISE {mode} {tests}test_arguments: differs no longer, but is in the list (of old)" in done.stdout
    assert f"SURPRISE {mode} {tests}no: there is no such test" in done.stdout and "\n2 surprises, " in done.stdout
