"""What pip asks to build the package: maturin's backend, for which the runtime is built and copied in first.

GMPRT_LIB_DIR names a directory with a libgmp.so that is there already; without it one is built from this tree.
"""

import os
import pathlib
import subprocess
import sysconfig

import maturin
from maturin import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

# Scripts are run by name of their shell: maturin leaves the executable bit out of the source distribution.
ROOT = pathlib.Path(__file__).resolve().parent.parent


def stage() -> None:
    """Puts the runtime and the headers where the package's own files are."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise SystemExit("gmp_py does not support free-threaded builds of CPython: use a build with the GIL")
    if "GMPRT_LIB_DIR" not in os.environ:
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        subprocess.run(["cargo", "build", "--release", "-p", "gmp-capi"], cwd=ROOT, check=True)
        subprocess.run(["sh", ROOT / "scripts" / "link-so.sh", target / "release"], check=True)
        os.environ["GMPRT_LIB_DIR"] = os.fspath(target / "release")
    subprocess.run(["sh", ROOT / "scripts" / "stage.sh", os.environ["GMPRT_LIB_DIR"]], check=True)


def build_wheel(directory, config_settings=None, metadata_directory=None):
    stage()
    return maturin.build_wheel(directory, config_settings, metadata_directory)


def build_editable(directory, config_settings=None, metadata_directory=None):
    stage()
    return maturin.build_editable(directory, config_settings, metadata_directory)
