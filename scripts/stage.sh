#!/bin/sh
# Copies the runtime and the headers into the Python package, from where the wheel takes them: stage.sh LIBDIR
# The library goes in under its SONAME, and the extension finds it beside itself ($ORIGIN).
set -eu
lib=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
package=bindings/python/python/gmp_py
mkdir -p $package/include
# A process may have the old one mapped: the new one takes the name in one step.
cp "$lib/libgmp.so" $package/libgmprt.so.0.new
mv -f $package/libgmprt.so.0.new $package/libgmprt.so.0
cp include/gmprt.h bindings/python/include/gmp_py.h $package/include/
