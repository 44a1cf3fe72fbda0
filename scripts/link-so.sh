#!/bin/sh
# Links DIR/libgmp.so from DIR/libgmp.a: link-so.sh DIR
#
# The shared library is linked here and not by rustc because rustc hands the linker an anonymous version
# script of its own, which GNU ld refuses to combine with a named one. The exported names and their version
# come from the ledger tests/abi/symbols.txt and from nowhere else.
#
# DIR/libgmprt.so.0 is a link beside it: programs linked with -lgmp look for the SONAME when they start.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$1
ledger=$here/tests/abi/symbols.txt
map=$dir/gmprt.map

# One node a version, in the order of the ledger; everything unlisted is local.
awk '
    /^#/ || NF == 0 { next }
    !($2 in seen) { seen[$2] = 1; order[++n] = $2 }
    { names[$2] = names[$2] "    " $1 ";\n" }
    END {
        for (i = 1; i <= n; i++) {
            printf "%s {\n  global:\n%s", order[i], names[order[i]]
            if (i == 1) printf "  local:\n    *;\n"
            printf "}%s;\n", (i == 1) ? "" : " " order[i - 1]
        }
    }' "$ledger" >"$map"

new=$dir/libgmp.so.new
${CC:-cc} -shared -o "$new" \
    -Wl,--whole-archive "$dir/libgmp.a" -Wl,--no-whole-archive \
    -Wl,-soname,libgmprt.so.0 -Wl,--version-script="$map" \
    -Wl,-z,nodelete -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--no-undefined \
    -lgcc_s -lpthread -ldl -lm -lc
# A running program keeps the file it mapped: the new one takes the name in one step.
mv -f "$new" "$dir/libgmp.so"
ln -sf libgmp.so "$dir/libgmprt.so.0"
