#!/bin/sh
# What a C compiler needs to use llhttp: as a library where there is one (Debian 13: libllhttp-dev), else from the sources
# that Debian 12 ships (node-llhttp), in the strict form that later versions have only. Nothing, and status 1, without either.
set -u
if pkg-config --exists libllhttp 2>/dev/null; then
    pkg-config --cflags --libs libllhttp
elif [ -f /usr/share/llhttp/llhttp.c ]; then
    echo "-DLLHTTP_STRICT_MODE=1 -Wno-unused-parameter -isystem /usr/share/include/llhttp" \
        "/usr/share/llhttp/llhttp.c /usr/share/llhttp/api.c /usr/share/llhttp/http.c"
else
    echo "missing: llhttp -- Debian 12: apt-get install node-llhttp; later: libllhttp-dev" >&2
    exit 1
fi
