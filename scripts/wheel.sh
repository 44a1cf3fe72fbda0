#!/bin/sh
# Builds the wheel for one python: wheel.sh PYTHON LIBDIR OUT
# The library goes into the package under its SONAME, where the extension finds it beside itself ($ORIGIN).
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
lib=$(cd "$2" && pwd)
mkdir -p "$3"
out=$(cd "$3" && pwd)
cd "$(dirname "$0")/../bindings/python"
mkdir -p python/gmp_py/include
cp "$lib/libgmp.so" python/gmp_py/libgmprt.so.0
cp ../../include/gmprt.h python/gmp_py/include/gmprt.h
# pip --find-links takes the newest of equal versions as it likes: leave one.
rm -f "$out"/gmp_py-*-"$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')"-*.whl
GMPRT_LIB_DIR=$lib "$python" -m maturin build --release --interpreter "$python" --out "$out"
