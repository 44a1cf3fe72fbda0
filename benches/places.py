"""The places of the benches: where sources, builds and results lie. Nothing else holds a path."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = HERE / "out"
BUILD = OUT / "build"
NET = HERE / "net"
VENV = HERE / ".venv"
INCLUDE = ROOT / "include"
LIBRARY = ROOT / "target" / "release" / "libgmp.so"
SONAME = "libgmprt.so.0"
WHEELS = ROOT / "dist"
