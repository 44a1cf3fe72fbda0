"""py_echo_socket: a task for each connection, sockets of the standard library under gmp_py.monkey."""

import socket

import gmp_py
from frame import Frame, told
from gmp_py import monkey

monkey.patch_all()
frame = Frame("py_echo_socket", "gmp")


def serve(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.close()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    told(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        gmp_py.go(serve, connection)


gmp_py.max_procs(frame.procs)
gmp_py.run(main)
