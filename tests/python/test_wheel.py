"""The wheel as a file, and the source distribution: what is in them, where they install, what they refuse to be built for."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import gmp_py
import pytest
from support import HANG

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = 900  # seconds for a compiler on a slow machine
SOURCES = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout: no source distribution can be made")
CARGO = pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")


def run(*command: object, **options) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True, "text": True, "timeout": HANG, **options}
    return subprocess.run([str(part) for part in command], **options)


def good(*command: object, **options) -> str:
    done = run(*command, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel() -> pathlib.Path:
    """The one that `make wheel` left for this interpreter."""
    tag = "cp%d%d" % sys.version_info[:2]
    found = list((ROOT / "dist").glob(f"gmp_py-{gmp_py.__version__}-{tag}-{tag}-*.whl"))
    if not found:
        pytest.skip("dist has no wheel for this interpreter: `make wheel` builds it")
    assert len(found) == 1, found
    return found[0]


def fresh_environment(folder: pathlib.Path, wheel: pathlib.Path) -> pathlib.Path:
    """Makes an environment that holds nothing, installs the wheel without an index; gives its interpreter."""
    good(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    good(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-cache-dir", "-q", wheel)
    return python


def check_itself(python: pathlib.Path) -> None:
    out = good(python, "-I", "-W", "error", "-m", "gmp_py", cwd="/")
    assert gmp_py.__version__ in out and str(python.parent.parent) in out and "FAILED" not in out


def test_the_wheel_installs_offline_into_a_fresh_environment(wheel, tmp_path):
    check_itself(fresh_environment(tmp_path / "venv", wheel))


def test_the_wheel_holds_one_library_under_its_soname(wheel, tmp_path):
    if shutil.which("readelf") is None:
        pytest.skip("readelf (binutils) is not installed")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    assert not [name for name in names if ".libs/" in name], "auditwheel grafted something"
    libraries = sorted(name for name in names if re.search(r"\.so(\.|$)", name))
    assert [os.path.basename(name).split(".")[0] for name in libraries] == ["_gmp", "libgmprt"]
    assert {"gmp_py/include/gmprt.h", "gmp_py/include/gmp_py.h", "gmp_py/py.typed", "gmp_py/__init__.pyi"} <= set(names)
    extension, library = (good("readelf", "-dW", tmp_path / name) for name in libraries)
    assert "(NEEDED)             Shared library: [libgmprt.so.0]" in extension
    assert re.search(r"\((RUNPATH|RPATH)\) .*\[\$ORIGIN\]", extension)
    assert "Library soname: [libgmprt.so.0]" in library
    # An interpreter may have its library linked in, or may be one that is called differently.
    assert "libpython" not in extension + library


def test_auditwheel_finds_the_wheel_fit_for_other_machines(wheel):
    pytest.importorskip("auditwheel", reason="auditwheel is not installed")
    out = good(sys.executable, "-m", "auditwheel", "show", wheel)
    text = " ".join(out.split())
    tag = re.search(r'consistent with the following platform tag: "(manylinux_2_\d+_\w+)"', text)
    assert tag, out
    # The name may promise an older glibc under a second name, never an older one than is needed.
    assert tag[1] in wheel.name, f"{wheel.name} should have the tag {tag[1]}"


@SOURCES
@CARGO
def test_a_wheel_can_be_built_from_the_source_distribution_alone(tmp_path):
    pytest.importorskip("maturin", reason="maturin is not installed")
    good(sys.executable, "-m", "maturin", "sdist", "--out", tmp_path, cwd=ROOT)
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "gmp-core/Cargo.toml", "include/gmprt.h", "LICENSE", "PKG-INFO"} <= names
    assert not [name for name in names if name.endswith((".so", ".so.0", ".pyc"))]
    # What is proved is that nothing is missing: the compiler need not do its best.
    quick = {"LTO": "off", "OPT_LEVEL": "1", "CODEGEN_UNITS": "16", "DEBUG": "0"}
    environment = {name: value for name, value in os.environ.items() if name != "GMPRT_LIB_DIR"}
    environment |= {f"CARGO_PROFILE_RELEASE_{name}": value for name, value in quick.items()}
    environment["CARGO_TARGET_DIR"] = str(tmp_path / "target")
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--no-cache-dir"]
    good(*command, "-w", tmp_path, source, cwd=tmp_path, env=environment, timeout=BUILD)
    (wheel,) = tmp_path.glob("*.whl")
    check_itself(fresh_environment(tmp_path / "venv", wheel))


@SOURCES
def test_pip_does_not_build_for_a_free_threaded_interpreter(tmp_path):
    pytest.importorskip("maturin", reason="maturin is not installed")
    script = f"""
import sys, sysconfig
known = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 1 if name == "Py_GIL_DISABLED" else known(name)
sys.path.insert(0, {str(ROOT / "scripts")!r})
import wheel_backend
wheel_backend.build_wheel({str(tmp_path)!r})
"""
    done = run(sys.executable, "-c", script)
    assert done.returncode == 1 and "does not support free-threaded" in done.stderr
    assert not list(tmp_path.iterdir())


CONFIGURATION = """\
implementation=CPython
version=3.14
shared=true
build_flags=Py_GIL_DISABLED
pointer_width=64
"""


@SOURCES
@CARGO
def test_cargo_does_not_build_for_a_free_threaded_interpreter(tmp_path):
    """As maturin calls it: what is asked of PyO3 here is what it finds out of such an interpreter."""
    (tmp_path / "pyo3.txt").write_text(CONFIGURATION)
    environment = {**os.environ, "PYO3_CONFIG_FILE": str(tmp_path / "pyo3.txt"), "CARGO_TARGET_DIR": str(tmp_path / "target")}
    done = run("cargo", "check", "--quiet", "-p", "gmp-py", cwd=ROOT, env=environment, timeout=BUILD)
    assert done.returncode != 0 and "gmp_py does not support free-threaded builds of CPython" in done.stderr, done.stderr
