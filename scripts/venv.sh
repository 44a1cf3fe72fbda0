#!/bin/sh
# Makes or renews a virtual environment for the build and the tests: venv.sh PYTHON VENV
# What is needed to run any test must be there in the end. The rest of tests/python/requirements.txt may be missing,
# as on a machine that cannot reach the index: it is named here, and the tests that need it skip.
set -euf
list=$(cd "$(dirname "$0")/.." && pwd)/tests/python/requirements.txt
[ -x "$2/bin/python" ] || "$1" -m venv "$2"
python=$2/bin/python
# Two tries of ten seconds: an index that cannot be reached is not waited for.
pip() { "$python" -m pip --quiet --disable-pip-version-check --retries 1 --timeout 10 install "$@"; }

if ! pip -r "$list" 2>/dev/null; then
    missing=
    for line in $(sed 's/#.*//' "$list"); do
        pip "$line" 2>/dev/null || missing="$missing $line"
    done
    [ -z "$missing" ] || echo "venv: could not install$missing; what needs them will be skipped" >&2
fi
for module in maturin pytest; do
    "$python" -c "import $module" 2>/dev/null || {
        echo "venv: no $module in $2: the package index cannot be reached (or set up a mirror by pip's configuration)" >&2
        exit 1
    }
done
