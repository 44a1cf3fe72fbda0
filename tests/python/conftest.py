"""The tests run against the installed wheel; nothing of the source tree is put on the path."""

import gmp_py

assert "site-packages" in gmp_py.__file__, f"not an installed gmp_py: {gmp_py.__file__}"
