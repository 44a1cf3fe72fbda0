"""py_wsgi: examples/python/wsgi.py, a task for each connection, nothing patched. serve_web.py drives it from outside."""

import sys
from pathlib import Path

import gmp_py
from frame import Frame, application, told
from gmp_py import net

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))

import wsgi  # noqa: E402

frame = Frame("py_wsgi", "gmp")


def main() -> None:
    server = wsgi.Server(application, net.listen("tcp", "127.0.0.1:0"))
    told(server.listener.address[1])
    server.serve()


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
