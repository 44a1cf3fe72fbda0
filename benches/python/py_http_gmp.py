"""py_http: http.server's handler, a task for each connection, nothing patched. serve_web.py drives it from outside."""

import http.server

import gmp_py
from frame import Frame, Page, told
from gmp_py import servers

frame = Frame("py_http", "gmp")


class Server(servers.TaskMixIn, http.server.HTTPServer):
    pass


def main() -> None:
    server = Server(("127.0.0.1", 0), type("Handler", (Page, http.server.BaseHTTPRequestHandler), {}))
    told(server.server_port)
    server.serve_forever()


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
