"""py_echo: a task for each connection, gmp_py.net's streams. serve_echo.py drives it from outside."""

import gmp_py
from frame import Frame, told
from gmp_py import net

frame = Frame("py_echo", "gmp")


def serve(stream: net.Stream) -> None:
    with stream:
        while data := stream.read(65536):
            stream.write(data)


def main() -> None:
    with net.listen("tcp", "127.0.0.1:0") as listener:
        told(listener.address[1])
        for stream in listener:
            gmp_py.go(serve, stream)


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
