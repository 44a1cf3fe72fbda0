#!/bin/sh
# Fuzzes a body of fuzz/c with its driver: fuzz-c.sh NAME build PROGRAM [FLAG]...
#                                         fuzz-c.sh NAME run SECONDS [SEED]
# The code under test is compiled for AddressSanitizer, UBSan and coverage; the driver must not count itself.
set -eu
cd "$(dirname "$0")/.."
name=$1 what=$2 argument=$3
shift 3
case $name in
httpd) sources="examples/c/httpd/request.c examples/c/httpd/target.c" flags=$(scripts/llhttp.sh) ;;
kvd)
    sources=$(ls examples/c/kvd/*.c | grep -v -e /main.c -e /server.c) flags="-Iinclude -Iexamples/c/kvd"
    ;;
*)
    echo "no body of that name: $name" >&2
    exit 2
    ;;
esac
seeds=fuzz/seeds-$name
sanitize="-std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"

build() {
    program=$1
    shift
    ${CC:-cc} $sanitize -Wall -Wextra -c fuzz/c/driver.c -o "$program.driver.o"
    ${CC:-cc} $sanitize -fsanitize-coverage=trace-pc "$@" "fuzz/c/$name.c" $sources "$program.driver.o" $flags -o "$program"
    rm "$program.driver.o"
}

case $what in
build) build "$argument" "$@" ;;
run)
    mkdir -p target/fuzz
    build "target/fuzz/$name"
    exec "target/fuzz/$name" "$argument" "${1:-$(date +%s)}" "$seeds"
    ;;
*) exit 2 ;;
esac
