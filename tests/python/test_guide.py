"""docs/python.md is true: each of its Python programs runs in a child of its own, and prints what stands behind it."""

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest
from support import HANG

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "python.md"
README = DOCS.parents[1] / "bindings" / "python" / "README.md"
if not DOCS.is_file():
    pytest.skip("the documents are not here", allow_module_level=True)

# A block fenced as python, and the block fenced as text that follows it directly.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.M | re.S)


def programs():
    for path in (DOCS, README):
        text = path.read_text()
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 2
            yield pytest.param(found[1], found[2], id=f"{path.parent.name}-{path.stem}:{line}")


@pytest.mark.parametrize("program, prints", list(programs()))
def test_a_program_runs_and_prints_what_it_says(program, prints):
    for name in re.findall(r"^(?:import|from) (\w+)", program, re.M):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"missing: {name}")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    if prints is not None:
        assert done.stdout == prints


def test_there_are_programs_and_no_block_is_left_out():
    text = DOCS.read_text()
    languages = re.findall(r"^```(\w*)$", text, re.M)[::2]
    assert len(BLOCK.findall(text)) == languages.count("python") > 7
    assert set(languages) <= {"python", "text", "sh", "c"}
