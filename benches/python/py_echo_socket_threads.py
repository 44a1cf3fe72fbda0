"""py_echo_socket: a thread for each connection, plain sockets."""

import socket
import threading

from frame import Frame, told

frame = Frame("py_echo_socket", "threads")


def serve(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.close()


listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
told(listener.getsockname()[1])
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
