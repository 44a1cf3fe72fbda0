#!/bin/sh
# The stress programs on a library with chaos points: chaos.sh DIR [SEEDS]
#
# First bugs are planted, one at a time: the programs must see each of them, or the rest says nothing. Then all of them run,
# with SEEDS seeds of chaos (3), on the library in DIR, which was built with the feature `chaos`.
set -eu
dir=$1
seeds=${2:-3}
cd "$(dirname "$0")/.."
# So many seeds may pass before a bug is seen.
patience=40

grep -q GMP_TEST_CHAOS "$dir/libgmp.so" || { echo "$dir: built without the feature chaos" >&2; exit 1; }

planted=$dir/../planted
mkdir -p "$planted"
for program in retake_stress chan_mpmc deadlock_load; do
    ${CC:-cc} -O2 -g -Iinclude -Itests/c "tests/c/$program.c" -o "$planted/$program" \
        -L"$dir" -lgmp -lm -lpthread -Wl,-rpath,"$(cd "$dir" && pwd)"
done

# False when the program fails, dies or hangs.
holds() {
    timeout 120 "$planted/$1" "$2" >/dev/null 2>&1
}

retakes=every_call_comes_right_when_processors_are_retaken_around_it
for bug in early-commit seize-inside owner-fence; do
    seed=1
    export GMP_TEST_BREAK=$bug
    while
        export GMP_TEST_CHAOS=$seed GMP_TEST_SEED=$seed
        holds chan_mpmc tasks_to_tasks && GMP_MAXPROCS=1 holds retake_stress $retakes && holds retake_stress $retakes
    do
        seed=$((seed + 1))
        [ $seed -le $patience ] || { echo "planted bug $bug: not seen with $patience seeds" >&2; exit 1; }
    done
    echo "planted bug $bug: seen with seed $seed"
done

seed=1
export GMP_TEST_BREAK=late-rise GMP_TEST_DEADLOCK_NS=0
while
    export GMP_TEST_CHAOS=$seed GMP_TEST_SEED=$seed
    holds deadlock_load one_look_under_load_gives_no_false_verdict
do
    seed=$((seed + 1))
    [ $seed -le $patience ] || { echo "planted bug late-rise: not seen with $patience seeds" >&2; exit 1; }
done
echo "planted bug late-rise: seen with seed $seed"
unset GMP_TEST_BREAK GMP_TEST_DEADLOCK_NS

seed=1
while [ $seed -le "$seeds" ]; do
    export GMP_TEST_CHAOS=$seed GMP_TEST_SEED=$seed
    for some in stress _race _mpmc _load; do
        echo "seed $seed: c/*$some*"
        GMP_TEST_LIB_DIR=$dir cargo test -q -p gmp-tests --test programs -- "$some"
    done
    CARGO_TARGET_DIR=$dir/.. cargo test -q --release -p gmp-core --features chaos --test stress --test sync_stress --test timer_stress
    seed=$((seed + 1))
done
