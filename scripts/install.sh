#!/bin/sh
# Installs the built library: install.sh BUILD VERSION DESTDIR PREFIX LIBDIR INCLUDEDIR
#
# The development name libgmp.so goes into a directory of its own, LIBDIR/gmprt: GNU MP has a libgmp.so too, and
# neither may shadow the other. Programs say `pkg-config --cflags --libs gmprt` or `find_package(gmprt)`.
set -eu
build=$1 version=$2 dest=$3 prefix=$4 lib=$5 include=$6
root=$(cd "$(dirname "$0")/.." && pwd)

install -d "$dest$lib/gmprt" "$dest$lib/pkgconfig" "$dest$lib/cmake/gmprt" "$dest$include"
install -m 755 "$build/libgmp.so" "$dest$lib/libgmprt.so.$version"
ln -sf "libgmprt.so.$version" "$dest$lib/libgmprt.so.0"
ln -sf ../libgmprt.so.0 "$dest$lib/gmprt/libgmp.so"
install -m 644 "$build/libgmp.a" "$dest$lib/gmprt/libgmp.a"
install -m 644 "$root/include/gmprt.h" "$dest$include/gmprt.h"

cat >"$dest$lib/pkgconfig/gmprt.pc" <<PC
prefix=$prefix
libdir=$lib
includedir=$include

Name: gmprt
Description: Go's G/M/P concurrency as a library: tasks, machines, processors
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir}/gmprt -lgmp
Libs.private: -lgcc_s -lpthread -ldl -lm
PC

cat >"$dest$lib/cmake/gmprt/gmprtConfig.cmake" <<CMAKE
if(NOT TARGET gmprt::gmprt)
  add_library(gmprt::gmprt SHARED IMPORTED)
  set_target_properties(gmprt::gmprt PROPERTIES
    IMPORTED_LOCATION "$lib/libgmprt.so.$version"
    IMPORTED_SONAME "libgmprt.so.0"
    INTERFACE_INCLUDE_DIRECTORIES "$include")
endif()
CMAKE

cat >"$dest$lib/cmake/gmprt/gmprtConfigVersion.cmake" <<CMAKE
set(PACKAGE_VERSION "$version")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
CMAKE
echo "installed gmprt $version below $dest$prefix (ldconfig, if the loader does not look there by itself)"
