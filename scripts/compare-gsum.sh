#!/bin/sh
# Runs a gsum on a scratch tree of awkward files and compares with sha256sum: compare-gsum.sh COMMAND...
# Says "same" and ends 0 when stdout (without the statistics) is byte-identical, an unreadable file is told on
# stderr and counted, and the exit status is 0.
set -eu
export LC_ALL=C
scratch=$(mktemp -d)
trap 'chmod -R u+rwX "$scratch"; rm -rf "$scratch"' EXIT
tree=$scratch/tree
mkdir -p "$tree/b/deep/er" "$tree/empty" "$tree/a b"

# Names that sort differently by locale or by component, names that need escaping, sizes around a chunk's.
printf '' >"$tree/empty.file"
printf 'abc' >"$tree/b/x"
printf 'abc' >"$tree/b.c"
printf 'abc' >"$tree/b-c"
printf 'upper' >"$tree/Z"
printf 'space' >"$tree/a b/c d"
printf 'back' >"$tree/back\\slash"
printf 'line' >"$tree/new
line"
printf 'dash' >"$tree/-n"
printf 'high' >"$tree/$(printf '\303\244')"
head -c 32767 /dev/zero >"$tree/b/deep/32767"
head -c 32768 /dev/zero >"$tree/b/deep/32768"
head -c 32769 /dev/zero >"$tree/b/deep/er/32769"
head -c 3000000 /dev/urandom >"$tree/b/deep/er/random"
ln -s /etc/passwd "$tree/link"
ln -s . "$tree/loop"
i=0
while [ $i -lt 300 ]; do
    echo "$i" >"$tree/empty/file$i"
    i=$((i + 1))
done

find "$tree" -type f -print0 | sort -z | xargs -0 sha256sum >"$scratch/expected"
"$@" "$tree" >"$scratch/output" 2>"$scratch/errors" || {
    echo "exit status $?" && cat "$scratch/errors" && exit 1
} >&2
sed '$d' "$scratch/output" >"$scratch/sums"
cmp "$scratch/expected" "$scratch/sums" >&2 || {
    diff "$scratch/expected" "$scratch/sums" | head -n 20 >&2
    exit 1
}
tail -n 1 "$scratch/output" | grep -q '^# .*tasks.*machines.*hand-offs.*steals' || {
    echo "no line of statistics at the end" >&2
    exit 1
}

# Root may read everything: then the program runs as nobody, if that can be arranged.
printf 'secret' >"$tree/a b/unreadable"
chmod 000 "$tree/a b/unreadable"
as=
if [ "$(id -u)" = 0 ]; then
    as="setpriv --reuid=65534 --regid=65534 --clear-groups"
    chmod 755 "$scratch"
    status=0
    $as "$1" </dev/null >/dev/null 2>&1 || status=$? # it may complain about its arguments, but it must start
    [ "$status" -le 2 ] || as=skip
fi
if [ "$as" != skip ]; then
    $as "$@" "$tree" >"$scratch/output" 2>"$scratch/errors" || {
        echo "an unreadable file changed the exit status to $?" >&2
        exit 1
    }
    grep -q 'a b/unreadable' "$scratch/errors" || {
        echo "the unreadable file was not told" >&2
        exit 1
    }
    tail -n 1 "$scratch/output" | grep -q '1 unreadable' || {
        echo "the unreadable file was not counted" >&2
        exit 1
    }
    sed '$d' "$scratch/output" | cmp "$scratch/expected" - >&2
fi
[ "$as" != skip ] || echo "skipped: an unreadable file (nobody may not run $1)"
echo same
