"""The package: stubs that agree, examples that are typed, its own check, what it refuses to load into."""

import importlib.metadata
import importlib.util
import inspect
import os
import pathlib
import re
import shutil
import subprocess
import sys

import gmp_py
import pytest
from gmp_py.__main__ import CHECKS
from support import HANG, child, ok

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE, EXAMPLES = ROOT / "bindings" / "python" / "src", ROOT / "examples" / "python"


def test_the_surface_is_complete():
    assert all(hasattr(gmp_py, name) for name in gmp_py.__all__)
    # Modules that another test imported, such as gmp_py.servers, are no names of the package's own.
    own = {n for n, value in vars(gmp_py).items() if n in gmp_py.__all__ or not inspect.ismodule(value)}
    public = {n for n in own if not n.startswith("_")}
    assert public == {name for name in gmp_py.__all__ if not name.startswith("_")}


def test_the_wheel_holds_header_library_and_types():
    assert os.path.isabs(gmp_py.get_include()) and os.path.isabs(gmp_py.get_library_dir())
    assert os.path.isfile(os.path.join(gmp_py.get_include(), "gmprt.h"))
    assert os.path.isfile(os.path.join(gmp_py.get_library_dir(), "libgmprt.so.0"))
    assert os.path.isfile(os.path.join(os.path.dirname(gmp_py.__file__), "py.typed"))
    maps = pathlib.Path("/proc/self/maps").read_text()
    loaded = set(re.findall(r"/\S*libgmprt\S*", maps))
    assert loaded == {os.path.join(gmp_py.get_library_dir(), "libgmprt.so.0")}


def test_the_module_runs_its_own_check():
    done = subprocess.run([sys.executable, "-m", "gmp_py"], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0 and done.stderr == ""
    assert gmp_py.__version__ in done.stdout and "FAILED" not in done.stdout
    checks = re.findall(r"^(check_\w+) +ok$", done.stdout, re.M)
    assert checks == [check.__name__ for check in CHECKS]


@pytest.mark.parametrize("harm", ["gmp_py.go = lambda *args: 1 / 0", "gmp_py.num_tasks = lambda: 1"])
def test_the_check_tells_of_a_failure(harm):
    done = child(f"import gmp_py, runpy; {harm}; runpy.run_module('gmp_py', run_name='__main__', alter_sys=True)")
    assert done.returncode == 1 and "FAILED" in done.stdout, done.stdout + done.stderr
    assert "check_native   ok" in done.stdout


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_stubs_agree_with_the_module(tmp_path):
    command = [sys.executable, "-m", "mypy.stubtest", "gmp_py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


TYPED = """
import gmp_py
from typing import assert_type

def f(n: int, s: str) -> bytes:
    return s.encode() * n

task = gmp_py.go(f, 1, "x", name="n")
assert_type(task.join(), bytes)
assert_type(task.exception(1.5), BaseException | None)
assert_type(gmp_py.run(f, 1, "x"), bytes)
assert_type(gmp_py.go_native(1).join(), int)
assert_type(gmp_py.stats().steals, int)
gmp_py.go(f, "x", 1)  # expect: wrong
"""


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_types_are_inferred(tmp_path):
    (tmp_path / "typed.py").write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--strict", "typed.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    wrong = 1 + TYPED.splitlines().index(next(line for line in TYPED.splitlines() if "expect" in line))
    assert errors and all(line.startswith(f"typed.py:{wrong}: ") for line in errors), done.stdout


def missing(example):
    """What the example imports, or mypy needs for it, and is not installed."""
    names = set(re.findall(r"^(?:import|from) (\w+)", example.read_text(), re.M))
    local = {path.stem for path in EXAMPLES.glob("*.py")}
    found = {name for name in names - local if importlib.util.find_spec(name) is None}
    if "requests" in names and not any(importlib.metadata.distributions(name="types-requests")):
        found.add("types-requests")
    return sorted(found)


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the sources are not here")
def test_the_examples_are_strictly_typed(tmp_path):
    left_out = {path: missing(path) for path in EXAMPLES.glob("*.py") if missing(path)}
    examples = sorted(set(EXAMPLES.glob("*.py")) - set(left_out))
    assert examples
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path)]
    done = subprocess.run([*command, *map(str, examples)], capture_output=True, text=True, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    if left_out:
        pytest.skip("all are, but these were left out, as libraries are missing: %s" % {p.name: m for p, m in left_out.items()})


def test_a_second_runtime_in_the_process_is_refused(tmp_path):
    package = os.path.dirname(gmp_py.__file__)
    copy = tmp_path / "copy.so"
    shutil.copy(os.path.join(gmp_py.get_library_dir(), "libgmprt.so.0"), copy)
    # Under another SONAME, as a program has it that linked the runtime into itself.
    data = copy.read_bytes()
    assert b"libgmprt.so.0\0" in data
    copy.write_bytes(data.replace(b"libgmprt.so.0\0", b"libother0.so.0\0"[:14]))
    done = child(f"import ctypes; ctypes.CDLL({str(copy)!r}); import gmp_py")
    assert done.returncode == 1
    assert "ImportError: a second copy of the gmp runtime is loaded" in done.stderr and str(copy) in done.stderr
    out = ok(f"import ctypes; ctypes.CDLL('{package}/libgmprt.so.0'); import gmp_py; print(gmp_py.go(int, '3').join())")
    assert out == "3\n"


def test_an_extension_shares_the_runtime_in_both_import_orders(tmp_path):
    source, library = tmp_path / "user.c", tmp_path / "libuser.so"
    source.write_text("#include <gmprt.h>\nvoid *version(void) { return (void *)gmp_abi_version; }\n")
    command = ["cc", "-shared", "-fPIC", f"-I{gmp_py.get_include()}", str(source), "-o", str(library)]
    command += [f"-L{gmp_py.get_library_dir()}", "-l:libgmprt.so.0", f"-Wl,-rpath,{gmp_py.get_library_dir()}"]
    subprocess.run(command, check=True)
    load = f"user = ctypes.CDLL({str(library)!r})"
    for order in (f"{load}; import gmp_py", f"import gmp_py; {load}"):
        out = ok(
            f"""
            import ctypes, os
            {order}
            user.version.restype = ctypes.c_void_p
            ours = ctypes.CDLL(os.path.join(gmp_py.get_library_dir(), 'libgmprt.so.0')).gmp_abi_version
            print(user.version() == ctypes.cast(ours, ctypes.c_void_p).value, gmp_py.go(int, '3').join())
            """
        )
        assert out == "True 3\n"


SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
{first}
script = '''
try:
    import gmp_py
    print('loaded')
except ImportError as error:
    print('ImportError', 'interpreter' in str(error))
'''
other = interpreters.create()
interpreters.{run}(other, script)
import gmp_py
print(gmp_py.go(int, '3').join())
"""


@pytest.mark.parametrize("first", ["", "import gmp_py"], ids=["first", "second"])
def test_subinterpreters_are_refused(first):
    run = "exec" if sys.version_info >= (3, 13) else "run_string"
    done = child(SUBINTERPRETER.format(first=first, run=run))
    assert (done.returncode, done.stdout) == (0, "ImportError True\n3\n"), done.stderr


def test_a_free_threaded_interpreter_is_refused():
    done = child(
        """
        import sysconfig
        known = sysconfig.get_config_var
        sysconfig.get_config_var = lambda name: 1 if name == 'Py_GIL_DISABLED' else known(name)
        import gmp_py
        """
    )
    assert done.returncode == 1 and "ImportError: gmp_py does not support free-threaded" in done.stderr


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the sources are not here")
def test_no_frame_of_pyo3_lies_under_a_wait():
    # module.rs is what PyO3 is there for: it runs once, at import, and waits for nobody.
    files = {path.stem for path in SOURCE.glob("*.rs")} - {"module"}
    assert files > {"calls", "wait", "chan", "task_type"}
    for name in sorted(files):
        text = (SOURCE / f"{name}.rs").read_text()
        used = set(re.findall(r"pyo3::(?:\w+|\{)", text))
        assert used <= {"pyo3::ffi"}, f"{name} uses {used}"
        assert not re.search(r"#\[py\w+", text), f"{name} has a function of PyO3's"
