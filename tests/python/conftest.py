"""The tests run against the installed wheel; nothing of the source tree is put on the path."""

import signal

import gmp_py
from daemons import postgres, redis_socket

# A job that a shell started in the background ignores SIGINT, and so would the programs that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

assert "site-packages" in gmp_py.__file__, f"not an installed gmp_py: {gmp_py.__file__}"

__all__ = ["postgres", "redis_socket"]  # fixtures
