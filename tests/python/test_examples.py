"""The examples in Python: each ends by itself, says that what it found is right."""

import pathlib
import shutil
import subprocess
import sys

import pytest
from support import HANG

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"
if not EXAMPLES.is_dir():
    pytest.skip("the examples are not here", allow_module_level=True)


def run(name: str, *words: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * HANG)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_hello():
    assert run("hello.py")


def test_the_crawler_finds_every_page():
    pytest.importorskip("requests")
    assert "200 pages, 1 dead links" in run("crawler.py")
    assert "1 pages, 0 dead links" in run("crawler.py", "1")


def test_everybody_in_the_chat_hears_everybody():
    assert run("chat.py") == "50 of 50 clients heard 49 others\n"
    assert run("chat.py", "1") == "1 of 1 clients heard 0 others\n"


def test_the_pipeline_counts_and_fails_as_a_whole():
    assert "a pipeline that fails: a stage that fails" in run("pipeline.py")
    assert " words, " in run("pipeline.py", str(EXAMPLES))


def test_c_tasks_and_python_tasks_agree():
    if not shutil.which("cc"):
        pytest.skip("missing: cc")
    assert "17984 primes below 200000" in run("mixed.py")
    assert "0 primes below 2;" in run("mixed.py", "2")


def test_the_wsgi_server_serves_its_own_application():
    assert "GET /sleep 200" in run("wsgi.py")
