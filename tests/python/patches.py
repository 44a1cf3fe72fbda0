"""What the tests of the patches share: a child process with the patches on, and servers for it."""

import pytest
from support import ok


BEGIN = """
import errno, os, select, selectors, socket, sys, threading, time, warnings
warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)  # from 3.12 on: any process with a thread
import gmp_py
from gmp_py import go, monkey
gmp_py.max_procs({procs})
{patch}
HANG = 60
def in_task(fn, *args):
    return go(fn, *args).join(HANG * 2)
def raised(fn, *args):
    try:
        fn(*args)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")
def threads():
    return len(os.listdir("/proc/self/task"))
"""


def patched(script, procs=1, patch="monkey.patch_all()"):
    """Runs a script under the patches; it must print `ok` last, and nothing on stderr."""
    from textwrap import dedent

    out = ok(BEGIN.format(procs=procs, patch=patch) + dedent(script) + "\nprint('ok')\n")
    assert out == "ok\n", out

both = pytest.mark.parametrize("procs", [1, 2], ids=["P=1", "P=2"])


SERVERS = """
import http.server, socketserver, urllib.error, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = self.path.encode() * 1000
        self.send_response(200 if self.path != "/missing" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
class Tasks(socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 128
    def process_request(self, request, address):
        go(self.serve_one, request, address)
    def serve_one(self, request, address):
        try:
            self.finish_request(request, address)
        finally:
            self.shutdown_request(request)
def with_server(handler, use):
    with Tasks(("127.0.0.1", 0), handler) as server:
        serving = go(server.serve_forever, 0.05)
        use(server.server_address)
        server.shutdown()
        serving.join(HANG)
"""
