"""py_echo_socket: a greenlet for each connection, gevent's sockets."""

import gevent
from frame import Frame, told
from gevent import socket

frame = Frame("py_echo_socket", "gevent")


def serve(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.close()


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(4096)
told(listener.getsockname()[1])
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    gevent.spawn(serve, connection)
