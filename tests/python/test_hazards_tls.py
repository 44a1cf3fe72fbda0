"""Hazard 22: an address of something thread-local that our compiled code keeps over a call, out of which a task may come on another thread."""

import os
import pathlib
import shutil
import subprocess

import gmp_py
import pytest
from gmp_py import _gmp
from tls_scan import scan_library

pytestmark = pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump (binutils) is not installed")

LIBRARIES = [_gmp.__file__, os.path.join(gmp_py.get_library_dir(), "libgmprt.so.0")]

# Whose uses are no hazard, and why.
HARMLESS = {
    "std::": "Rust's own thread-locals: what runs between is their initial value or their end, which call nothing of ours",
    "<std::": "as above",
    "<alloc::": "as above",
    "gmp_py::clock::at": "as above, where it starts its thread; it waits for nothing",
    "once_cell::": "PyO3's start-up",
    "pyo3::": "runs while the module is loaded, and in functions that wait for nothing; a task below them is not moved",
    "<pyo3::": "as above",
    "core::ptr::drop_in_place<pyo3::": "as above",
    "gmp_py::module::gmp::_PYO3_DEF": "runs while the module is loaded, on the thread that imports",
    "gmp_core::processor::runq::": "inside the runtime, where no switch is",
}

PLANTED = r"""
extern int elsewhere(void);
static _Thread_local int word, other;
int kept(void) { int *p = &word; *p = 1; elsewhere(); return *p + elsewhere(); }
__attribute__((noinline)) static int *here(void) { __asm__ volatile(""); return &other; }
int asked_again(void) { int *p = here(); *p = 1; elsewhere(); return *here() + 1; }
int value_only(void) { int v = word; elsewhere(); return v; }
"""


@pytest.mark.parametrize("model", ["global-dynamic", "local-dynamic"])
def test_the_scan_finds_a_planted_one_and_no_other(tmp_path, model):
    source, library = tmp_path / "planted.c", tmp_path / "planted.so"
    source.write_text(PLANTED)
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", f"-ftls-model={model}", str(source), "-o", str(library)], check=True)
    assert {use.function for use in scan_library(str(library))} == {"kept"}


@pytest.mark.parametrize("library", LIBRARIES, ids=[pathlib.Path(path).name.split(".")[0] for path in LIBRARIES])
def test_our_code_keeps_no_thread_local_address_over_a_call(library):
    symbols = subprocess.run(["objdump", "-t", library], capture_output=True, text=True, check=True).stdout
    if symbols.count("\n") < 100:
        pytest.skip(f"{library} has no symbols: there are no functions to read one by one")
    found = [use for use in scan_library(library) if not use.function.startswith(tuple(HARMLESS))]
    assert not found, "\n".join(f"{use.function}: {use.instruction} after {use.call}" for use in found)
