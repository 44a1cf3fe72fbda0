#!/bin/sh
# Says which tools are missing, all at once, and what to install: need.sh TOOL...
# A TOOL is a command, or `python-venv` (python3 at 3.11 or newer with the venv module), or `openssl`
# (libcrypto's headers, found through pkg-config).
set -u
missing=0
say() {
    echo "missing: $1 -- $2" >&2
    missing=1
}
for tool in "$@"; do
    case $tool in
    python-venv)
        "${PYTHON:-python3}" - <<'PY' || say "python3 >= 3.11 with the venv module" "Debian: apt-get install python3-venv (or set PYTHON=)"
import sys
ok = sys.version_info >= (3, 11)
try:
    import ensurepip, venv
except ImportError:
    ok = False
sys.exit(0 if ok else 1)
PY
        ;;
    openssl)
        pkg-config --exists libcrypto 2>/dev/null ||
            say "OpenSSL's libcrypto (through pkg-config)" "Debian: apt-get install libssl-dev pkg-config"
        ;;
    cargo) command -v cargo >/dev/null 2>&1 || say "cargo (Rust >= 1.88)" "https://rustup.rs" ;;
    cc | c++) command -v "$tool" >/dev/null 2>&1 || say "$tool (gcc or clang)" "Debian: apt-get install build-essential" ;;
    *) command -v "$tool" >/dev/null 2>&1 || say "$tool" "Debian: apt-get install $tool" ;;
    esac
done
exit $missing
